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


async def test_with_nobody_served_one_turn_of_the_loop_is_enough() -> None:
    made = Turns()
    order: list[str] = []
    asyncio.get_running_loop().call_soon(order.append, "somebody else")
    await made.rest()
    order.append("the work")
    assert order == ["somebody else", "the work"]


async def test_a_caller_that_fails_is_served_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "REST_MAX_S", 60.0)
    made = Turns()
    with pytest.raises(ValueError, match="no"), made.first():
        raise ValueError("no")
    await asyncio.wait_for(made.rest(), 10)
