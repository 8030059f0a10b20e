"""Where a moment lies in the journal, held against counting."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from ledger.connection import connect
from ledger.cut import entry_before, last_entry, posting_after
from tests.ledger.books import NOW, do, fund, make_books, rows, transfer


def test_an_empty_journal_has_nothing_before_anything(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    db = connect(store.path, read_only=True)
    assert [entry_before(db, at) for at in (-1, 0, NOW, 2**62)] == [0, 0, 0, 0]
    assert (last_entry(db), posting_after(db, 0)) == (0, 1)
    db.close()
    store.close()


def test_what_is_before_a_moment_is_what_was_booked_before_it(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 10_000)
    for number, at in enumerate([1, 1, 2, 5, 5, 5, 9, 9, 10]):
        do(store, transfer(number, "alice", "bob", 1), NOW + at)
    store.close()
    db = connect(store.path, read_only=True)
    for at in range(NOW - 1, NOW + 13):
        ((count,),) = rows(store.path, "SELECT count(*) FROM journal WHERE at < ?", at)
        assert entry_before(db, at) == count
    assert last_entry(db) == 10
    for entry in range(11):
        first = rows(store.path, "SELECT min(id) FROM posting WHERE journal_id > ?", entry)[0][0]
        assert posting_after(db, entry) == (first or 11)
    db.close()


def test_l19_a_moment_stays_where_it_is_while_the_clock_jumps(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 10_000)
    places: list[list[int]] = []
    moments = [NOW + day * 86_400 for day in range(-1, 4)]
    for number, jump in enumerate([0, 86_400, -3_600, -NOW, 3_600, 2 * 86_400, 0]):
        do(store, transfer(number, "alice", "bob", 1), NOW + jump)
        db = connect(store.path, read_only=True)
        places.append([entry_before(db, at) for at in moments])
        db.close()
    newest = len(places) + 1
    for before, after in pairwise(places):
        reached = [place for place in before if place < max(before)]
        assert after[: len(reached)] == reached
    assert places[-1][-1] == newest
    ((count,),) = rows(
        store.path, "SELECT count(*) FROM journal a JOIN journal b ON b.id = a.id + 1 WHERE b.at < a.at"
    )
    assert count == 0
    store.close()
