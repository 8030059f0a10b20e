"""The keeper of the signer process: it serves before others start, and falls with it."""

from __future__ import annotations

import asyncio

from actors.signer import SignerActor, SignerExitedError
from tests.actors.house import actor_of, ended, exit_of
from tests.fakes.clock import settle


class FakeProcess:
    """A child process in memory."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.over: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.stops = 0
        self.start_error: Exception | None = None

    async def start(self) -> None:
        await self.started.wait()
        if self.start_error is not None:
            raise self.start_error

    async def wait(self) -> int:
        return await self.over

    async def stop(self) -> None:
        self.stops += 1


async def test_it_is_ready_when_the_process_serves_and_ends_it_on_stop() -> None:
    process = FakeProcess()
    actor = actor_of(SignerActor.start(lambda: process))
    ready = actor.ping()
    await settle()
    assert not ready.done()
    process.started.set()
    await ready
    actor.stop()
    assert await ended(actor) == "stopped"
    assert process.stops == 1


async def test_it_dies_with_the_process() -> None:
    process = FakeProcess()
    process.started.set()
    actor = actor_of(SignerActor.start(lambda: process))
    await actor.ping()
    process.over.set_result(9)
    assert await ended(actor) == "crashed"
    error = exit_of(actor).error
    assert isinstance(error, SignerExitedError)
    assert "exit code 9" in str(error)
    assert process.stops == 1


async def test_a_process_that_does_not_start_is_a_failed_start_and_is_ended() -> None:
    process = FakeProcess()
    process.start_error = OSError("no such file")
    process.started.set()
    actor = actor_of(SignerActor.start(lambda: process))
    assert await ended(actor) == "crashed"
    assert process.stops == 1
