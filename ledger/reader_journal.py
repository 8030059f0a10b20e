"""Questions about the journal itself: pages for people, and every entry in order for those who check it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from ledger.cut import entry_before
from ledger.journal_query import GetJournalPart, JournalPosting, JournalView, ListJournal
from ledger.reader_list import decode_cursor, encode_cursor, page_limit
from ledger.snapshot import Snapshot
from ledger.views import Page

PART_MAX = 2_000
"""Most entries answered at once."""
ENTRIES = (
    "SELECT j.id, j.at, j.kind, j.ref_type, j.ref_id, j.by, j.chain, j.height, j.block_hash, j.txid,"
    " j.reverses, j.reason, lower(hex(j.prev_hash)), lower(hex(j.hash)) FROM journal j"
)
POSTINGS = (
    "SELECT p.journal_id, p.currency, d.name, c.name, p.amount, p.debit_balance_after,"
    " p.credit_balance_after FROM json_each(?) e CROSS JOIN posting p ON p.journal_id = e.value"
    " CROSS JOIN account d ON d.id = p.debit_id CROSS JOIN account c ON c.id = p.credit_id"
    " ORDER BY p.journal_id, p.id"
)


def list_journal(snapshot: Snapshot, query: ListJournal) -> Page:
    """A page of the journal, newest first."""
    db, limit = snapshot.db, page_limit(query.limit)
    behind = None if query.cursor is None else decode_cursor(query.cursor)
    if query.until is not None:
        last = entry_before(db, query.until)
        behind = last + 1 if behind is None else min(behind, last + 1)
    wanted = (
        ("j.id < ?", behind),
        ("j.id > ?", None if query.since is None else entry_before(db, query.since)),
        ("j.txid = ?", query.txid),
    )
    given = [(condition, value) for condition, value in wanted if value is not None]
    where = " AND ".join(["1 = 1", *(condition for condition, _ in given)])
    rows = db.execute(
        f"{ENTRIES} WHERE {where} ORDER BY j.id DESC LIMIT ?",
        (*(value for _, value in given), limit + 1),
    ).fetchall()
    views = _views(snapshot, rows[:limit])
    return Page(views, encode_cursor(views[-1].entry) if len(rows) > limit else None)


def get_journal_part(snapshot: Snapshot, query: GetJournalPart) -> tuple[JournalView, ...]:
    """Some entries in order."""
    last = 2**63 - 1 if query.last is None else query.last
    limit = max(1, min(query.limit, PART_MAX))
    rows = snapshot.db.execute(
        f"{ENTRIES} WHERE j.id > ? AND j.id <= ? ORDER BY j.id LIMIT ?", (query.after, last, limit)
    ).fetchall()
    return _views(snapshot, rows)


def read_entries(snapshot: Snapshot, ids: Sequence[int]) -> tuple[JournalView, ...]:
    """Entries by their numbers, in order."""
    sql = f"{ENTRIES} WHERE j.id IN (SELECT e.value FROM json_each(?) e) ORDER BY j.id"  # nosec B608
    rows = snapshot.db.execute(sql, (json.dumps(ids),)).fetchall()
    return _views(snapshot, rows)


def _views(snapshot: Snapshot, rows: Sequence[tuple[Any, ...]]) -> tuple[JournalView, ...]:
    """Entries with their postings."""
    postings: dict[int, list[JournalPosting]] = {row[0]: [] for row in rows}
    found = snapshot.db.execute(POSTINGS, (json.dumps(sorted(postings)),)).fetchall()
    for entry, currency, debit, credit, *amounts in found:
        decimals = snapshot.coin(currency).decimals
        postings[entry].append(JournalPosting(currency, decimals, debit, credit, *map(int, amounts)))
    return tuple(JournalView._make((*row, tuple(postings[row[0]]))) for row in rows)


READERS: dict[type[Any], Callable[[Snapshot, Any], Any]] = {
    ListJournal: list_journal,
    GetJournalPart: get_journal_part,
}
