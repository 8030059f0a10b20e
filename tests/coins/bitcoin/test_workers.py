"""Workers that die, hang or cannot start are replaced or left alone; nobody waits for them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from coins.bitcoin.download import Door
from coins.bitcoin.outline import outline_block
from coins.bitcoin.scan import BlockRules
from coins.bitcoin.worker import rest_path
from coins.bitcoin.workers import FAILURES_MAX, Worker, WorkerPool
from tests.coins.bitcoin import test_scan as shapes
from tests.coins.bitcoin.fake_node import FakeNode, door

RULES = BlockRules("BTC", 21 * 10**14)
WHOLE, BROKEN, SMALL, MISSING = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)
FOUND = (shapes.WHOLE, outline_block(shapes.WHOLE, RULES))
SMALL_BLOCK = shapes.block(shapes.coinbase())


@pytest.fixture
async def pool(fake_node: FakeNode) -> AsyncIterator[WorkerPool]:
    """One worker, and a node that has three blocks."""
    blocks = {WHOLE: shapes.WHOLE, BROKEN: shapes.WHOLE[:-3], SMALL: SMALL_BLOCK}
    fake_node.rest = {rest_path(block_hash): raw for block_hash, raw in blocks.items()}
    made = WorkerPool(1, Door.of(door(fake_node)), RULES)
    yield made
    await made.close()
    assert made.pids == []


async def test_a_block_and_its_outline_come_from_a_worker(pool: WorkerPool) -> None:
    assert await pool.fetch(WHOLE) == FOUND
    assert await pool.fetch(BROKEN) is None  # the parent says what is wrong
    assert await pool.fetch(MISSING) is None
    assert await pool.fetch(SMALL) == (SMALL_BLOCK, outline_block(SMALL_BLOCK, RULES))
    assert len(pool.pids) == 1


async def test_answers_belong_to_their_questions(pool: WorkerPool) -> None:
    wanted = {
        WHOLE: FOUND,
        BROKEN: None,
        SMALL: (SMALL_BLOCK, outline_block(SMALL_BLOCK, RULES)),
        MISSING: None,
    }
    asked = [WHOLE, SMALL, MISSING, SMALL, WHOLE, BROKEN, WHOLE, WHOLE, SMALL] * 3
    assert await asyncio.gather(*map(pool.fetch, asked)) == [wanted[each] for each in asked]
    assert len(pool.pids) == 1


async def test_the_forms_of_scripts_that_are_told_are_searched(pool: WorkerPool) -> None:
    forms = {b"\x16\x00\x14"}
    assert await pool.fetch(WHOLE, forms) == (shapes.WHOLE, outline_block(shapes.WHOLE, RULES, forms))


async def test_a_killed_worker_fails_all_its_questions_and_is_replaced(pool: WorkerPool) -> None:
    await pool.fetch(WHOLE)
    (pid,) = pool.pids
    os.kill(pid, signal.SIGSTOP)
    asked = [asyncio.create_task(pool.fetch(each)) for each in (WHOLE, SMALL)]
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)
    assert await asyncio.wait_for(asyncio.gather(*asked), 10) == [None, None]
    assert await pool.fetch(SMALL) == (SMALL_BLOCK, outline_block(SMALL_BLOCK, RULES))


async def test_a_killed_worker_is_replaced_and_holds_nobody_up(pool: WorkerPool) -> None:
    assert await pool.fetch(WHOLE) == FOUND
    (pid,) = pool.pids
    os.kill(pid, signal.SIGKILL)
    found = [await asyncio.wait_for(pool.fetch(WHOLE), 10) for _ in range(2)]
    assert found == [None, FOUND]
    assert pool.pids != [pid]


async def test_a_worker_whose_question_was_given_up_answers_no_other(pool: WorkerPool) -> None:
    await pool.fetch(WHOLE)
    (pid,) = pool.pids
    os.kill(pid, signal.SIGSTOP)
    asked = asyncio.create_task(pool.fetch(WHOLE))
    await asyncio.sleep(0)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    found = await pool.fetch(SMALL)
    assert found is not None
    assert found[0] == SMALL_BLOCK


async def test_a_worker_that_is_given_up_while_it_starts_does_not_live_on(
    pool: WorkerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[asyncio.subprocess.Process] = []
    is_there, go_on, start = asyncio.Event(), asyncio.Event(), Worker._start

    async def slow(self: Worker) -> asyncio.subprocess.Process:
        started.append(await start(self))
        is_there.set()
        await go_on.wait()
        return started[-1]

    monkeypatch.setattr(Worker, "_start", slow)
    first, second = (asyncio.create_task(pool.fetch(WHOLE)) for _ in range(2))
    await is_there.wait()
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    go_on.set()
    assert await asyncio.wait_for(first, 10) is None
    assert started[0].returncode is not None
    assert await pool.fetch(SMALL) == (SMALL_BLOCK, outline_block(SMALL_BLOCK, RULES))


async def test_workers_that_cannot_start_are_not_tried_for_ever(
    pool: WorkerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []

    async def fail(self: Worker) -> None:
        started.append(1)
        raise FileNotFoundError("no interpreter")

    monkeypatch.setattr(Worker, "_start", fail)
    assert [await pool.fetch(WHOLE) for _ in range(3 * FAILURES_MAX)] == [None] * 3 * FAILURES_MAX
    assert len(started) == FAILURES_MAX


async def test_without_workers_or_a_plain_door_nothing_is_fetched(fake_node: FakeNode) -> None:
    assert await WorkerPool(0, Door.of(door(fake_node)), RULES).fetch(WHOLE) is None
    assert await WorkerPool(2, None, RULES).fetch(WHOLE) is None
    assert fake_node.gets == 0


async def test_a_worker_sees_no_secret_of_ours(
    pool: WorkerPool, fake_node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASHIER__SIGNER__PASSPHRASE", "correct horse")
    await pool.fetch(WHOLE)
    (pid,) = pool.pids
    password = door(fake_node).password
    assert password is not None
    for name in ("environ", "cmdline"):
        told = await asyncio.to_thread(Path(f"/proc/{pid}/{name}").read_bytes)
        assert b"correct horse" not in told
        assert password.get_secret_value().encode() not in told
    assert set(fake_node.authorizations) == {""}
