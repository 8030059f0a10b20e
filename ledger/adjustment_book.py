"""Adjustments: money that operators move between clients and the house, with a reason and other eyes.

Posted, an adjustment is a transfer (:mod:`ledger.transfer`) with the same id and no website. Above the
currency's limits for approvals it is held: nothing is booked before as many other operators approved
exactly what they were shown, and then it is judged once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from ledger import journal
from ledger.adjustment import ADJUSTMENT, AdjustmentEvent, AdjustmentState
from ledger.adjustment_command import CorrectCase, DecideAdjustment, RequestAdjustment, ReverseAdjustment
from ledger.adjustment_row import COLUMNS, AdjustmentRow, adjustments_digest, read_adjustments, to_view
from ledger.adjustment_view import AdjustmentsView, AdjustmentView, PartyBalance, TotalView
from ledger.approval import Payment, approvals_needed, approve, operator_of
from ledger.approval_row import read_approvals
from ledger.context import Tx
from ledger.correction import book_correction, parties_of, taken_beside
from ledger.errors import (
    AlreadyExistsError,
    ExternalIdUsedError,
    IllegalTransitionError,
    LedgerCorruptError,
    NotFoundError,
    NotHeldError,
    NotReversibleError,
)
from ledger.machine import Who, advance
from ledger.transfer import account_of, book_transfer, entry_of, refuse_move
from ledger.views import Outcome, TransferView

NO_WEBSITE = ""
"""Whose transfers these are: the house's own have no website."""

_DECISIONS = {"approve": AdjustmentEvent.APPROVED, "reject": AdjustmentEvent.REJECTED}
_INSERT = f"INSERT INTO adjustment ({COLUMNS}) VALUES ({', '.join('?' * len(COLUMNS.split(',')))})"  # nosec B608


def request_adjustment(tx: Tx, command: RequestAdjustment) -> Outcome[AdjustmentView]:
    """Post an adjustment, or hold it; refuses as :class:`RequestAdjustment` says."""
    refuse_move(tx, command.source, command.target, command.currency, command.amount)
    row = new_adjustment(
        tx,
        id=command.id,
        external_id=command.external_id,
        source=command.source,
        target=command.target,
        currency=command.currency,
        amount=command.amount,
        reason=command.reason,
        by=command.by,
    )
    return Outcome(_request(tx, row))


def reverse_adjustment(tx: Tx, command: ReverseAdjustment) -> Outcome[AdjustmentView]:
    """Undo a posted adjustment, once; refuses as :class:`ReverseAdjustment` says."""
    found = read_adjustments(tx.db, "id = ?", (command.adjustment_id,))
    if not found:
        raise NotFoundError(f"adjustment {command.adjustment_id} does not exist")
    held = found[0]
    if held.status is not AdjustmentState.POSTED or held.reverses is not None:
        what = "a reversal" if held.reverses is not None else held.status.value
        raise NotReversibleError(f"{held.id} is {what}")
    earlier = read_adjustments(tx.db, "reverses = ? AND status <> 'rejected'", (held.id,))
    if earlier:
        raise NotReversibleError(f"{held.id} is reversed by {earlier[0].id}, which is {earlier[0].status}")
    row = new_adjustment(
        tx,
        id=command.id,
        source=held.target,
        target=held.source,
        currency=held.currency,
        amount=held.amount,
        reason=command.reason,
        by=command.by,
        reverses=held.id,
        case_id=held.case_id,
    )
    return Outcome(_request(tx, row))


def correct_case(tx: Tx, command: CorrectCase) -> Outcome[AdjustmentView]:
    """Post or hold the correction of a case; refuses as :class:`CorrectCase` says."""
    source, target = parties_of(tx, command)
    row = new_adjustment(
        tx,
        id=command.id,
        source=source,
        target=target,
        currency=command.currency,
        amount=command.amount,
        reason=command.reason,
        by=command.by,
        case_id=command.case_id,
    )
    return Outcome(_request(tx, row))


def new_adjustment(tx: Tx, **fields: Any) -> AdjustmentRow:
    """The row of an adjustment as it is asked for, not decided yet, with a number of its own."""
    given = {"import_id": None, "external_id": None, "reverses": None, **fields}
    return AdjustmentRow(
        ordinal=tx.next_ordinal(),
        status=AdjustmentState.HELD,
        approvals_needed=0,
        digest="",
        created_at=tx.now_s,
        **given,
    )


