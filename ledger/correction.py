"""Corrections: the books brought to the chain for a case of a difference, by operators and never by itself.

A correction is an adjustment of the case: asked for with a reason, approved by others above the limits of
payouts, undone by its contra entry. It is booked between what is onchain at the place of the case and the
account that takes the difference, without a block: it stands from the time it was made on, and what was
different at the blocks before stays told.
"""

from __future__ import annotations

from coins.types import booked_at
from ledger import accounts, journal
from ledger.adjustment_command import CorrectCase
from ledger.adjustment_row import AdjustmentRow, corrected, read_adjustments
from ledger.case import CaseEvent, CaseKind
from ledger.case_row import CaseRow, read_cases
from ledger.casework import decidable, refuse_shallow
from ledger.context import Tx
from ledger.difference import CORRECTION, CORRECTION_REVERSED
from ledger.difference_case import location_of
from ledger.errors import (
    AboveMaximumError,
    ActionNotAllowedError,
    BelowMinimumError,
    InsufficientFundsError,
    LedgerCorruptError,
    NotFoundError,
)
from ledger.journal import JournalEntry, Posting
from ledger.machine import Who
from ledger.transition import move_case

AGAINST = {"loss": accounts.loss, "house": accounts.house, "network_fee": accounts.network_fee}
"""What may take a difference. ``unexplained`` may not: it holds payouts until a case of its own ends it."""


def parties_of(tx: Tx, command: CorrectCase) -> tuple[str, str]:
    """From which account to which money goes when the books follow the chain.

    Raises NotFoundError, CaseDecidedError, ActionNotAllowedError.
    """
    case = decidable(tx, command.case_id, CaseEvent.CORRECTED)
    if command.currency != case.currency:
        raise NotFoundError(f"case {case.id} is not one of {command.currency}")
    if command.against not in AGAINST:
        raise ActionNotAllowedError(f"a correction is against one of {', '.join(AGAINST)}")
    place, other = _place_of(case), AGAINST[command.against](case.currency)
    return (place, other) if case.kind is CaseKind.SHORT else (other, place)


def book_correction(tx: Tx, row: AdjustmentRow) -> int:
    """Book a correction, or the contra entry of one; answers the journal id.

    Raises what :class:`CorrectCase` says: it is judged when it is asked for, and again when it is approved.
    """
    if row.reverses is not None:
        return _book_reversal(tx, row, row.reverses)
    case_id = row.case_id or ""
    case = decidable(tx, case_id, CaseEvent.CORRECTED)
    coin = tx.coin(case.currency)
    refuse_shallow(tx, coin, case)
    left = case.amount - taken_beside(tx, row)
    if type(row.amount) is not int or row.amount < 1:
        raise BelowMinimumError("a correction is of at least one base unit")
    if row.amount > left:
        raise AboveMaximumError(f"no more than {left} base units of case {case.id} are left to correct")
    posting = Posting(row.target, row.source, row.amount)
    _refuse_uncovered(tx, posting)
    txid = case.txid if case.txid != case.block_hash else None
    entry = JournalEntry(CORRECTION, "case", case.id, (posting,), row.by, txid=txid, reason=row.reason)
    journal_id = tx.post(entry)
    move_case(tx, case, CaseEvent.CORRECTED, Who.OPERATOR, row.by, row.reason)
    data = {"reason": row.reason, "adjustment": row.id, "from": row.source, "to": row.target}
    tx.audit(row.by, "correct_case", "case", case.id, {**data, "amount": str(row.amount)})
    return journal_id


def _book_reversal(tx: Tx, row: AdjustmentRow, reverses: str) -> int:
    """The exact contra of a correction; its case is open again until chain and books agree without it."""
    (held,) = read_adjustments(tx.db, "id = ?", (reverses,))
    if held.journal_id is None:
        raise LedgerCorruptError(f"correction {held.id} was never booked")
    entry = tx.entry_of(held.journal_id)
    contra = journal.reverse(entry, held.journal_id, kind=CORRECTION_REVERSED, by=row.by, reason=row.reason)
    for posting in contra.postings:
        _refuse_uncovered(tx, posting)
    journal_id = tx.post(contra)
    ended = "c.id = ? AND c.status = 'closed' AND c.block_hash IS NOT NULL"
    for case in read_cases(tx.db, ended, (row.case_id,)):
        # A comparison begins where both agreed last, above the case's block: it would not find it again.
        move_case(tx, case, CaseEvent.OPENED, Who.CHAIN, row.by, case.reason)
    return journal_id


def _place_of(case: CaseRow) -> str:
    """The account of what is onchain where the case is."""
    return accounts.onchain(case.currency, booked_at(location_of(case)))


def taken_beside(tx: Tx, row: AdjustmentRow) -> int:
    """How much of its case is corrected, or waits to be, beside this correction; 0 for what is none.

    The parts of one case are approved as their sum: many small ones are not less.
    """
    if row.case_id is None or row.reverses is not None:
        return 0
    where = "case_id = ? AND status = 'held' AND reverses IS NULL AND id <> ?"
    waiting = read_adjustments(tx.db, where, (row.case_id, row.id))
    return corrected(tx.db, row.case_id) + sum(each.amount for each in waiting)


def _refuse_uncovered(tx: Tx, posting: Posting) -> None:
    """No account goes below zero. Raises InsufficientFundsError."""
    sides = ((posting.debit, False), (posting.credit, True))
    for name, falls_by_credit in sides:
        if accounts.parse(name).is_debit_normal is falls_by_credit and tx.balance(name) < posting.amount:
            raise InsufficientFundsError(f"{name} does not cover this")
