"""Ticks: one at a time, after a pause, also when the inbox was full for a while, never after the end."""

from __future__ import annotations

from typing import Any

from actors.inbox import Deferred
from actors.ticking import Tick, TickingActor
from tests.actors.house import actor_of, ended
from tests.fakes.clock import FakeClock, settle


class Ticker(TickingActor):
    """Counts its ticks; takes them at once or leaves them in hand."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock, 2.0)
        self.ticks = 0

    async def on_start(self) -> None:
        self.start_ticking()

    async def on_receive(self, message: object) -> Any:
        if isinstance(message, Tick):
            self.tick_taken()
            self.ticks += 1
        return None


def start() -> tuple[FakeClock, Ticker]:
    clock = FakeClock()
    actor = actor_of(Ticker.start(clock))
    assert isinstance(actor, Ticker)
    return clock, actor


async def test_a_tick_comes_after_each_pause() -> None:
    clock, actor = start()
    await settle()
    assert actor.ticks == 0
    await clock.advance(1.9)
    assert actor.ticks == 0
    await clock.advance(0.1)
    assert actor.ticks == 1
    await clock.advance(20)
    assert actor.ticks == 11
    actor.stop()
    await ended(actor)


async def test_only_one_tick_waits_while_the_actor_is_busy() -> None:
    clock, actor = start()
    await settle()
    for _ in range(5):
        actor._on_timer()
    assert [type(each.message) for each in actor.actor_inbox.queue] == [Tick]
    actor.stop()
    await ended(actor)
    assert clock.pending() == [] or actor.exit is not None


async def test_a_full_inbox_costs_a_tick_and_not_all_later_ones() -> None:
    clock, actor = start()
    await settle()
    actor.actor_inbox.limit = 1
    actor.actor_inbox.put(Deferred("something"))
    actor._on_timer()
    await settle()
    assert actor.ticks == 0
    await clock.advance(2)
    assert actor.ticks >= 1
    actor.stop()
    await ended(actor)


async def test_after_the_end_no_tick_comes() -> None:
    clock, actor = start()
    await settle()
    actor.stop()
    await ended(actor)
    await clock.advance(10)
    assert actor.ticks == 0
    assert clock.pending() == []
