"""A withdrawal's row, typed; read by the writer and by the read side alike."""

from __future__ import annotations

from dataclasses import dataclass

from coins.types import ForeignAddress, child_intent
from ledger import accounts
from ledger.accounts import HOUSE, Part
from ledger.approval_row import digest_of, read_approvals
from ledger.connection import Database
from ledger.views import ApprovalView, AttemptView, ChildAttempt, HistoryEntry, WithdrawalView
from ledger.withdrawal import WithdrawalState

COLUMNS = (
    "w.id, w.ordinal, w.website, w.external_id, w.client_id, w.session_id, w.currency, w.amount, w.fee,"
    " w.address, w.script, w.status, w.waiting_for, w.attention, w.txid, w.block_height, w.block_hash,"
    " w.due_height, w.created_at, w.case_id, w.approvals_needed,"
    " w.cooling_until, w.kind"
)

PAYOUT = "payout"
"""Kind of a withdrawal that pays somebody else."""

COLD = "cold"
"""Kind of a withdrawal that moves house money to the cold address: it reserves nobody's money."""

PAID_BY = "w.id IN (SELECT p.withdrawal_id FROM attempt_payout p WHERE p.attempt_id = ?) ORDER BY w.ordinal"
"""Condition: the withdrawals that the attempt given as argument pays."""


def stop_of(withdrawal_id: str) -> str:
    """Id of the intent to use up the nonce of a withdrawal that was stopped."""
    return f"cancel_{withdrawal_id}"


@dataclass(frozen=True, slots=True)
class WithdrawalRow:
    """One withdrawal. ``amount`` is what the payee gets, ``fee`` our service fee on top of it.

    With a ``case_id`` it sends money back that credited nobody, and belongs to the house. So does one of the
    kind ``cold``: it moves money to the cold address, and what it moves stays in the books.
    """

    id: str
    ordinal: int
    website: str
    external_id: str
    client_id: str
    session_id: str | None
    currency: str
    amount: int
    fee: int
    address: str
    script: bytes
    status: WithdrawalState
    waiting_for: str | None
    attention: bool
    txid: str | None
    block_height: int | None
    block_hash: str | None
    due_height: int | None
    created_at: int
    case_id: str | None = None
    approvals_needed: int = 0
    cooling_until: int | None = None
    kind: str = PAYOUT


def new_withdrawal(
    withdrawal_id: str,
    ordinal: int,
    currency: str,
    amount: int,
    payee: ForeignAddress,
    created_at: int,
    *,
    client_id: str = HOUSE,
    website: str = "",
    external_id: str | None = None,
    session_id: str | None = None,
    fee: int = 0,
    case_id: str | None = None,
    cooling_until: int | None = None,
    kind: str = PAYOUT,
) -> WithdrawalRow:
    """One that is just asked for, of the house and with its own id as ``external_id`` where none is given."""
    return WithdrawalRow(
        id=withdrawal_id,
        ordinal=ordinal,
        website=website,
        external_id=withdrawal_id if external_id is None else external_id,
        client_id=client_id,
        session_id=session_id,
        currency=currency,
        amount=amount,
        fee=fee,
        address=payee.address,
        script=payee.script,
        status=WithdrawalState.APPROVED,
        waiting_for=None,
        attention=False,
        txid=None,
        block_height=None,
        block_hash=None,
        due_height=None,
        created_at=created_at,
        case_id=case_id,
        cooling_until=cooling_until,
        kind=kind,
    )


def reserve_of(row: WithdrawalRow) -> str:
    """The account that holds a withdrawal's money until it is paid."""
    if row.case_id is not None:
        return accounts.refund_payable(row.currency)
    return accounts.client(row.client_id, row.currency, Part.RESERVED)


def source_of(row: WithdrawalRow) -> str:
    """The account that a withdrawal's money came from, and goes back to when it is never paid."""
    if row.case_id is not None:
        return accounts.suspense(row.currency)
    return accounts.client(row.client_id, row.currency, Part.AVAILABLE)


def payment_digest(row: WithdrawalRow) -> str:
    """What operators approve: who gets what, from whose request. Nothing of it ever changes."""
    return digest_of(
        withdrawal_id=row.id,
        currency=row.currency,
        amount=row.amount,
        fee=row.fee,
        address=row.address,
        script=row.script.hex(),
        external_id=row.external_id,
    )


def from_row(row: tuple[object, ...]) -> WithdrawalRow:
    """A WithdrawalRow of a row selected as COLUMNS."""
    values = list(row)
    values[7], values[8] = int(str(values[7])), int(str(values[8]))
    values[11] = WithdrawalState(str(values[11]))
    values[13] = bool(values[13])
    return WithdrawalRow(*values)  # type: ignore[arg-type]  # STRICT columns in the order of COLUMNS


