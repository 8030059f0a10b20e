"""The books' side of a rescan."""

from __future__ import annotations

from pathlib import Path

from ledger import reader_scan
from ledger.connection import connect
from ledger.queries import GetScanned
from ledger.snapshot import Snapshot
from tests.ledger.books import ANCHOR, BTC, NOW, do, make_books, open_store


def test_below_the_anchor_nothing_was_scanned(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    store.close()
    db = connect(store.path, read_only=True)
    book = reader_scan.get_scanned(Snapshot(db, NOW), GetScanned("BTC", 0))
    db.close()
    assert (book.chain, book.tip, book.begins_at) == ("BTC", ANCHOR, ANCHOR.height + 1)
    assert (book.hashes, book.movements) == ((), ())


def test_a_chain_without_an_anchor_has_no_tip(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    do(store, BTC)
    store.close()
    db = connect(store.path, read_only=True)
    book = reader_scan.get_scanned(Snapshot(db, NOW), GetScanned("BTC", 7))
    db.close()
    assert (book.tip, book.movements, book.outpoints) == (None, (), ())
