"""The machine's clock and the fake one keep the same promises."""

from __future__ import annotations

import asyncio
import time

import pytest

from actors.clock import Clock, SystemClock
from tests.fakes.clock import FakeClock, settle


@pytest.mark.parametrize("clock", [SystemClock(), FakeClock()], ids=["system", "fake"])
def test_seconds_and_nanoseconds_tell_the_same_time(clock: Clock) -> None:
    before_s, now_ns, after_s = clock.now_s(), clock.now_ns(), clock.now_s()
    assert before_s <= now_ns // 1_000_000_000 <= after_s
    assert clock.monotonic() <= clock.monotonic()


def test_the_machines_clock_is_utc_unix_time() -> None:
    assert abs(SystemClock().now_s() - time.time()) < 5


async def test_a_timer_of_the_machines_clock_fires_once_and_not_when_called_off() -> None:
    clock = SystemClock()
    fired: list[str] = []
    over = asyncio.Event()
    clock.timer(0.0, lambda: fired.append("called off")).cancel()
    clock.timer(0.001, over.set)
    await asyncio.wait_for(over.wait(), 10)
    await clock.sleep(0.001)
    assert fired == []


async def test_the_fake_clock_fires_in_order_and_only_when_advanced() -> None:
    clock = FakeClock()
    fired: list[tuple[str, float]] = []

    def note(name: str) -> None:
        fired.append((name, clock.monotonic()))

    clock.timer(2.0, lambda: note("second"))
    clock.timer(1.0, lambda: note("first"))
    clock.timer(1.5, lambda: note("called off")).cancel()
    sleeping = asyncio.ensure_future(clock.sleep(3.0))
    await clock.advance(0.9)
    assert fired == []
    await clock.advance(1.1)
    assert fired == [("first", 1.0), ("second", 2.0)]
    assert clock.pending() == [1.0]
    await clock.advance(1.0)
    assert sleeping.done()


async def test_a_cancelled_sleep_leaves_no_timer() -> None:
    clock = FakeClock()
    sleeping = asyncio.ensure_future(clock.sleep(3.0))
    await settle()
    sleeping.cancel()
    await settle()
    assert clock.pending() == []
