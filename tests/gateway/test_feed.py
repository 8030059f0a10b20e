"""Event streams: gap-free, resumable, bounded, and ended when their token dies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientResponse

from actors.errors import Unavailable
from actors.messages import EventView, ListEvents
from gateway.app import outbox_ready
from gateway.context import GATEWAY
from gateway.token import token_hash
from tests.gateway.calls import script
from tests.gateway.fake import FakeDirectory, Rig, running
from tests.gateway.samples import deposit_view, event_view

WAIT_S = 10


class Feed:
    """A ledger's feed that a test adds to."""

    def __init__(self, directory: FakeDirectory) -> None:
        script(directory)
        self.events: list[EventView] = []
        self.reads = 0
        directory.replies[ListEvents] = self._answer

    def _answer(self, _: str, message: ListEvents) -> tuple[EventView, ...]:
        self.reads += 1
        found = [
            view
            for view in self.events
            if view.sequence > message.after and message.client_id in (None, view.client_id)
        ]
        return tuple(found[: message.limit])

    def add(self, client_id: str = "alice", **changes: Any) -> EventView:
        sequence = len(self.events) + 1
        view = event_view(
            sequence, "deposit.confirming", deposit_view(client_id=client_id, **changes), client_id
        )
        self.events.append(view)
        return view


class Stream:
    """An open stream, event by event."""

    def __init__(self, reply: ClientResponse) -> None:
        self.reply = reply

    async def block(self) -> dict[str, str]:
        """The next event or comment."""
        lines: dict[str, str] = {}
        async with asyncio.timeout(WAIT_S):
            while line := (await self.reply.content.readline()).decode().rstrip("\n"):
                name, _, value = line.partition(": ")
                lines[name or ":"] = value
        return lines

    async def event(self) -> int:
        """The sequence of the next event; comments are passed over."""
        while "id" not in (block := await self.block()):
            assert block, "the stream ended"
        assert json.loads(block["data"])["sequence"] == int(block["id"])
        return int(block["id"])

    async def end(self) -> bytes:
        """What is left until the server ends it."""
        async with asyncio.timeout(WAIT_S):
            return await self.reply.content.read()