def read_withdrawals(db: Database, where: str, arguments: tuple[object, ...]) -> list[WithdrawalRow]:
    """Withdrawals matching a condition on ``w``; it may end with an order and a limit."""
    sql = f"SELECT {COLUMNS} FROM withdrawal w WHERE {where}"  # nosec B608
    return [from_row(row) for row in db.execute(sql, arguments)]


def to_view(
    db: Database, row: WithdrawalRow, confirmations_required: int, tip_height: int | None
) -> WithdrawalView:
    """The picture others see: the row, its history and its attempts, confirmations at ``tip_height``."""
    history = db.execute(
        "SELECT status, at, by FROM withdrawal_history WHERE withdrawal_id = ? ORDER BY id", (row.id,)
    )
    return view_of(
        row,
        confirmations_required,
        tip_height,
        tuple(HistoryEntry(status, at, by) for status, at, by in history),
        _attempts(db, row.id),
        read_approvals(db, row.id) if row.approvals_needed else (),
        _block_at(db, row),
    )


_ATTEMPTS = (
    "SELECT a.id, a.txid, a.state, a.fee, a.created_at, p.fee_share, (SELECT count(*) FROM attempt_payout o"
    " WHERE o.attempt_id = a.id), CASE WHEN a.nonce IS NULL THEN i.kind ELSE json_extract(a.plan, '$.kind')"
    " END, a.nonce, (SELECT count(*) FROM attempt_input n WHERE n.attempt_id = a.id), a.block_hash,"
    " (SELECT m.delta FROM chain_movement m WHERE m.chain = c.chain AND m.block_hash = a.block_hash"
    " AND m.txid = a.txid AND m.position = 'gas' AND m.is_disconnected = 0), c.chain"
    " FROM attempt_payout p JOIN attempt a ON a.id = p.attempt_id JOIN intent i ON i.id = a.intent_id"
    " JOIN coin c ON c.currency = a.currency WHERE p.withdrawal_id = ? ORDER BY a.rowid"
)


def _attempts(db: Database, withdrawal_id: str) -> tuple[AttemptView, ...]:
    """Every candidate of a withdrawal, oldest first."""
    found = []
    for row in db.execute(_ATTEMPTS, (withdrawal_id,)).fetchall():
        attempt_id, txid, state, fee, at, share, payouts, kind, nonce, inputs, block_hash, gas, chain = row
        child = paid = None
        if nonce is None:
            child = None if txid is None else _child(db, txid)
            paid = None if block_hash is None else int(fee)
        elif gas is not None:
            paid = -int(gas)
        found.append(
            AttemptView(
                attempt_id,
                txid,
                state,
                int(fee),
                at,
                int(share),
                payouts,
                kind,
                nonce,
                inputs if nonce is None else None,
                paid,
                chain,
                child,
            )
        )
    return tuple(found)


def _child(db: Database, txid: str) -> ChildAttempt | None:
    """The child that pays for a chain tx of ours, unless it was given up."""
    row = db.execute(
        "SELECT id, txid, state, fee, created_at FROM attempt WHERE intent_id = ? AND state <> 'abandoned'"
        " ORDER BY rowid DESC LIMIT 1",
        (child_intent(txid),),
    ).fetchone()
    return ChildAttempt(row[0], row[1], row[2], int(row[3]), row[4]) if row else None


def _block_at(db: Database, row: WithdrawalRow) -> int | None:
    """The time of the block a withdrawal is in."""
    if row.block_height is None:
        return None
    found = db.execute(
        "SELECT b.time FROM coin c JOIN block b ON b.chain = c.chain AND b.height = ? WHERE c.currency = ?"
        " AND b.block_hash = ?",
        (row.block_height, row.currency, row.block_hash),
    ).fetchone()
    return found[0] if found else None


def view_of(
    row: WithdrawalRow,
    confirmations_required: int,
    tip_height: int | None,
    history: tuple[HistoryEntry, ...],
    attempts: tuple[AttemptView, ...] = (),
    approvals: tuple[ApprovalView, ...] = (),
    block_at: int | None = None,
) -> WithdrawalView:
    """The same of what is known already."""
    is_included = row.block_height is not None and tip_height is not None
    return WithdrawalView(
        id=row.id,
        external_id=row.external_id,
        client_id=row.client_id,
        currency=row.currency,
        amount=row.amount,
        fee=row.fee,
        address=row.address,
        txid=row.txid,
        status=row.status.value,
        waiting_for=row.waiting_for,
        attention=row.attention,
        confirmations=(tip_height or 0) - (row.block_height or 0) + 1 if is_included else 0,
        confirmations_required=confirmations_required,
        block_height=row.block_height,
        created_at=row.created_at,
        history=history,
        attempts=attempts,
        digest=payment_digest(row),
        approvals_needed=row.approvals_needed,
        cooling_until=row.cooling_until,
        website=row.website,
        block_hash=row.block_hash,
        approvals=approvals,
        kind=row.kind,
        block_at=block_at,
    )
