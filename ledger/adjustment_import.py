"""Many adjustments at once: all rows of a sheet in their order, or none, and every error in one answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ledger.adjustment_book import Watched, book, enter, new_adjustment, refuse_used, totals_of, trial
from ledger.adjustment_command import ImportAdjustments, ImportRow
from ledger.adjustment_row import AdjustmentRow, adjustments_digest
from ledger.adjustment_view import AdjustmentsView
from ledger.approval import approvals_needed, operator_of
from ledger.context import Tx
from ledger.errors import (
    AlreadyExistsError,
    DomainError,
    ImportRefusedError,
    RowError,
)
from ledger.transfer import refuse_move
from ledger.views import Outcome

CHECKED = "checked"
"""The status of a dry run."""

_COLUMNS = {
    "invalid_client_id": "from",
    "same_account": "to",
    "unknown_currency": "currency",
    "below_minimum": "amount",
    "above_maximum": "amount",
    "insufficient_funds": "amount",
    "external_id_used": "external_id",
}
"""Where in its row a refusal is shown."""


def import_adjustments(tx: Tx, command: ImportAdjustments) -> Outcome[AdjustmentsView]:
    """Judge every row by booking all of them, then keep that, hold it, or take it back."""
    operator_of(tx, command.by)
    if tx.db.execute("SELECT 1 FROM adjustment WHERE import_id = ?", (command.id,)).fetchone():
        raise AlreadyExistsError(f"import {command.id} exists")
    if not command.rows:
        raise ImportRefusedError(command.refused or (RowError(1, "", "there are no rows"),))
    if command.is_dry_run:
        with trial(tx):
            _, view = _tried(tx, command)
        return Outcome(view)
    rows, view = _tried(tx, command)
    rows = enter(tx, rows)
    return Outcome(replace(view, status=rows[0].status.value))


def _tried(tx: Tx, command: ImportAdjustments) -> tuple[list[AdjustmentRow], AdjustmentsView]:
    """The rows as they would be entered, and what booking them leaves. Raises ImportRefusedError."""
    rows = [_row(tx, command, row) for row in command.rows]
    watched = Watched(tx, rows)
    with trial(tx) as tried:
        found, journal_ids = _booked(tx, command, rows)
        errors = [*command.refused, *found]
        if errors:
            raise ImportRefusedError(tuple(sorted(errors, key=lambda error: error.number)))
        needed = max(
            approvals_needed(tx.coin(currency), total) for currency, total in totals_of(rows).items()
        )
        rows = [replace(row, approvals_needed=needed) for row in rows]
        digest = adjustments_digest(rows)
        rows = [replace(row, digest=digest) for row in rows]
        view = watched.view(rows, CHECKED)
        if not needed:
            rows = [replace(row, journal_id=each) for row, each in zip(rows, journal_ids, strict=True)]
            tried.is_kept = True
    return rows, view


def _row(tx: Tx, command: ImportAdjustments, row: ImportRow) -> AdjustmentRow:
    return new_adjustment(
        tx,
        id=f"adj_{command.id.partition('_')[2]}.{row.number}",
        import_id=command.id,
        external_id=row.external_id,
        source=row.source,
        target=row.target,
        currency=row.currency,
        amount=row.amount,
        reason=row.reason,
        by=command.by,
    )


def _booked(
    tx: Tx, command: ImportAdjustments, rows: list[AdjustmentRow]
) -> tuple[list[RowError], list[int]]:
    """Book every row that can be, given that those before it are: what is wrong with others, journal ids."""
    errors: list[RowError] = []
    journal_ids: list[int] = []
    seen: dict[str, int] = {}
    for given, row in zip(command.rows, rows, strict=True):
        refusals = [_refusal(check, tx, row) for check in (_refuse_move, refuse_used)]
        first = seen.setdefault(given.external_id, given.number)
        if first != given.number:
            errors.append(RowError(given.number, "external_id", f"external_id_used: row {first} has it too"))
        elif not any(refusals):
            refusals = [_refusal(lambda tx, row: journal_ids.append(book(tx, row)), tx, row)]
        errors += [
            RowError(given.number, _COLUMNS.get(each.code, ""), f"{each.code}: {each.detail}")
            for each in refusals
            if each is not None
        ]
    return errors, journal_ids


def _refuse_move(tx: Tx, row: AdjustmentRow) -> None:
    refuse_move(tx, row.source, row.target, row.currency, row.amount)


def _refusal(check: Callable[[Tx, AdjustmentRow], object], tx: Tx, row: AdjustmentRow) -> DomainError | None:
    """The refusal of a check, None when it passes."""
    try:
        check(tx, row)
    except DomainError as refusal:
        return refusal
    return None


HANDLERS: Mapping[type[Any], Callable[[Tx, Any], Any]] = {ImportAdjustments: import_adjustments}