def _request(tx: Tx, row: AdjustmentRow) -> AdjustmentView:
    """Post or hold one adjustment. What could not be booked now is not held either."""
    operator_of(tx, row.by)
    refuse_used(tx, row)
    needed = approvals_needed(tx.coin(row.currency), row.amount + taken_beside(tx, row))
    row = replace(row, approvals_needed=needed)
    row = replace(row, digest=adjustments_digest([row]))
    if needed:
        with trial(tx):
            book(tx, row)
    (row,) = enter(tx, [row])
    return to_view(tx.db, row)


def enter(tx: Tx, rows: Sequence[AdjustmentRow]) -> list[AdjustmentRow]:
    """Write down new adjustments, posted or held as their approvals say, and who asked for them.

    What is booked already has its journal id.
    """
    needed = rows[0].approvals_needed
    event = AdjustmentEvent.REQUESTED_ABOVE_LIMIT if needed else AdjustmentEvent.REQUESTED
    to = advance(ADJUSTMENT, None, event, Who.OPERATOR).to
    entered = []
    for row in rows:
        journal_id = row.journal_id or book(tx, row) if to is AdjustmentState.POSTED else None
        entered.append(replace(row, status=to, journal_id=journal_id))
    tx.db.executemany(_INSERT, [_values(row) for row in entered])
    _audit(tx, rows[0].by, "request", entered, "" if rows[0].import_id else rows[0].reason)
    return entered


def book(tx: Tx, row: AdjustmentRow) -> int:
    """Book an adjustment as a transfer, or as the correction it is; answers the journal id.

    Raises InsufficientFundsError, and for a correction as :func:`ledger.correction.book_correction`.
    """
    if row.case_id is not None:
        return book_correction(tx, row)
    view = TransferView(
        id=row.id,
        external_id=row.external_id or row.id,
        source=row.source,
        target=row.target,
        currency=row.currency,
        amount=row.amount,
        reason=row.reason,
        created_at=tx.now_s,
    )
    entry = _contra(tx, row) if row.reverses else entry_of(view, "adjustment", row.by)
    return book_transfer(tx, view, entry, NO_WEBSITE)


def _contra(tx: Tx, row: AdjustmentRow) -> journal.JournalEntry:
    """The exact contra of what ``row`` reverses."""
    (held,) = read_adjustments(tx.db, "id = ?", (row.reverses,))
    if held.journal_id is None:
        raise LedgerCorruptError(f"adjustment {held.id} was never booked")
    entry = tx.entry_of(held.journal_id)
    return journal.reverse(entry, held.journal_id, kind="adjustment_reversed", by=row.by, reason=row.reason)


@dataclass(slots=True)
class Trial:
    """What is booked in it is taken back at its end, unless it is kept."""

    is_kept: bool = False


@contextmanager
def trial(tx: Tx) -> Iterator[Trial]:
    """Book, look, and take everything back, as if it had not been; what is raised undoes the command."""
    tried = Trial()
    tx.db.execute("SAVEPOINT trial")
    yield tried
    if not tried.is_kept:
        tx.db.execute("ROLLBACK TO trial")
    tx.db.execute("RELEASE trial")


def refuse_used(tx: Tx, row: AdjustmentRow) -> None:
    """An id stands for one adjustment for ever. Raises ExternalIdUsedError, AlreadyExistsError."""
    name = row.external_id or row.id
    used = tx.db.execute("SELECT id FROM adjustment WHERE external_id = ?1 OR id = ?1", (name,)).fetchone()
    if used is not None:
        raise ExternalIdUsedError(f"{name} was used by {used[0]}", existing_id=used[0])
    sql = "SELECT 1 FROM adjustment WHERE id = ?1 UNION ALL SELECT 1 FROM transfer WHERE id = ?1"
    if tx.db.execute(sql, (row.id,)).fetchone():
        raise AlreadyExistsError(f"adjustment {row.id} exists")


# -- decisions ------------------------------------------------------------------------------------


def decide_adjustment(tx: Tx, command: DecideAdjustment) -> Outcome[AdjustmentsView]:
    """Approve or reject what is held, whole; refuses as :class:`DecideAdjustment` says."""
    if command.decision not in _DECISIONS:
        raise IllegalTransitionError(f"{command.decision!r} is no decision")
    rows, event = _together(tx, command.object_id), _DECISIONS[command.decision]
    operator_of(tx, command.by)
    if rows[0].status is not AdjustmentState.HELD:
        raise NotHeldError(f"{command.object_id} is {rows[0].status}")
    digest, needed = adjustments_digest(rows), rows[0].approvals_needed
    payment = Payment(command.object_id, digest, rows[0].by, needed)
    watched = Watched(tx, rows)
    if event is AdjustmentEvent.REJECTED or approve(tx, payment, command.by, command.digest):
        to = advance(ADJUSTMENT, AdjustmentState.HELD, event, Who.OPERATOR).to
        rows = [_decided(tx, row, to, command) for row in rows]
    _audit(tx, command.by, command.decision, rows, command.reason)
    return Outcome(watched.view(rows, rows[0].status.value))


