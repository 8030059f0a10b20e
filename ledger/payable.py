"""A withdrawal as the payment that operators approve, and whether it may leave now."""

from __future__ import annotations

from ledger.approval import Payment, refuse_unapproved
from ledger.context import Tx
from ledger.errors import IllegalTransitionError
from ledger.withdrawal_row import WithdrawalRow, payment_digest


def payment_of(tx: Tx, row: WithdrawalRow) -> Payment:
    """What is to be approved of a withdrawal; it was asked for by whoever its history begins with."""
    first = tx.db.execute(
        "SELECT by FROM withdrawal_history WHERE withdrawal_id = ? ORDER BY id LIMIT 1", (row.id,)
    ).fetchone()
    return Payment(row.id, payment_digest(row), first[0] if first else "", row.approvals_needed)


def cools(tx: Tx, row: WithdrawalRow) -> bool:
    """Whether its address is new to the client and its time to object is not over."""
    return row.cooling_until is not None and row.cooling_until > tx.now_s


def refuse_unpayable(tx: Tx, row: WithdrawalRow) -> None:
    """A payout is reserved when it has its approvals and its address has cooled, whoever asks.

    Raises IllegalTransitionError.
    """
    refuse_unapproved(tx, payment_of(tx, row))
    if cools(tx, row):
        raise IllegalTransitionError(f"the address of {row.id} is new to its client and has to wait")
