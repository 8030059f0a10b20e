"""Where a moment lies in the journal: the last entry before it.

The journal's time never goes back (:meth:`ledger.context.Tx.post`), so that its entries before a moment are
exactly those up to one of them: months follow each other without a gap and without an overlap, and what was
before a moment stays before it for ever.
"""

from __future__ import annotations

from typing import NamedTuple

from ledger.connection import Database
from ledger.month import end_of


def last_entry(db: Database) -> int:
    """The number of the newest entry, 0 in an empty journal."""
    (newest,) = db.execute("SELECT coalesce(max(id), 0) FROM journal").fetchone()
    return int(newest)


def entry_before(db: Database, at: int) -> int:
    """The number of the last entry booked before ``at`` (unix seconds), 0 when there is none."""
    before, behind = 0, last_entry(db) + 1
    while behind - before > 1:
        middle = (before + behind) // 2
        (booked_at,) = db.execute("SELECT at FROM journal WHERE id = ?", (middle,)).fetchone()
        if booked_at < at:
            before = middle
        else:
            behind = middle
    return before


def entry_before_of(db: Database, currency: str, at: int) -> int:
    """As :func:`entry_before`, for a statement of one currency.

    A closed month ends at its cut (:mod:`ledger.period`), with its last block, whenever that was booked:
    moments before its end lie at the cut or before, later ones at the cut or behind.
    """
    entry = entry_before(db, at)
    closed = db.execute("SELECT month, cut FROM period WHERE currency = ?", (currency,)).fetchall()
    ended = [int(cut) for month, cut in closed if end_of(month) <= at]
    ending = [int(cut) for month, cut in closed if end_of(month) >= at]
    return min([max([entry, *ended]), *ending])


def closed_until(db: Database, currency: str) -> int:
    """The moment (unix seconds) up to which a currency's months are closed, 0 where none is."""
    (month,) = db.execute("SELECT max(month) FROM period WHERE currency = ?", (currency,)).fetchone()
    return 0 if month is None else end_of(month)


class Frame(NamedTuple):
    """What lies between two moments: the entries after ``first`` up to ``last``.

    ``hash`` (hex, empty before the first entry) is the last one's; ``is_final``: a closed month, or older.
    """

    first: int
    last: int
    hash: str
    is_final: bool


def frame_of(db: Database, currency: str, since: int | None, until: int | None) -> Frame:
    """Where a range of time lies in a currency's books: ``since`` included, ``until`` excluded, None open."""
    first = 0 if since is None else entry_before_of(db, currency, since)
    last = last_entry(db) if until is None else max(first, entry_before_of(db, currency, until))
    row = db.execute("SELECT hash FROM journal WHERE id = ?", (last,)).fetchone()
    is_final = until is not None and until <= closed_until(db, currency)
    return Frame(first, last, row[0].hex() if row else "", is_final)


def posting_after(db: Database, entry: int) -> int:
    """The number of the first posting behind an entry; one past the newest when there is none."""
    row = db.execute(
        "SELECT id FROM posting WHERE journal_id > ? ORDER BY journal_id, id LIMIT 1", (entry,)
    ).fetchone()
    if row is not None:
        return int(row[0])
    (newest,) = db.execute("SELECT coalesce(max(id), 0) FROM posting").fetchone()
    return int(newest) + 1
