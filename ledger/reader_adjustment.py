"""Adjustments, page by page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger.adjustment_command import ListAdjustments
from ledger.adjustment_row import read_adjustments, to_view
from ledger.reader_list import decode_cursor, encode_cursor, page_limit
from ledger.snapshot import Snapshot
from ledger.views import Page


def list_adjustments(snapshot: Snapshot, query: ListAdjustments) -> Page:
    """A page of adjustments, newest first."""
    wanted: tuple[tuple[str, Any], ...] = (
        ("? IN (source, target)", query.client_id),
        ("currency = ?", query.currency),
        ("status = ?", query.status),
        ("import_id = ?", query.import_id),
        ("created_at >= ?", query.since),
        ("created_at < ?", query.until),
        ("ordinal < ?", None if query.cursor is None else decode_cursor(query.cursor)),
    )
    given = [(condition, value) for condition, value in wanted if value is not None]
    where = " AND ".join(["1 = 1", *(condition for condition, _ in given)])
    limit = page_limit(query.limit)
    rows = read_adjustments(
        snapshot.db,
        f"{where} ORDER BY ordinal DESC LIMIT ?",
        (*(value for _, value in given), limit + 1),
    )
    next_cursor = encode_cursor(rows[limit - 1].ordinal) if len(rows) > limit else None
    return Page(tuple(to_view(snapshot.db, row) for row in rows[:limit]), next_cursor)


READERS: dict[type[Any], Callable[[Snapshot, Any], Any]] = {ListAdjustments: list_adjustments}