def _together(tx: Tx, object_id: str) -> list[AdjustmentRow]:
    """What is decided together. Raises NotFoundError, NotHeldError for a part of an import."""
    rows = read_adjustments(tx.db, "import_id = ? ORDER BY ordinal", (object_id,))
    rows = rows or read_adjustments(tx.db, "id = ?", (object_id,))
    if not rows:
        raise NotFoundError(f"there is no adjustment or import {object_id}")
    if rows[0].object_id != object_id:
        raise NotHeldError(f"{object_id} is decided with its whole import, {rows[0].import_id}")
    return rows


def _decided(tx: Tx, row: AdjustmentRow, to: AdjustmentState, command: DecideAdjustment) -> AdjustmentRow:
    """A row that was decided: booked, if it is to be."""
    row = replace(
        row,
        status=to,
        journal_id=book(tx, row) if to is AdjustmentState.POSTED else None,
        decided_by=command.by,
        decided_at=tx.now_s,
        decision_reason=command.reason,
    )
    tx.db.execute(
        "UPDATE adjustment SET status = ?, journal_id = ?, decided_by = ?, decided_at = ?,"
        " decision_reason = ? WHERE id = ?",
        (row.status, row.journal_id, row.decided_by, row.decided_at, row.decision_reason, row.id),
    )
    return row


class Watched:
    """The balances that adjustments change, as they were before."""

    def __init__(self, tx: Tx, rows: Sequence[AdjustmentRow]) -> None:
        """Read them now."""
        self._tx = tx
        parties = dict.fromkeys((p, row.currency) for row in rows for p in (row.source, row.target))
        self._before = {each: tx.balance(_account_of(*each)) for each in parties}

    def view(self, rows: Sequence[AdjustmentRow], status: str) -> AdjustmentsView:
        """What is decided together, with the balances as they are now beside what they were."""
        first, tx = rows[0], self._tx
        totals = totals_of(rows)
        return AdjustmentsView(
            id=first.object_id,
            status=status,
            rows=len(rows),
            approvals_needed=first.approvals_needed,
            digest=first.digest,
            by=first.by,
            totals=tuple(TotalView(currency, amount) for currency, amount in totals.items()),
            balances=tuple(
                PartyBalance(*each, before, tx.balance(_account_of(*each)))
                for each, before in self._before.items()
            ),
            approvals=read_approvals(tx.db, first.object_id),
        )


def _account_of(party: str, currency: str) -> str:
    """The account of a party; a correction's are accounts, which no client is called as."""
    return party if ":" in party else account_of(party, currency)


def totals_of(rows: Sequence[AdjustmentRow]) -> dict[str, int]:
    """The sum of the amounts of each currency."""
    totals: dict[str, int] = {}
    for row in rows:
        totals[row.currency] = totals.get(row.currency, 0) + row.amount
    return totals


def _audit(tx: Tx, by: str, action: str, rows: Sequence[AdjustmentRow], reason: str) -> None:
    """One line for what is decided together."""
    first = rows[0]
    data: dict[str, Any] = {
        "reason": reason,
        "status": first.status.value,
        "rows": len(rows),
        "totals": {currency: str(amount) for currency, amount in totals_of(rows).items()},
        "digest": first.digest,
    }
    if first.reverses is not None:
        data["reverses"] = first.reverses
    tx.audit(by, f"{action}_adjustment", "adjustment", first.object_id, data)


def _values(row: AdjustmentRow) -> tuple[object, ...]:
    """The row in the order of COLUMNS."""
    values = {name: getattr(row, name) for name in COLUMNS.split(", ")}
    return tuple({**values, "amount": str(row.amount)}.values())


HANDLERS: Mapping[type[Any], Callable[[Tx, Any], Any]] = {
    RequestAdjustment: request_adjustment,
    ReverseAdjustment: reverse_adjustment,
    CorrectCase: correct_case,
    DecideAdjustment: decide_adjustment,
}
