"""Events of every kind the ledger writes, as a website reads them."""

from __future__ import annotations

from typing import Any

import pytest

from actors.messages import ReconciliationView
from gateway.coins import Coins
from gateway.render import event, moment
from tests.gateway.fake import load_settings
from tests.gateway.samples import (
    NOW,
    currency_view,
    deposit_view,
    event_view,
    issued_address,
    withdrawal_view,
)

COINS = Coins(load_settings().configured)


def data_of(kind: str, data: Any) -> dict[str, Any]:
    return event(event_view(1, kind, data), COINS).data


def test_a_reconciliation_tells_its_lines_in_whole_units() -> None:
    line = {"location": "hot", "chain": 1, "books": 3, "difference": -2}
    view = ReconciliationView("rec_1", "BTC", 101, "cd" * 32, "mismatch", NOW, (line,))
    shown = data_of("reconciliation.mismatch", view)
    assert shown["lines"] == [
        {"location": "hot", "chain": "0.00000001", "books": "0.00000003", "difference": "-0.00000002"}
    ]
    assert (shown["height"], shown["created_at"]) == (101, "2025-10-09T08:53:20Z")


def test_an_address_tells_its_client_and_no_internals() -> None:
    shown = data_of("address.issued", issued_address().view)
    assert (shown["client_id"], shown["address"], shown["network"]) == ("alice", "bcrt1qalice", "regtest")
    assert not {"index", "sequence"} & set(shown)


def test_a_currency_is_shown_by_its_own_decimals() -> None:
    assert (
        data_of("currency.down", currency_view("ETH", state="down"))["withdrawal_fee"]
        == "0.000050000000000000"
    )


@pytest.mark.parametrize(
    "status", ["seen", "confirming", "credited", "final", "orphaned", "reversed", "parked"]
)
def test_a_deposit_is_shown_in_every_state(status: str) -> None:
    shown = data_of(f"deposit.{status}", deposit_view(status=status, block_height=None, block_hash=None))
    assert (shown["status"], shown["amount"], shown["block_height"]) == (status, "0.00150000", None)


def test_amounts_of_256_bits_stay_exact() -> None:
    shown = data_of("withdrawal.final", withdrawal_view(currency="ETH", amount=2**256 - 1))
    assert shown["amount"].replace(".", "") == str(2**256 - 1)


@pytest.mark.parametrize(
    ("at", "text"), [(0, "1970-01-01T00:00:00Z"), (4_102_444_800, "2100-01-01T00:00:00Z")]
)
def test_moments_are_rfc_3339(at: int, text: str) -> None:
    assert moment(at) == text
