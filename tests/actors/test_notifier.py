"""Events reach the website: each at least once, in order for each object, never lost by a crash."""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook

from tests.actors.desk import Desk, open_desk
from tests.actors.website import Delivery, Website, open_website
from tests.ledger.books import rows

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()


@pytest.fixture
async def website() -> AsyncIterator[Website]:
    """A website that takes webhooks."""
    async with open_website() as running:
        yield running


def environ(website: Website, **options: str) -> dict[str, str]:
    """Webhooks to this website."""
    values = {"URL": website.url, "SECRET": SECRET, "ALLOW_PRIVATE": "true", **options}
    return {f"CASHIER__WEBHOOKS__{name}": value for name, value in values.items()}


def events_of(got: list[Delivery]) -> list[str]:
    """The types of what came, in order."""
    return [json.loads(each.body)["type"] for each in got]


def ids_of(got: list[Delivery]) -> list[str]:
    return [each.headers["webhook-id"] for each in got]


def waiting(desk: Desk) -> int:
    """Deliveries that are still due some time."""
    return int(rows(desk.path, "SELECT count(*) FROM delivery WHERE state = 'pending'")[0][0])


async def all_delivered(desk: Desk, website: Website) -> None:
    """Wait until nothing is due; the sending takes real time, which the loop waits for."""
    await website.deliveries(1)
    for _ in range(1_000):
        if waiting(desk) == 0:
            return
        await desk.rest()
    raise AssertionError("deliveries are left")


async def test_every_event_arrives_signed_and_in_order_per_object(tmp_path: Path, website: Website) -> None:
    async with open_desk(tmp_path, environ=environ(website)) as desk:
        await desk.fund("alice", 1_000_000)
        view = await desk.withdraw("alice", 100_000)
        await desk.rest()
        await desk.mine(6)
        await all_delivered(desk, website)
        for got in website.got:
            body = json.loads(got.body)
            assert got.headers["webhook-id"] == body["id"]
            at = datetime.datetime.fromtimestamp(int(got.headers["webhook-timestamp"]), datetime.UTC)
            assert got.headers["webhook-signature"] == Webhook(SECRET).sign(body["id"], at, got.body.decode())
        assert len(set(ids_of(website.got))) == len(website.got)
        of_deposit = [each for each in events_of(website.got) if each.startswith("deposit.")]
        assert of_deposit == ["deposit.confirming", "deposit.credited", "deposit.final"]
        of_withdrawal = [each for each in events_of(website.got) if each.startswith("withdrawal.")]
        assert of_withdrawal == [
            f"withdrawal.{state}" for state in ("approved", "signed", "broadcast", "confirmed", "final")
        ]
        assert (await desk.withdrawal(view.id)).status == "final"
        value = desk.metrics.registry.get_sample_value
        labels = {"result": "accepted"}
        assert value("cashier_webhook_deliveries_total", labels) == len(website.got)


