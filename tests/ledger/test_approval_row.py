"""The digest of a payment: the same for the same payment, another one for anything else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ledger.approval_row import digest_of
from ledger.withdrawal_row import payment_digest
from tests.ledger.till import Till


def test_a_digest_is_of_canonical_json() -> None:
    assert digest_of(b=2, a="x") == digest_of(a="x", b="2")
    assert digest_of(a="x", b=2) != digest_of(a="x", b=20)
    assert len(digest_of(a=1)) == 64


@pytest.mark.parametrize(
    "change",
    [
        {"id": "wd_2"},
        {"currency": "LTC"},
        {"amount": 50_000},
        {"fee": 501},
        {"address": "elsewhere"},
        {"script": b"elsewhere"},
        {"external_id": "order-2"},
    ],
    ids=str,
)
def test_w40_each_part_of_a_payment_changes_its_digest(tmp_path: Path, change: dict[str, object]) -> None:
    till = Till(tmp_path)
    till.deposit("alice", 100_000, blocks=6)
    view = till.open("alice", 5_000)
    (row,) = till.withdrawals()
    assert payment_digest(row) == view.digest
    assert payment_digest(replace(row, **change)) != view.digest  # type: ignore[arg-type]
    assert payment_digest(replace(row, txid="ab", attention=True, waiting_for="funds")) == view.digest
    till.close()
