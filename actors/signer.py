"""Keeps the signer process alive: a process of its own, the only holder of the seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from actors.runtime import AsyncioActor


class SignerExitedError(Exception):
    """The signer process ended by itself; its supervisor starts a new one."""


class Process(Protocol):
    """A child process that serves when ``start`` returns."""

    async def start(self) -> None:
        """Start it and wait until it serves."""

    async def wait(self) -> int:
        """Wait for its end; the exit code."""

    async def stop(self) -> None:
        """End it, politely first."""


class SignerActor(AsyncioActor):
    """Starts the process, dies with it."""

    def __init__(self, make_process: Callable[[], Process]) -> None:
        """``make_process`` prepares a process that is not started yet."""
        super().__init__()
        self._make_process = make_process
        self._process: Process | None = None

    async def on_start(self) -> None:
        """Start the process and watch it."""
        self._process = self._make_process()
        await self._process.start()
        self.spawn(self._watch(self._process), "watch")

    async def _watch(self, process: Process) -> None:
        """Crash with the process."""
        code = await process.wait()
        raise SignerExitedError(f"the signer ended with exit code {code}")

    async def on_receive(self, message: object) -> object:
        """Nobody asks this actor: signatures go over the socket."""
        raise TypeError(f"{self.address} does not understand {message!r}")

    async def on_cleanup(self) -> None:
        """End the process; the seed leaves memory with it."""
        process, self._process = self._process, None
        if process is not None:
            await process.stop()
