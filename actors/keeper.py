"""Starts, stops and pings one child for a supervisor, each within a bound."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from pykka.messages import _ActorStop

from actors.child import Child
from actors.clock import Clock
from actors.directory import Directory
from actors.errors import ActorError, EscalateError, KilledError, NotDelivered, StartTimeoutError
from actors.frame import Exit
from actors.inbox import Deferred
from actors.runtime import AsyncioActor

logger = logging.getLogger(__name__)


class Keeper:
    """The mechanics of one supervisor: no decision is made here."""

    def __init__(self, directory: Directory, clock: Clock, on_exit: Callable[[str, int, Exit], None]) -> None:
        """``on_exit`` hears the name, incarnation and end of every child that was started."""
        self._directory = directory
        self._clock = clock
        self._on_exit = on_exit

    async def start(self, child: Child) -> BaseException | None:
        """Start one incarnation and wait until it is ready; returns what went wrong, None if nothing."""
        child.forget_timer()
        child.incarnation += 1
        child.state = "starting"
        child.started_at = self._clock.monotonic()
        self._directory.declare(child.name)
        try:
            ref = child.spec.start()
        except Exception as failure:  # noqa: BLE001 - a factory's failure is the child's failed start
            return failure
        actor = child.actor = self._directory.adopt(child.name, ref)
        name, incarnation = child.name, child.incarnation
        actor.link(lambda end: self._on_exit(name, incarnation, end))
        error = await self._handshake(child, actor)
        if error is not None:
            child.incarnation += 1  # its exit is known already
            return error
        child.state = "up"
        child.started_at = self._clock.monotonic()
        self._directory.up(child.name, ref)
        return None

    async def _handshake(self, child: Child, actor: AsyncioActor) -> BaseException | None:
        """Wait for the answer to a ping, which comes after ``on_start``; kills whom it takes too long."""
        ready = actor.ping()
        bound = None if actor.is_supervisor else child.spec.start_timeout_s
        if not await self._within(ready, bound):
            slow = StartTimeoutError(f"{child.name} was not ready within {bound} s")
            actor.kill(slow)
            await self._dead(child, actor)
            return slow
        if ready.exception() is None:
            return None
        await self._dead(child, actor)
        end = actor.exit
        return (end and end.error) or ActorError(f"{child.name} stopped while it started")

    async def stop(self, child: Child) -> None:
        """Stop one child politely within its bound, then by force; callers wait for its next start."""
        child.forget_timer()
        child.incarnation += 1
        actor = child.actor
        if actor is None or actor.exit is not None:
            return
        self._directory.down(child.name)
        try:
            actor.actor_inbox.put(Deferred(_ActorStop()))
        except NotDelivered:
            logger.debug("%s is ending already", child.name)
        bound = None if actor.is_supervisor else child.spec.stop_timeout_s
        if await self._within(_ended(actor), bound):
            return
        error = KilledError(f"{child.name} did not stop within {bound} s")
        logger.warning("%s", error)
        actor.kill(error)
        await self._dead(child, actor)

    async def _dead(self, child: Child, actor: AsyncioActor) -> None:
        """Wait for the end of a child that is ending; raises ``EscalateError`` if it cannot be ended."""
        bound = None if actor.is_supervisor else child.spec.stop_timeout_s
        if not await self._within(_ended(actor), bound):
            # Two incarnations at once would be worse than none.
            raise EscalateError(f"{child.name} cannot be ended", is_final=True)

    def ping(self, child: Child, actor: AsyncioActor, timeout_s: float, on_hung: Callable[[], None]) -> None:
        """Ping one child, unless a ping is under way; ``on_hung`` is called without an answer in time."""
        if child.ping is not None and not child.ping.done():
            return
        answer = child.ping = actor.ping()
        timer = self._clock.timer(timeout_s, lambda: None if answer.done() else on_hung())
        answer.add_done_callback(lambda _: timer.cancel())

    async def _within(self, future: asyncio.Future[None], seconds: float | None) -> bool:
        """Wait for ``future`` at most ``seconds``; whether it is done."""
        alarm: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = None
        if seconds is not None:
            timer = self._clock.timer(seconds, lambda: None if alarm.done() else alarm.set_result(None))
        try:
            await asyncio.wait({future, alarm}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if timer is not None:
                timer.cancel()
        return future.done()


def _ended(actor: AsyncioActor) -> asyncio.Future[None]:
    """A future that is done once ``actor`` has ended and cleaned up."""
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    actor.link(lambda _: None if ended.done() else ended.set_result(None))
    return ended