async def test_without_a_url_nothing_is_kept_for_sending(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", 1_000_000)
        await desk.pass_time(2)
        assert rows(desk.path, "SELECT count(*) FROM delivery") == [(0,)]


async def test_a_refused_event_holds_back_later_ones_of_its_object_only(
    tmp_path: Path, website: Website
) -> None:
    async with open_desk(tmp_path, environ=environ(website, JITTER="0")) as desk:
        await all_delivered(desk, website)
        website.got.clear()
        website.say(500)
        await desk.address("alice")
        await website.deliveries(1)
        await desk.rest()
        await desk.address("bob")
        await website.deliveries(2)
        clients = [json.loads(each.body)["data"]["client_id"] for each in website.got]
        assert clients == ["alice", "bob"]
        await until_recorded(desk, "SELECT attempts FROM delivery WHERE last_status = 500", 1)
        await desk.clock.advance(4)
        assert len(website.got) == 2
        await desk.clock.advance(3)
        await website.deliveries(3)
        assert ids_of(website.got)[2] == ids_of(website.got)[0]


async def until_recorded(desk: Desk, sql: str, count: int) -> None:
    """Wait until a question to the books has so many rows."""
    for _ in range(1_000):
        if len(rows(desk.path, sql)) >= count:
            return
        await desk.rest()
    raise AssertionError(f"never: {sql}")


async def test_a_website_that_is_gone_gets_no_more_of_it(tmp_path: Path, website: Website) -> None:
    async with open_desk(tmp_path, environ=environ(website)) as desk:
        await all_delivered(desk, website)
        website.say(410)
        await desk.address("alice")
        await until_recorded(desk, "SELECT 1 FROM delivery WHERE state = 'dead' AND last_status = 410", 1)
        assert rows(desk.path, "SELECT attempts FROM delivery WHERE last_status = 410") == [(1,)]


async def test_what_the_website_asks_for_is_kept(tmp_path: Path, website: Website) -> None:
    async with open_desk(tmp_path, environ=environ(website, JITTER="0")) as desk:
        await all_delivered(desk, website)
        website.say(503, Retry_After="120")
        await desk.address("alice")
        failed = "SELECT next_at FROM delivery WHERE last_status = 503"
        await until_recorded(desk, failed, 1)
        assert rows(desk.path, failed) == [(desk.clock.now_s() + 120,)]


async def test_after_the_last_pause_it_is_a_dead_letter(tmp_path: Path, website: Website) -> None:
    async with open_desk(tmp_path, environ=environ(website, JITTER="0", SCHEDULE_S="0,5")) as desk:
        await all_delivered(desk, website)
        website.got.clear()
        website.say(500)
        website.say(500)
        await desk.address("alice")
        await until_recorded(desk, "SELECT 1 FROM delivery WHERE last_status = 500", 1)
        await desk.clock.advance(6)
        await website.deliveries(2)
        await until_recorded(desk, "SELECT 1 FROM delivery WHERE state = 'dead'", 1)
        assert len(website.got) == 2
        await desk.clock.advance(1)


async def test_a_crash_between_sending_and_recording_sends_the_same_id_again(
    tmp_path: Path, website: Website
) -> None:
    async with open_desk(tmp_path, environ=environ(website)) as desk:
        await all_delivered(desk, website)
        website.got.clear()
        desk.fail_at("RecordDelivery", "disk full")
        await desk.address("alice")
        await website.deliveries(1)
        for _ in range(1_000):
            if desk.failed_at:
                break
            await desk.rest()
        assert desk.failed_at == ["RecordDelivery"]
        assert waiting(desk) == 1
        await desk.clock.advance(20)
        assert len(website.got) == 1  # leased: nobody sends it twice at the same time
        await desk.clock.advance(60)
        await website.deliveries(2)
        assert len(set(ids_of(website.got))) == 1
        await all_delivered(desk, website)


async def test_events_written_while_the_process_was_down_are_sent_at_the_start(
    tmp_path: Path, website: Website
) -> None:
    settings = environ(website, URL="http://127.0.0.1:9/hook")
    async with open_desk(tmp_path, environ=settings) as desk:
        await desk.address("alice")
        await desk.rest()
        assert website.got == []
    async with open_desk(tmp_path, environ=environ(website)) as desk:
        await desk.clock.advance(100)
        await desk.clock.advance(100)
        await website.deliveries(3)
        assert "address.issued" in events_of(website.got)


async def test_a_failing_ledger_only_delays_it(tmp_path: Path, website: Website) -> None:
    async with open_desk(tmp_path, environ=environ(website)) as desk:
        await all_delivered(desk, website)
        desk.fail_at("ClaimDeliveries", "disk full")
        await desk.address("alice")
        await desk.clock.advance(2)
        await all_delivered(desk, website)
        assert (await desk.tree_states())["notifier"] == "up"
