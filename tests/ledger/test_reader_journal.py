"""The journal as operators page through it and strangers check it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from gateway.journal_text import hashed
from ledger.connection import connect
from ledger.errors import InvalidCursorError
from ledger.journal import GENESIS_HASH
from ledger.journal_query import GetJournalPart, JournalView, ListJournal
from ledger.reader_journal import get_journal_part, list_journal
from ledger.snapshot import Snapshot
from tests.ledger.books import NOW
from tests.ledger.till import Till


@pytest.fixture
def till(tmp_path: Path) -> Till:
    till = Till(tmp_path)
    till.deposit("alice", 100_000, blocks=6)
    till.open("alice", 20_000)
    till.pay_all()
    till.mine(6)
    till.reorg(2)
    return till


def snapshot(till: Till) -> Snapshot:
    return Snapshot(connect(till.store.path, read_only=True), NOW)


def whole(till: Till, limit: int = 500) -> list[JournalView]:
    reading = snapshot(till)
    views: list[JournalView] = []
    while part := get_journal_part(reading, GetJournalPart(views[-1].entry if views else 0, limit=limit)):
        views += part
    reading.db.close()
    return views


@pytest.mark.parametrize("limit", [1, 2, 500])
def test_every_entry_in_order_as_it_was_hashed(till: Till, limit: int) -> None:
    views = whole(till, limit)
    prev = GENESIS_HASH
    for number, view in enumerate(views, 1):
        assert (view.entry, view.prev_hash) == (number, prev.hex())
        body = json.dumps(hashed(view), separators=(",", ":")).encode()
        prev = hashlib.sha256(prev + body).digest()
        assert view.hash == prev.hex()
        assert view.postings
    assert len(views) == till.rows("SELECT count(*) FROM journal")[0][0]
    till.close()


def test_not_beyond_the_entry_that_was_asked_for(till: Till) -> None:
    reading = snapshot(till)
    assert [view.entry for view in get_journal_part(reading, GetJournalPart(1, last=3))] == [2, 3]
    reading.db.close()
    till.close()


def test_pages_newest_first_of_a_chain_tx_or_a_time(till: Till) -> None:
    everything = whole(till)[::-1]
    reading = snapshot(till)
    views: list[JournalView] = []
    cursor = None
    while True:
        page = list_journal(reading, ListJournal(limit=2, cursor=cursor))
        views += page.data
        cursor = page.next_cursor
        if cursor is None:
            break
    assert views == everything
    payout = next(view for view in everything if view.kind == "payout")
    found = list_journal(reading, ListJournal(txid=payout.txid)).data
    assert found == tuple(view for view in everything if view.txid == payout.txid)
    assert {"payout"} <= {view.kind for view in found}
    middle = everything[len(everything) // 2].at
    older, newer = (
        list_journal(reading, ListJournal(500, until=until, since=since)).data
        for until, since in ((middle, None), (None, middle))
    )
    assert (*newer, *older) == tuple(everything)
    assert all(view.at < middle for view in older)
    plan = reading.db.execute("EXPLAIN QUERY PLAN SELECT id FROM journal WHERE txid = ?", ("x",)).fetchall()
    assert "journal_by_txid" in plan[0][3]
    with pytest.raises(InvalidCursorError):
        list_journal(reading, ListJournal(cursor="zzz"))
    reading.db.close()
    till.close()
