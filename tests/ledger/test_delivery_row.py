"""Deliveries as operators see them, with the modules that ask for and read them."""

from __future__ import annotations

from pathlib import Path

from ledger.connection import connect
from ledger.delivery_row import read_deliveries
from ledger.delivery_view import DeliveryView
from ledger.reader_webhook import list_webhooks
from ledger.snapshot import Snapshot
from ledger.webhook_command import ListWebhooks
from tests.ledger.books import NOW, fund, make_books


def test_a_delivery_is_told_by_its_event(tmp_path: Path) -> None:
    store = make_books(tmp_path, webhook_url="https://shop.example/hook")
    fund(store, "alice", 5_000)
    store.close()
    db = connect(store.path)
    found = [view for _, view in read_deliveries(db, "1 = 1 ORDER BY d.id DESC", ())]
    assert found
    views: list[DeliveryView] = found
    assert {view.state for view in views} == {"pending"}
    assert list_webhooks(Snapshot(db, NOW), ListWebhooks("pending")).data == tuple(found)
    assert list_webhooks(Snapshot(db, NOW), ListWebhooks("dead")).data == ()
    db.close()


def test_one_is_found_by_its_event_without_reading_them_all(tmp_path: Path) -> None:
    store = make_books(tmp_path, webhook_url="https://shop.example/hook")
    store.close()
    db = connect(store.path)
    asked: list[str] = []
    db.set_trace_callback(asked.append)
    read_deliveries(db, "e.id = ? ORDER BY d.id DESC LIMIT 1", ("evt_1",))
    read_deliveries(db, "d.state = ? ORDER BY d.id DESC LIMIT 1", ("dead",))
    db.set_trace_callback(None)
    one, page = ([row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}")] for sql in asked)
    assert not any(step.startswith("SCAN") for step in one)
    assert any("delivery_due" in step for step in page)
    db.close()
