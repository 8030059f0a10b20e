"""A currency's row: amounts beyond 64 bits, and limits that are not there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ledger import coin_row
from ledger.connection import connect
from ledger.errors import UnknownCurrencyError
from ledger.policy import Finality, Tier
from tests.ledger.books import BTC, do, make_books


@pytest.mark.parametrize("limit", [None, 0, 2**255])
def test_a_row_comes_back_as_it_was_registered(tmp_path: Path, limit: int | None) -> None:
    store = make_books(tmp_path)
    given = replace(
        BTC,
        approval_above=limit,
        session_withdrawal_cap=limit,
        maximum_withdrawal=2**256 - 1,
        tiers=(Tier(10, 4), Tier(2**200, 6)),
        withdrawable_depth=5,
        finality=Finality.SAFE,
    )
    do(store, given)
    db = connect(store.path, read_only=True)
    row = coin_row.read_coin(db, "BTC")
    for name in coin_row.CoinRow.__slots__:
        if hasattr(given, name):
            assert getattr(row, name) == getattr(given, name), name
    assert (row.state, row.is_configured) == ("open", True)
    assert coin_row.to_view(row, 7).height == 7
    with pytest.raises(UnknownCurrencyError):
        coin_row.read_coin(db, "btc")
    db.close()
    store.close()
