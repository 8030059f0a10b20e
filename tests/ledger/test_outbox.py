"""Webhook deliveries: in order per object, leased, retried, given up."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.commands import ClaimDeliveries, RecordDelivery, SetCurrencyState
from ledger.connection import connect
from ledger.context import Tx
from ledger.errors import NotFoundError
from ledger.outbox import claim_deliveries
from ledger.store import SqliteStore
from ledger.views import DeliveryWork
from tests.ledger.books import BTC, NOW, do, fund, make_books, open_store, rows, transfer

URL = "https://shop.example/hook"
CLAIM = ClaimDeliveries(URL, limit=10, lease_s=30)


def books(folder: Path) -> SqliteStore:
    """A store with webhooks; what the set-up itself told is delivered."""
    store = make_books(folder, webhook_url=URL)
    for work in claim(store):
        do(store, RecordDelivery(work.delivery_id, True, 200, "", None))
    return store


def claim(store: SqliteStore, now_s: int = NOW, command: ClaimDeliveries = CLAIM) -> list[DeliveryWork]:
    return list(do(store, command, now_s))


def types(work: list[DeliveryWork]) -> list[str]:
    return [item.event.type for item in work]


def test_nothing_is_queued_without_an_address(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    assert claim(store) == []
    assert rows(store.path, "SELECT count(*) FROM event") == [(1,)]
    store.close()


def test_events_of_one_object_go_out_one_after_the_other(tmp_path: Path) -> None:
    store = books(tmp_path)
    fund(store, "alice", 10)
    do(store, SetCurrencyState("BTC", "down", ""))
    do(store, SetCurrencyState("BTC", "open", ""))
    do(store, transfer(1, "alice", "bob", 1))
    first = claim(store)
    assert types(first) == ["currency.down", "transfer.posted"]
    assert first[0].attempt == 1
    assert first[0].webhook_url == URL
    assert claim(store) == []
    do(store, RecordDelivery(first[0].delivery_id, True, 204, "", None))
    assert types(claim(store)) == ["currency.open"]
    store.close()


def test_a_lease_runs_out_so_that_a_crash_only_delays(tmp_path: Path) -> None:
    store = books(tmp_path)
    do(store, SetCurrencyState("BTC", "down", ""))
    (first,) = claim(store)
    store.close()
    store = open_store(tmp_path, webhook_url=URL)
    assert claim(store, NOW + 29) == []
    (again,) = claim(store, NOW + 30)
    assert (again.delivery_id, again.attempt, again.event) == (first.delivery_id, 2, first.event)
    store.close()


def test_a_failed_try_is_due_again_and_at_last_dead(tmp_path: Path) -> None:
    store = books(tmp_path)
    do(store, SetCurrencyState("BTC", "down", ""))
    (work,) = claim(store)
    do(store, RecordDelivery(work.delivery_id, False, 500, "HTTP 500", NOW + 60))
    assert claim(store, NOW + 59) == []
    (work,) = claim(store, NOW + 60)
    do(store, RecordDelivery(work.delivery_id, False, None, "timeout", None), NOW + 61)
    assert claim(store, NOW + 9_999) == []
    assert rows(store.path, "SELECT last_detail FROM delivery WHERE state = 'dead'") == [("timeout",)]
    do(store, SetCurrencyState("BTC", "open", ""), NOW + 99)
    assert types(claim(store, NOW + 99)) == ["currency.open"]
    store.close()


def test_a_late_result_changes_nothing_that_is_settled(tmp_path: Path) -> None:
    store = books(tmp_path)
    do(store, SetCurrencyState("BTC", "down", ""))
    (work,) = claim(store)
    do(store, RecordDelivery(work.delivery_id, True, 200, "", None))
    do(store, RecordDelivery(work.delivery_id, False, 500, "late", NOW + 1))
    assert claim(store, NOW + 99) == []
    with pytest.raises(NotFoundError):
        do(store, RecordDelivery(999, True, 200, "", None))
    store.close()


def test_what_waits_goes_to_the_address_configured_now(tmp_path: Path) -> None:
    store = books(tmp_path)
    do(store, SetCurrencyState("BTC", "down", ""))
    store.close()
    store = open_store(tmp_path, webhook_url="https://new.example/")
    (work,) = claim(store, NOW, ClaimDeliveries("https://new.example/", 10, 30))
    assert work.webhook_url == "https://new.example/"
    assert work.event.data["state"] == "down"
    store.close()


def test_a_claim_is_bounded_and_oldest_first(tmp_path: Path) -> None:
    store = books(tmp_path)
    fund(store, "alice", 100)
    for n in range(5):
        do(store, transfer(n, "alice", "bob", 1))
    taken = [claim(store, NOW, ClaimDeliveries(URL, 2, 30)) for _ in range(4)]
    assert [len(work) for work in taken] == [2, 2, 1, 0]
    sequences = [item.event.sequence for work in taken for item in work]
    assert sequences == sorted(sequences)
    store.close()


def test_an_event_id_differs_between_two_histories_of_one_sequence(tmp_path: Path) -> None:
    ids = set()
    for name, state in (("a", "down"), ("b", "paused")):
        (tmp_path / name).mkdir()
        store = make_books(tmp_path / name)
        do(store, BTC)
        do(store, SetCurrencyState("BTC", state, ""))
        ids |= set(rows(store.path, "SELECT id FROM event WHERE sequence = 2"))
        store.close()
    assert len(ids) == 2


def test_l19_a_clock_that_was_ahead_makes_no_webhook_wait(tmp_path: Path) -> None:
    store = books(tmp_path)
    ahead = NOW + 400 * 86_400
    do(store, SetCurrencyState("BTC", "down", ""), ahead)
    (work,) = claim(store, ahead)
    do(store, RecordDelivery(work.delivery_id, False, 500, "", ahead + 60), ahead)
    (again,) = claim(store, NOW)
    assert (again.delivery_id, again.attempt) == (work.delivery_id, 2)
    assert claim(store, NOW) == []
    do(store, RecordDelivery(work.delivery_id, False, 500, "", NOW + 60))
    assert claim(store, NOW + 59) == []
    (leased,) = claim(store, NOW + 60)
    assert claim(store, NOW + 89) == []
    assert [work.delivery_id for work in claim(store, NOW + 90)] == [leased.delivery_id]
    store.close()


def test_what_is_due_is_found_by_its_time_however_much_waits(tmp_path: Path) -> None:
    store = books(tmp_path)
    (sql,) = [text for text in due_statements(store) if "ORDER BY d.event_sequence" in text]
    plan = [row[3] for row in rows(store.path, f"EXPLAIN QUERY PLAN {sql}")]
    assert sum("USING INDEX delivery_due (state=? AND next_at" in step for step in plan) == 2, plan
    store.close()


def due_statements(store: SqliteStore) -> list[str]:
    """The statements of a claim, as they were run."""
    seen: list[str] = []
    db = connect(store.path)
    db.set_trace_callback(seen.append)
    claim_deliveries(Tx(db, NOW), CLAIM)
    db.close()
    return seen
