"""Shared lookups: fewer questions, never an answer from before one asked."""

from __future__ import annotations

import asyncio

import pytest

from gateway.lookup import Lookups


class Table:
    """A value that changes, read slowly."""

    def __init__(self) -> None:
        self.value = "valid"
        self.reads = 0
        self.gates: list[asyncio.Event] = []

    async def look(self) -> str:
        self.reads += 1
        seen, gate = self.value, asyncio.Event()
        self.gates.append(gate)
        await gate.wait()
        if seen == "broken":
            raise RuntimeError("no answer")
        return seen


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_crowd_shares_the_next_lookup_and_not_the_one_under_way() -> None:
    lookups, table = Lookups(), Table()
    first = asyncio.create_task(lookups.get("a", table.look))
    await turns()
    table.value = "revoked"
    crowd = [asyncio.create_task(lookups.get("a", table.look)) for _ in range(50)]
    await turns()
    table.gates[0].set()
    await turns()
    table.gates[1].set()
    assert await first == "valid"
    assert set(await asyncio.gather(*crowd)) == {"revoked"}
    assert table.reads == 2
    assert not lookups._next
    assert not lookups._tasks


async def test_a_failure_reaches_everybody_and_the_next_is_free_of_it() -> None:
    lookups, table = Lookups(), Table()
    first = asyncio.create_task(lookups.get("a", table.look))
    await turns()
    table.value = "broken"
    crowd = [asyncio.create_task(lookups.get("a", table.look)) for _ in range(3)]
    await turns()
    table.gates[0].set()
    await turns()
    table.value = "valid"
    late = asyncio.create_task(lookups.get("a", table.look))
    await turns()
    table.gates[1].set()
    await turns()
    table.gates[2].set()
    assert await first == "valid"
    for task in crowd:
        with pytest.raises(RuntimeError):
            await task
    assert await late == "valid"


async def test_a_caller_that_leaves_takes_nobody_along() -> None:
    lookups, table = Lookups(), Table()
    first = asyncio.create_task(lookups.get("a", table.look))
    await turns()
    second, third = (asyncio.create_task(lookups.get("a", table.look)) for _ in range(2))
    await turns()
    first.cancel()
    second.cancel()
    await turns()
    table.gates[1].set()
    assert await third == "valid"
    assert first.cancelled()
    assert second.cancelled()


async def test_different_names_do_not_wait_for_each_other() -> None:
    lookups, table, other = Lookups(), Table(), Table()
    first = asyncio.create_task(lookups.get("a", table.look))
    second = asyncio.create_task(lookups.get("b", other.look))
    await turns()
    other.gates[0].set()
    assert await second == "valid"
    table.gates[0].set()
    assert await first == "valid"
