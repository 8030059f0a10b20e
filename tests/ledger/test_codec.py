"""Views to JSON and back without losing a unit."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import codec
from ledger.views import AttemptView, HistoryEntry, SessionView, TransferView, WithdrawalView

AMOUNTS = st.integers(0, 2**256 - 1)


@given(AMOUNTS, st.text(max_size=30), st.one_of(st.none(), st.text(max_size=9)))
def test_l10_a_withdrawal_comes_back_exactly(amount: int, text: str, txid: str | None) -> None:
    view = WithdrawalView(
        "wd_1", text, "alice", "BTC", amount, amount, "addr", txid, "approved", None, False, 0, 3, None, 5,
        (HistoryEntry("approved", 5, "key:shop"),), (AttemptView("at_1", txid, "signed", amount, 6),),
    )  # fmt: skip
    assert codec.decode(*codec.encode(view)) == view
    assert json.loads(codec.encode(view)[1])["amount"] == amount


def test_optional_lists_keep_the_difference_between_none_and_empty() -> None:
    for currencies in (None, (), ("BTC", "ETH")):
        view = SessionView("s", "c", "w", ("deposit",), currencies, None, None, None, 1, 2, "open")
        assert codec.decode(*codec.encode(view)) == view


def test_only_views_are_read_back() -> None:
    view = TransferView("t", "e", "a", "b", "BTC", 1, "", 0)
    assert codec.decode("TransferView", codec.encode(view)[1]) == view
    for name in ("Path", "TypeVar", "dataclass", "nothing"):
        with pytest.raises(KeyError):
            codec.decode(name, "{}")
    with pytest.raises(TypeError):
        codec.to_dict(TransferView("t", "e", "a", "b", "BTC", 1.5, "", 0))  # type: ignore[arg-type]
