"""What was found to make chain and books differ, as cases; they end when both agree again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ledger.adjustment_row import corrected
from ledger.block_book import BlockBook
from ledger.case import CaseEvent, CaseKind
from ledger.case_row import CaseRow, read_cases, to_view
from ledger.context import Tx
from ledger.currency import BLOCK_COLUMNS, to_block
from ledger.difference import CORRECTED
from ledger.machine import Who
from ledger.reconciliation_command import RecordDifferences
from ledger.reconciliation_view import PAST
from ledger.transition import move_case
from ledger.views import CaseView

OF_CURRENCY = "c.currency = ? AND c.kind IN ('short', 'surplus') AND c.status = 'open' ORDER BY c.ordinal"


def location_of(case: CaseRow) -> str:
    """Where chain and books differ, of a case that a comparison opened.

    Raises ValueError when its position names no place, as no comparison writes it.
    """
    parts = case.position.split(":")
    if len(parts) < 2:
        raise ValueError(f"the position {case.position!r} names no place")
    return parts[-2]


def record_differences(tx: Tx, command: RecordDifferences) -> tuple[CaseView, ...]:
    """Open a case for each finding; one that is open already stays as it is, and what was corrected is over.

    Nothing is done when chain and books were found to agree since, or the block is not in the books any more.
    What was found at a past height is written down, and is over: it says nothing of now.
    """
    row = tx.db.execute(
        "SELECT status FROM reconciliation WHERE currency = ? AND cause NOT IN (?, ?)"
        " ORDER BY number DESC LIMIT 1",
        (command.currency, *PAST),
    ).fetchone()
    coin = tx.coin(command.currency)
    block = tx.db.execute(
        f"SELECT {BLOCK_COLUMNS} FROM block WHERE chain = ? AND block_hash = ?",  # nosec B608
        (coin.chain, command.block_hash),
    ).fetchone()
    is_now = row is not None and row[0] == "mismatch"
    if block is None or not (is_now or command.is_past):
        return ()
    book = BlockBook(tx, coin.chain, to_block(block), {coin.currency: coin})
    cases = []
    for found in command.found:
        if found.kind == CORRECTED:
            continue
        kind = CaseKind.SHORT if found.amount < 0 else CaseKind.SURPLUS
        owner = book.find_owner(found.script) if found.script else None
        position = f"{found.position}:{found.location}:{found.script.hex()}"
        txid = found.txid or command.block_hash
        case_id = book.case_id(kind, coin.currency, txid, position)
        open_now = read_cases(tx.db, "c.id = ? AND c.status = 'open'", (case_id,))
        if not open_now and corrected(tx.db, case_id) >= abs(found.amount):
            continue
        if not open_now or (open_now[0].amount != abs(found.amount) and not command.is_past):
            reason = f"{found.kind}: {found.detail}"
            book.open_case(kind, coin.currency, abs(found.amount), txid, position, reason, None, owner)
        cases += read_cases(tx.db, "c.id = ?", (case_id,))
        if command.is_past and not open_now:
            cases[-1] = _end(tx, cases[-1], "of a past height, which says nothing of now")
    return tuple(to_view(tx.db, case, book.ref.height) for case in cases)


def close_differences(tx: Tx, currency: str, height: int) -> None:
    """Chain and books agree: what was found to make them differ is over."""
    for case in read_cases(tx.db, OF_CURRENCY, (currency,)):
        _end(tx, case, f"chain and books agree at block {height}")


def _end(tx: Tx, case: CaseRow, reason: str) -> CaseRow:
    return move_case(tx, case, CaseEvent.VANISHED, Who.CHAIN, "reconciler", reason)


HANDLERS: Mapping[type[Any], Callable[[Tx, Any], Any]] = {RecordDifferences: record_differences}
