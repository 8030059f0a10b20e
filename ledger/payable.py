"""A withdrawal as the payment that operators approve, and whether it may leave now."""

from __future__ import annotations

from ledger.approval import Payment
from ledger.context import Tx
from ledger.withdrawal_row import WithdrawalRow, payment_digest


def payment_of(tx: Tx, row: WithdrawalRow) -> Payment:
    """What is to be approved of a withdrawal; it was asked for by whoever its history begins with."""
    first = tx.db.execute(
        "SELECT by FROM withdrawal_history WHERE withdrawal_id = ? ORDER BY id LIMIT 1", (row.id,)
    ).fetchone()
    return Payment(row.id, payment_digest(row), first[0] if first else "", row.approvals_needed)