@asynccontextmanager
async def stream(
    rig: Rig, token: str, path: str = "/v1/cashier/events/stream", **headers: str
) -> AsyncIterator[Stream]:
    sent = {
        "Authorization": f"Bearer {token}",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    async with rig.http.get(rig.url + path, headers=sent) as reply:
        assert reply.status == 200, await reply.text()
        assert reply.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert reply.headers["Cache-Control"] == "no-store"
        assert reply.headers["X-Request-Id"]
        opened = Stream(reply)
        assert await opened.block() == {":": "open"}
        yield opened


@asynccontextmanager
async def feeding(**gateway: Any) -> AsyncIterator[tuple[Rig, Feed]]:
    feeds: list[Feed] = []
    async with running(lambda directory: feeds.append(Feed(directory)), **gateway) as rig:
        yield rig, feeds[0]


async def test_a_hint_brings_what_is_new_in_order() -> None:
    async with feeding() as (rig, feed), stream(rig, rig.session()) as opened:
        for _ in range(3):
            feed.add()
        outbox_ready(rig.app, 3)
        assert [await opened.event() for _ in range(3)] == [1, 2, 3]
        feed.add()
        outbox_ready(rig.app, 4)
        assert await opened.event() == 4


async def test_a_lost_hint_costs_time_and_no_event() -> None:
    async with feeding(sse_heartbeat_s=0.05) as (rig, feed), stream(rig, rig.session()) as opened:
        feed.add()
        assert await opened.event() == 1


async def test_a_stream_goes_on_where_it_was_left() -> None:
    async with feeding() as (rig, feed):
        for _ in range(250):
            feed.add()
        token = rig.key()[0]
        async with stream(rig, token, "/v1/events/stream") as opened:
            assert [await opened.event() for _ in range(250)] == list(range(1, 251))
        async with stream(rig, token, "/v1/events/stream", Last_Event_ID="247") as opened:
            assert [await opened.event() for _ in range(3)] == [248, 249, 250]
        async with stream(rig, token, "/v1/events/stream?after=248") as opened:
            assert [await opened.event() for _ in range(2)] == [249, 250]


async def test_a_clients_stream_begins_now_and_shows_its_own_only() -> None:
    async with feeding() as (rig, feed):
        feed.add()
        outbox_ready(rig.app, 1)
        async with stream(rig, rig.session(currencies=("BTC",))) as opened:
            feed.add("bob")
            feed.add(currency="ETH")
            feed.add()
            outbox_ready(rig.app, 4)
            assert await opened.event() == 4


async def test_events_of_others_do_not_make_a_stream_read() -> None:
    async with feeding() as (rig, feed), stream(rig, rig.session()) as opened:
        feed.add()
        outbox_ready(rig.app, 1)
        assert await opened.event() == 1
        for sequence in range(2, 50):
            feed.add("bob")
            outbox_ready(rig.app, sequence)
            await asyncio.sleep(0)
        feed.add()
        outbox_ready(rig.app, 50)
        assert await opened.event() == 50
        asked = [m for _, m in rig.directory.asked if isinstance(m, ListEvents) and m.client_id == "alice"]
        assert len(asked) < 10


@pytest.mark.parametrize("value", ["-1", "x", "1.0", "9" * 20, "1 ", "٣"])
async def test_a_bad_position_is_refused(value: str) -> None:
    async with feeding() as (rig, _):
        headers = {"Last-Event-ID": value}
        if value.strip() == "1":
            headers = {"Last-Event-ID": "1,1"}
        answer = await rig.send("GET", "/v1/events/stream", rig.key()[0], headers=headers)
        assert (answer.status, answer.code) == (422, "validation_failed")


async def test_a_session_that_ends_ends_its_stream() -> None:
    async with feeding(sse_heartbeat_s=0.05) as (rig, _):
        token = rig.session()
        async with stream(rig, token) as opened:
            view = rig.directory.sessions[token_hash(token)]
            rig.directory.sessions[token_hash(token)] = replace(view, state="ended")
            assert b"id:" not in await opened.end()
        assert len(rig.app[GATEWAY].hub) == 0


async def test_a_revoked_key_ends_its_stream_however_much_there_is_to_tell() -> None:
    async with feeding(sse_heartbeat_s=0.05) as (rig, feed):
        token, _ = rig.key()
        async with stream(rig, token, "/v1/events/stream") as opened, asyncio.timeout(WAIT_S):
            view = rig.directory.keys[token_hash(token)]
            rig.directory.keys[token_hash(token)] = replace(view, revoked_at=1)
            while True:  # as fast as it is read: the stream is never silent
                sequence = feed.add().sequence
                outbox_ready(rig.app, sequence)
                if "id" not in (block := await opened.block()):
                    assert block == {}
                    break
                assert int(block["id"]) == sequence
        assert len(rig.app[GATEWAY].hub) == 0


async def test_a_ledger_that_goes_away_ends_the_stream_and_the_next_try_is_told() -> None:
    async with feeding() as (rig, feed), stream(rig, rig.session()) as opened:
        rig.directory.replies[ListEvents] = Unavailable("ledger_reader restarts")
        feed.add()
        outbox_ready(rig.app, 1)
        assert await opened.end() == b""
        answer = await rig.send("GET", "/v1/cashier/events/stream", rig.session())
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")


async def test_streams_are_bounded_in_all_and_for_each_caller() -> None:
    async with feeding(sse_streams_max=2) as (rig, _):
        token = rig.session()
        async with stream(rig, token), stream(rig, token):
            answer = await rig.send("GET", "/v1/cashier/events/stream", token)
            assert (answer.status, answer.code) == (503, "unavailable")
    async with feeding() as (rig, _):
        token = rig.session()
        hub = rig.app[GATEWAY].hub
        hub._callers["session:ses_1"] = 20
        answer = await rig.send("GET", "/v1/cashier/events/stream", token)
        assert (answer.status, answer.code) == (429, "too_many_streams")


async def test_a_server_that_stops_ends_its_streams() -> None:
    async with feeding() as (rig, _), stream(rig, rig.session()) as opened:
        await rig.app.shutdown()
        assert await opened.end() == b""
