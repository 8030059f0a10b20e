"""Approvals: which operators let exactly this payment leave, and whether they are enough.

A digest stands for the payment as the operator was shown it; what was approved is compared with what is
to be paid once more when the payment is reserved (``ledger/candidate.py``). Approvals are append-only.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.approval_row import OPERATOR, read_approvals
from ledger.coin_row import CoinRow
from ledger.context import Tx
from ledger.errors import ApprovalRefusedError, IllegalTransitionError


@dataclass(frozen=True, slots=True)
class Payment:
    """What is to be approved: its object, what it is now, who asked for it, how many must approve."""

    object_id: str
    digest: str
    requested_by: str
    needed: int


def approvals_needed(coin: CoinRow, amount: int) -> int:
    """How many different operators must approve a payment of ``amount`` in this currency."""
    if coin.second_approval_above is not None and amount > coin.second_approval_above:
        return 2
    return int(coin.approval_above is not None and amount > coin.approval_above)


def approve(tx: Tx, payment: Payment, by: str, digest: str) -> bool:
    """Add one operator's approval; True when the payment has all it needs.

    Raises ApprovalRefusedError: no operator (any more), another payment than he was shown, his own
    request, or the same person twice.
    """
    operator_id = operator_of(tx, by)
    if digest != payment.digest:
        raise ApprovalRefusedError("this is not the payment you were shown", code="payment_changed")
    if by == payment.requested_by:
        raise ApprovalRefusedError("whoever asked for a payment does not approve it", code="own_request")
    added = tx.db.execute(
        "INSERT INTO approval (object_id, operator_id, digest, at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (payment.object_id, operator_id, digest, tx.now_s),
    )
    if added.rowcount == 0:
        raise ApprovalRefusedError("you approved it already: another operator must", code="already_approved")
    return is_approved(tx, payment)


def is_approved(tx: Tx, payment: Payment) -> bool:
    """Whether as many different operators as needed approved exactly this payment."""
    given = [each for each in read_approvals(tx.db, payment.object_id) if each.digest == payment.digest]
    return len(given) >= payment.needed


def refuse_unapproved(tx: Tx, payment: Payment) -> None:
    """Nothing is reserved that was not approved as it is now. Raises IllegalTransitionError."""
    if not is_approved(tx, payment):
        raise IllegalTransitionError(f"{payment.object_id} has not the approvals it needs")


def operator_of(tx: Tx, by: str) -> str:
    """The id of an operator who may act. Raises ApprovalRefusedError for anybody else."""
    operator_id = by.removeprefix(OPERATOR)
    row = tx.db.execute("SELECT disabled_at FROM operator WHERE id = ?", (operator_id,)).fetchone()
    if not by.startswith(OPERATOR) or row is None or row[0] is not None:
        raise ApprovalRefusedError("only an operator who may log in can do this", code="forbidden")
    return operator_id
