"""Webhooks that were given up are seen by an operator and sent again, on the real ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.token import new_key
from gateway.webhook import list_webhooks
from ledger.commands import ClaimDeliveries, CreateKey, RecordDelivery
from ledger.operator_access import CreateOperator
from ledger.views import DeliveryWork
from tests.fakes.clock import FakeClock
from tests.gateway.fake import ALL_SCOPES
from tests.gateway.house import QUICK_HASH, House, serve
from tests.ledger.books import NOW, do, fund, make_books, transfer

URL = "https://shop.example/hook"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Two events, the first one given up, the second one delivered."""
    store = make_books(tmp_path, webhook_url=URL)
    fund(store, "alice", 1_000_000)
    do(store, transfer(7, "alice", "bob", 1_000))
    made = new_key(lambda size: b"\x01" * size)
    do(store, CreateKey(made.id, "shop", made.key_hash, ALL_SCOPES, "test"))
    do(store, CreateOperator("op_ann", "ann", QUICK_HASH, "salt", ("sre",), "test"))
    while works := do(store, ClaimDeliveries(URL, 100, 30)):
        for work in works:
            is_first = work.event.sequence == 1
            status = 410 if is_first else 200
            do(store, RecordDelivery(work.delivery_id, not is_first, status, f"status {status}", None))
    store.close()
    async with serve(tmp_path, made, FakeClock(NOW)) as opened:
        yield opened


async def page(house: House, token: str, query: str = "") -> dict[str, Any]:
    answer = await house.send("GET", f"/v1/admin/webhooks{query}", token)
    assert answer.status == 200, answer.raw
    data: dict[str, Any] = answer.data
    return data


async def test_what_was_given_up_is_seen_and_sent_again_once(house: House) -> None:
    assert list_webhooks.__doc__
    token = await house.operator()
    (dead,) = (await page(house, token, "?status=dead"))["data"]
    assert (dead["sequence"], dead["status"], dead["attempts"]) == (1, "dead", 1)
    assert (dead["last_status"], dead["last_detail"], dead["next_at"]) == (410, "status 410", None)
    path, headers = f"/v1/admin/webhooks/{dead['id']}/redeliver", {"Idempotency-Key": "k1"}
    again = await house.send("POST", path, token, headers=headers)
    assert (again.status, again.data["status"], again.data["attempts"]) == (200, "pending", 0)
    assert again.data["next_at"]
    works: tuple[DeliveryWork, ...] = await house.ask(ClaimDeliveries(URL, 100, 30))
    assert [(work.event.id, work.attempt) for work in works] == [(dead["id"], 1)]
    await house.ask(RecordDelivery(works[0].delivery_id, True, 200, "status 200", None))
    replayed = await house.send("POST", path, token, headers=headers)
    assert (replayed.raw, replayed.headers["Idempotent-Replayed"]) == (again.raw, "true")
    assert await house.ask(ClaimDeliveries(URL, 100, 30)) == ()
    assert (await page(house, token, "?status=dead"))["data"] == []


async def test_it_is_written_to_the_audit_and_what_is_not_there_is_not_found(house: House) -> None:
    token = await house.operator()
    (dead,) = (await page(house, token, "?status=dead"))["data"]
    path = f"/v1/admin/webhooks/{dead['id']}/redeliver"
    assert (await house.send("POST", path, token, headers=house.idempotency())).status == 200
    audit = await house.send("GET", "/v1/admin/audit?action=redeliver_webhook", token)
    (line,) = audit.data["data"]
    assert (line["by_name"], line["object_id"], line["data"]) == ("ann", dead["id"], {"state_before": "dead"})
    none = "/v1/admin/webhooks/evt_none/redeliver"
    assert (await house.send("POST", none, token, headers=house.idempotency())).code == "not_found"


async def test_pages_are_newest_first_and_neither_repeat_nor_skip(house: House) -> None:
    token = await house.operator()
    whole = [each["sequence"] for each in (await page(house, token))["data"]]
    assert whole == sorted(whole, reverse=True)
    assert len(whole) >= 2
    first = await page(house, token, "?limit=1")
    rest = await page(house, token, f"?limit=500&cursor={first['next_cursor']}")
    assert [each["sequence"] for each in [*first["data"], *rest["data"]]] == whole
    for query in ("?status=lost", "?limit=0", "?cursor=x%20", "?type=x"):
        assert (await house.send("GET", f"/v1/admin/webhooks{query}", token)).status == 422
