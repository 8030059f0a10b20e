"""The bell ringer: one reading of new events wakes the streams they concern, and no fault stops it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors.errors import Unavailable
from actors.messages import ListEvents
from gateway.context import GATEWAY, Gateway
from gateway.dispatch import PAGE, dispatch
from gateway.stream import Waiter
from tests.fakes.clock import settle
from tests.gateway.fake import FakeDirectory, running
from tests.gateway.samples import deposit_view, event_view

AT_ONCE_S = 0.001


def events(first: int, count: int, client_id: str) -> tuple[Any, ...]:
    return tuple(event_view(first + n, "deposit.seen", deposit_view(), client_id) for n in range(count))


async def rung(*waiters: Waiter) -> list[bool]:
    await settle()
    return [await waiter.wait(AT_ONCE_S) for waiter in waiters]


async def test_new_events_wake_whom_they_concern_over_several_pages() -> None:
    async with running() as rig:
        gateway, directory = rig.app[GATEWAY], rig.directory
        pages = {10: events(11, PAGE, "bob"), 10 + PAGE: events(11 + PAGE, 1, "alice")}
        directory.replies[ListEvents] = lambda _, ask: pages.get(ask.after, ())
        with gateway.hub.open("a", "alice") as alice, gateway.hub.open("c", "carol") as carol:
            gateway.hub.ready(10)  # the first hint: what came before is not known, so all look
            assert await rung(alice, carol) == [True, True]
            gateway.hub.ready(11 + PAGE)
            assert await rung(alice, carol) == [True, False]


@pytest.mark.parametrize("fault", [Unavailable("restarts"), RuntimeError("broken")])
async def test_a_reader_that_fails_wakes_everybody_and_the_next_hint_works(
    fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async with running() as rig:
        gateway, directory = rig.app[GATEWAY], rig.directory
        with gateway.hub.open("a", "alice") as alice, gateway.hub.open("c", "carol") as carol:
            gateway.hub.ready(1)
            await rung(alice, carol)
            directory.replies[ListEvents] = fault
            gateway.hub.ready(2)
            assert await rung(alice, carol) == [True, True]
            directory.replies[ListEvents] = events(2, 1, "carol")
            gateway.hub.ready(2)
            assert await rung(alice, carol) == [False, True]
        assert bool(caplog.records) == isinstance(fault, RuntimeError)


async def test_nothing_is_read_while_nobody_listens() -> None:
    async with running() as rig:
        for sequence in (1, 2, 3):
            rig.app[GATEWAY].hub.ready(sequence)
            await settle()
        assert rig.directory.asked == []


async def test_it_ends_when_it_is_cancelled() -> None:
    async with running() as rig:
        gateway: Gateway = rig.app[GATEWAY]
        task = asyncio.create_task(dispatch(gateway))
        await settle()
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
    assert isinstance(rig.directory, FakeDirectory)
