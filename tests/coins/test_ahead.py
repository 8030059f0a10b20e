"""Fetching ahead: bounded in blocks, bytes and calls; nothing stale, nothing lost."""

from __future__ import annotations

import asyncio

import pytest

from coins.ahead import FIRST_GUESS_BYTES, ReadAhead
from coins.errors import NodeUnavailableError


class Source:
    """Gives blocks when the test says so."""

    def __init__(self, size: int = 1) -> None:
        self.size = size
        self.asked: list[str] = []
        self.open: dict[str, asyncio.Future[bytes]] = {}

    async def fetch(self, name: str) -> bytes:
        self.asked.append(name)
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.open[name] = answer
        return await answer

    async def give(self, *names: str) -> None:
        for name in names:
            self.open.pop(name).set_result(name.encode() * self.size)
        await settle()

    def ahead(self, window: int = 4, parallel: int = 2, bytes_max: int = 10**9) -> ReadAhead[bytes]:
        return ReadAhead(self.fetch, len, window=window, parallel=parallel, bytes_max=bytes_max)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_calls_and_blocks_are_bounded_and_answers_may_come_in_any_order() -> None:
    source = Source()
    ahead = source.ahead(window=4, parallel=2)
    ahead.plan("abcdefgh")
    await settle()
    assert source.asked == ["a", "b"]
    await source.give("b")
    assert source.asked == ["a", "b", "c"]
    await source.give("c")
    assert source.asked == ["a", "b", "c", "d"]
    await source.give("d", "a")
    assert len(source.asked) == 4  # four lie here: no more until one is taken
    for name in "abcd":
        assert await ahead.take(name) == name.encode()
    await settle()
    assert source.asked == [*"abcdef"]
    assert ahead.held_bytes == 0
    await ahead.close()


async def test_bytes_are_bounded_but_one_block_always_comes() -> None:
    source = Source(size=FIRST_GUESS_BYTES * 2)
    ahead = source.ahead(window=9, parallel=9, bytes_max=FIRST_GUESS_BYTES * 5)
    ahead.plan("abcdefgh")
    await settle()
    assert source.asked == [*"abcde"]  # by the guess; what comes is twice as large
    await source.give("a")
    assert source.asked == [*"abcde"]
    await source.give("b", "c", "d", "e")
    assert [await ahead.take(name) for name in "abcd"]
    await settle()
    assert source.asked == [*"abcdef"]
    await ahead.close()
    huge = Source(size=FIRST_GUESS_BYTES * 50)
    ahead = huge.ahead(bytes_max=1)
    ahead.plan("ab")
    for name in "ab":
        await settle()
        assert huge.asked[-1] == name
        await huge.give(name)
        assert len(await ahead.take(name)) == FIRST_GUESS_BYTES * 50
    await ahead.close()


async def test_a_new_plan_forgets_what_another_branch_no_longer_needs() -> None:
    source = Source()
    ahead = source.ahead(window=4, parallel=4)
    ahead.plan("abcd")
    await settle()
    stale = source.open["c"]
    await source.give("a", "b")
    ahead.plan("abxy")
    await settle()
    assert stale.cancelled()
    assert source.asked == [*"abcd", "x", "y"]
    await source.give("x", "y")
    assert [await ahead.take(name) for name in "abxy"] == [b"a", b"b", b"x", b"y"]
    await ahead.close()


async def test_a_failure_is_told_to_its_taker_and_asked_again_after_the_next_plan() -> None:
    source = Source()
    ahead = source.ahead(window=4, parallel=4)
    ahead.plan("abc")
    await settle()
    source.open["b"].set_exception(NodeUnavailableError("the node died"))
    await source.give("a", "c")
    assert await ahead.take("a") == b"a"
    with pytest.raises(NodeUnavailableError, match="died"):
        await ahead.take("b")
    ahead.plan("bc")
    await settle()
    assert source.asked == [*"abc", "b"]
    source.open["b"].set_exception(NodeUnavailableError("again"))
    await settle()
    ahead.plan("bc")  # failed and never taken: asked again as well
    await settle()
    await source.give("b")
    assert [await ahead.take(name) for name in "bc"] == [b"b", b"c"]
    await ahead.close()


async def test_what_was_not_planned_is_fetched_at_once() -> None:
    source = Source()
    ahead = source.ahead()
    taking = asyncio.create_task(ahead.take("z"))
    await settle()
    await source.give("z")
    assert await taking == b"z"


async def test_closing_and_giving_up_leave_nothing_running() -> None:
    source = Source()
    ahead = source.ahead(window=4, parallel=4)
    ahead.plan("abcd")
    await settle()
    taking = asyncio.create_task(ahead.take("a"))
    await settle()
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)
    waiting = list(source.open.values())
    await ahead.close()
    assert all(each.cancelled() for each in waiting)
    await settle()
    assert source.asked == [*"abcd"]
