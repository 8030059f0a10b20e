"""The books of a currency as the reconciler and the operators see them."""

from __future__ import annotations

from pathlib import Path

import pytest

from coins.types import Holdings, Location
from ledger import reader_books
from ledger.commands import RecordReconciliation
from ledger.connection import connect
from ledger.errors import InvalidCursorError
from ledger.queries import GetBooks, GetReconciliation, GetWatched, ListReconciliations
from ledger.snapshot import Snapshot
from tests.ledger.books import ANCHOR, BTC, NOW, do, fund, make_books, open_store, transfer


def test_clients_are_summed_and_every_location_is_named(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 2**80)
    fund(store, "house", 10)
    do(store, transfer(1, "alice", "bob", 5))
    db = connect(store.path, read_only=True)
    books = reader_books.get_books(Snapshot(db, NOW), GetBooks("BTC"))
    (watched,) = reader_books.get_watched(Snapshot(db, NOW), GetWatched("BTC"))
    db.close()
    store.close()
    assert books.at == ANCHOR
    assert books.accounts == {
        "client:*:BTC:available": 2**80,
        "house:BTC": 10,
        "onchain:BTC:hot": 2**80 + 10,
    }
    assert books.onchain == {"deposit": 0, "hot": 2**80 + 10, "cold": 0}
    assert watched.location is Location.HOT


def test_a_currency_without_a_block_stands_nowhere(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    do(store, BTC)
    db = connect(store.path, read_only=True)
    assert reader_books.get_books(Snapshot(db, NOW), GetBooks("BTC")).at is None
    db.close()
    store.close()


def test_comparisons_come_newest_first_and_bounded(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    for number in range(3):
        do(store, RecordReconciliation(f"rec_{number}", "BTC", Holdings(ANCHOR, {"BTC": {}})))
    db = connect(store.path, read_only=True)
    snapshot = Snapshot(db, NOW)
    asked = [ListReconciliations(), ListReconciliations("BTC", limit=2), ListReconciliations("LTC")]
    found = [reader_books.list_reconciliations(snapshot, query) for query in asked]
    rest = reader_books.list_reconciliations(snapshot, ListReconciliations("BTC", 2, found[1].next_cursor))
    one = [reader_books.get_reconciliation(snapshot, GetReconciliation(name)) for name in ("rec_1", "rec_9")]
    with pytest.raises(InvalidCursorError):
        reader_books.list_reconciliations(snapshot, ListReconciliations(cursor="x"))
    db.close()
    store.close()
    ids = [[view.id for view in page.data] for page in (*found, rest)]
    assert ids == [["rec_2", "rec_1", "rec_0"], ["rec_2", "rec_1"], [], ["rec_0"]]
    assert [page.next_cursor is None for page in (*found, rest)] == [True, False, True, True]
    assert one == [found[0].data[1], None]
