"""Long work rests while somebody is served, within a bound."""

from __future__ import annotations

import asyncio

import pytest

from coins import turns
from coins.turns import Turns


async def test_long_work_rests_until_nobody_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "REST_MAX_S", 60.0)
    made = Turns()
    done: list[str] = []

    async def work() -> None:
        await made.rest()
        done.append("worked")

    with made.first():
        with made.first():
            working = asyncio.create_task(work())
            await asyncio.wait({working}, timeout=0.01)
        await asyncio.wait({working}, timeout=0.01)
        assert done == []
    await asyncio.wait_for(working, 10)
    assert done == ["worked"]


async def test_without_an_end_of_callers_it_goes_on_all_the_same() -> None:
    made = Turns()
    with made.first():
        for _ in range(3):
            await asyncio.wait_for(made.rest(), 10)


async def test_a_request_that_has_just_come_in_is_served_before_the_next_step() -> None:
    made = Turns()
    loop = asyncio.get_running_loop()
    order: list[str] = []

    def readable() -> None:  # its bytes are read, then its handler starts, then it is being served
        loop.call_soon(loop.call_soon, order.append, "served")

    loop.call_soon(readable)
    await made.rest()
    order.append("the work")
    assert order == ["served", "the work"]


async def test_while_callers_come_few_blocks_are_written_at_once_and_fetches_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    made = Turns(lambda: now[0])
    assert made.at_once(25) == 25
    with made.first():
        assert made.at_once(25) == turns.PRESSED_BLOCKS
    now[0] += turns.PRESSED_S / 2
    assert (made.at_once(25), made.at_once(1)) == (turns.PRESSED_BLOCKS, 1)
    monkeypatch.setattr(turns, "FETCH_S", 60.0)
    fetches = [asyncio.create_task(made.fetch()) for _ in range(2)]
    await asyncio.wait(fetches, timeout=0.01)
    assert not any(each.done() for each in fetches)
    for each in fetches:
        each.cancel()
    await asyncio.wait(fetches)
    now[0] += turns.PRESSED_S
    assert made.at_once(25) == 25
    await asyncio.wait_for(made.fetch(), 10)


async def test_a_caller_that_fails_is_served_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "REST_MAX_S", 60.0)
    made = Turns()
    with pytest.raises(ValueError, match="no"), made.first():
        raise ValueError("no")
    await asyncio.wait_for(made.rest(), 10)
