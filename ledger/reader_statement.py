"""Questions about any range of the books: statements, whole or page by page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger import statement
from ledger.cut import frame_of
from ledger.snapshot import Snapshot
from ledger.statement_query import GetStatement, ListStatementLines, StatementPage, StatementView

PAGE_MAX = 2_000
"""Most postings looked at for one page."""


def get_statement(snapshot: Snapshot, query: GetStatement) -> StatementView:
    """The frame of a statement: where it lies in the journal, what it begins and ends with."""
    db = snapshot.db
    held = statement.holding(db, query.subject)
    coin = snapshot.coin(held.currency)
    frame = frame_of(db, held.currency, query.since, query.until)
    opening, closing = (statement.balances(db, held, entry) for entry in (frame.first, frame.last))
    return StatementView(
        subject=query.subject,
        currency=held.currency,
        decimals=coin.decimals,
        is_debit_normal=held.is_debit_normal,
        since=query.since,
        until=query.until,
        first_entry=frame.first,
        last_entry=frame.last,
        hash=frame.hash,
        opening=statement.total(held, opening),
        closing=statement.total(held, closing),
        opening_parts=opening,
        closing_parts=closing,
        is_final=frame.is_final,
    )


def list_statement_lines(snapshot: Snapshot, query: ListStatementLines) -> StatementPage:
    """Some lines of a statement."""
    held = statement.holding(snapshot.db, query.subject)
    limit = max(1, min(query.limit, PAGE_MAX))
    return statement.page(snapshot.db, held, query.after, query.last_entry, limit)


READERS: dict[type[Any], Callable[[Snapshot, Any], Any]] = {
    GetStatement: get_statement,
    ListStatementLines: list_statement_lines,
}
