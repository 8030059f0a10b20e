"""What operators watch, read from books whose contents are known."""

from __future__ import annotations

from pathlib import Path

from ledger.connection import connect
from ledger.gauge_view import Gauges
from ledger.queries import GetGauges
from ledger.reader_gauges import get_gauges
from ledger.snapshot import Snapshot
from tests.ledger.books import NOW, do, fund, make_books, transfer


def test_empty_books_have_nothing_to_watch(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    store.close()
    db = connect(store.path)
    gauges = get_gauges(Snapshot(db, NOW), GetGauges())
    db.close()
    assert isinstance(gauges, Gauges)
    (btc,) = gauges.currencies
    assert (btc.currency, btc.decimals, btc.hot, btc.attention, btc.cases) == ("BTC", 8, 0, 0, 0)
    assert (btc.oldest_unsigned_at, btc.oldest_unconfirmed_at, btc.paid_in_week) == (None, None, 0)
    assert (gauges.deliveries_waiting, gauges.oldest_delivery_at, gauges.deliveries_dead) == (0, None, 0)


def test_the_outbox_is_counted_and_its_oldest_event_dated(tmp_path: Path) -> None:
    store = make_books(tmp_path, webhook_url="https://shop.example/hook")
    fund(store, "alice", 5_000)
    do(store, transfer(1, "alice", "bob", 10), NOW + 5)
    do(store, transfer(2, "alice", "bob", 10), NOW + 9)
    store.close()
    db = connect(store.path)
    db.execute("UPDATE delivery SET state = 'delivered' WHERE event_sequence <= 2")
    gauges = get_gauges(Snapshot(db, NOW + 20), GetGauges())
    (last,) = db.execute("SELECT max(sequence) FROM event").fetchone()
    db.close()
    assert gauges.last_sequence == last
    assert gauges.deliveries_waiting == last - 2
    assert gauges.oldest_delivery_at in (NOW, NOW + 5, NOW + 9)
    assert gauges.currencies[0].hot == 5_000
