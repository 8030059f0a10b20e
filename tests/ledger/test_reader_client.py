"""Balances as a client sees them, asked on one snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import reader_client
from ledger.connection import Database, connect
from ledger.context import Tx
from ledger.journal import JournalEntry, Posting
from ledger.queries import GetBalances, ListCurrencies
from ledger.snapshot import Snapshot
from tests.ledger.books import ANCHOR, NOW, make_books


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = make_books(tmp_path)
    db = connect(store.path)
    yield db
    db.close()
    store.close()


def post(db: Database, *postings: tuple[str, str, int]) -> None:
    db.execute("BEGIN IMMEDIATE")
    entry = JournalEntry("test", "test", "1", tuple(Posting(*posting) for posting in postings), "test")
    Tx(db, NOW).post(entry)
    db.execute("COMMIT")


def test_nothing_is_withdrawable_while_a_deficit_is_owed(db: Database) -> None:
    available, pending = "client:alice:BTC:available", "client:alice:BTC:pending"
    post(db, ("onchain:BTC:hot", available, 100), ("client_deficit:alice:BTC", pending, 30))
    (view,) = reader_client.get_balances(Snapshot(db, NOW), GetBalances("alice"))
    assert (view.available, view.withdrawable, view.deficit, view.pending) == (100, 0, 30, 30)
    post(db, (pending, "client_deficit:alice:BTC", 30))
    (view,) = reader_client.get_balances(Snapshot(db, NOW), GetBalances("alice"))
    assert (view.available, view.withdrawable, view.deficit, view.pending) == (100, 100, 0, 0)


def test_balances_come_by_currency_in_order(db: Database) -> None:
    post(db, ("onchain:LTC:hot", "client:alice:LTC:available", 2**200))
    post(db, ("onchain:BTC:hot", "client:alice:BTC:reserved", 5))
    views = reader_client.get_balances(Snapshot(db, NOW), GetBalances("alice"))
    assert [(view.currency, view.available, view.reserved) for view in views] == [
        ("BTC", 0, 5),
        ("LTC", 2**200, 0),
    ]


def test_a_currency_stands_at_the_height_of_its_chain(db: Database) -> None:
    (view,) = reader_client.list_currencies(Snapshot(db, NOW), ListCurrencies())
    assert view.height == ANCHOR.height
    db.execute("DELETE FROM block")
    (view,) = reader_client.list_currencies(Snapshot(db, NOW), ListCurrencies())
    assert view.height is None
