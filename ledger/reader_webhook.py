"""Questions about webhooks: a page of deliveries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger.delivery_row import read_deliveries
from ledger.reader_list import decode_cursor, encode_cursor, page_limit
from ledger.snapshot import Snapshot
from ledger.views import Page
from ledger.webhook_command import ListWebhooks


def list_webhooks(snapshot: Snapshot, query: ListWebhooks) -> Page:
    """A page of deliveries, newest first."""
    wanted = (
        ("d.state = ?", query.state),
        ("d.id < ?", None if query.cursor is None else decode_cursor(query.cursor)),
    )
    given = [(condition, value) for condition, value in wanted if value is not None]
    limit = page_limit(query.limit)
    where = " AND ".join(["1 = 1", *(condition for condition, _ in given)])
    found = read_deliveries(
        snapshot.db, f"{where} ORDER BY d.id DESC LIMIT ?", (*(value for _, value in given), limit + 1)
    )
    next_cursor = encode_cursor(found[limit - 1][0]) if len(found) > limit else None
    return Page(tuple(view for _, view in found[:limit]), next_cursor)


READERS: dict[type[Any], Callable[[Snapshot, Any], Any]] = {ListWebhooks: list_webhooks}
