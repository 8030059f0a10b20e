"""Typed rows and the pictures made of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ledger.attempt_row import plan_of, plan_text, read_attempts, to_work
from ledger.connection import connect
from ledger.deposit_row import read_deposits, to_view
from ledger.withdrawal_row import PAID_BY, read_withdrawals
from tests.ledger.till import ETH, Till


def test_rows_read_back_as_they_were_written(tmp_path: Path) -> None:
    till = Till(tmp_path)
    till.deposit("alice", 100_000, blocks=6)
    till.open("alice", 60_000)
    attempt = till.reserve(till.work()[0])
    db = connect(till.store.path)
    (row,) = read_attempts(db, "a.id = ?", (attempt.attempt_id,))
    assert to_work(row) == attempt
    assert plan_text(plan_of(row)) == row.plan
    (withdrawal,) = read_withdrawals(db, PAID_BY, (row.id,))
    assert (withdrawal.amount, withdrawal.fee, withdrawal.status) == (60_000, 500, "approved")
    (deposit,) = read_deposits(db, "d.client_id = ?", ("alice",))
    view = to_view(deposit, till.known()[0].height)
    assert (view.confirmations, view.confirmations_required, view.output_index) == (6, 3, 0)
    assert to_view(replace(deposit, block_height=None), 200).confirmations == 0
    db.close()
    till.close()


def test_a_deposit_on_an_account_chain_has_no_output_index(tmp_path: Path) -> None:
    till = Till(tmp_path, ETH)
    till.deposit("alice", 100_000, blocks=1)
    db = connect(till.store.path)
    (deposit,) = read_deposits(db, "d.client_id = ?", ("alice",))
    assert (to_view(deposit, None).output_index, deposit.position) == (None, "native")
    db.close()
    till.close()
