"""Questions about cases: one, or a page of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger.case_row import CaseRow, read_cases, to_view
from ledger.queries import GetCase, ListCases
from ledger.reader_list import add_cursor, conditions, encode_cursor, page_limit
from ledger.snapshot import Snapshot
from ledger.views import CaseView, Page


def get_case(snapshot: Snapshot, query: GetCase) -> CaseView | None:
    """One case, or None when it is not there."""
    rows = read_cases(snapshot.db, "c.id = ?", (query.case_id,))
    return _view(snapshot, rows[0]) if rows else None


def list_cases(snapshot: Snapshot, query: ListCases) -> Page:
    """A page of cases, newest first."""
    where, arguments = conditions(query.filter, "c", "created_at")
    limit = page_limit(query.limit)
    add_cursor(where, arguments, "c", query.cursor)
    rows = read_cases(
        snapshot.db, f"{' AND '.join(where)} ORDER BY c.ordinal DESC LIMIT ?", (*arguments, limit + 1)
    )
    next_cursor = encode_cursor(rows[limit - 1].ordinal) if len(rows) > limit else None
    return Page(tuple(_view(snapshot, row) for row in rows[:limit]), next_cursor)


def _view(snapshot: Snapshot, row: CaseRow) -> CaseView:
    return to_view(snapshot.db, row, snapshot.height(row.chain))


READERS: dict[type[Any], Callable[[Snapshot, Any], Any]] = {
    GetCase: get_case,
    ListCases: list_cases,
}
