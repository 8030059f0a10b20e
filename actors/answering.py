"""Actors that answer later, so that one slow answer does not hold up the next asker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from actors.directory import Directory
from actors.errors import DeliveryError, InboxFull, ReceiverGone
from actors.inbox import Ask, Deferred
from actors.runtime import NO_REPLY, AsyncioActor
from ledger.errors import DomainError
from ledger.request import Request


class AnsweringActor(AsyncioActor):
    """Works on at most as many asks at once as its inbox may hold; more are refused as not executed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Nothing is asked yet."""
        super().__init__(*args, **kwargs)
        self._answering = 0
        self._forwarded: set[asyncio.Future[Any]] = set()

    def answer_beside(self, work: Coroutine[Any, Any, object]) -> object:
        """Answer the message in hand with what ``work`` comes to; the handler returns this.

        A refusal or a failed ask of ``work`` is the answer as it is, so every step of it must be safe to
        be asked again. Whatever else escapes it crashes the actor.
        """
        deferred = self.defer()
        if self._is_full(deferred):
            work.close()
            return NO_REPLY
        self._answering += 1
        self._spawn_answer(deferred, work)
        return NO_REPLY

    def forward(
        self,
        directory: Directory,
        name: str,
        message: Request[Any],
        *,
        timeout_s: float,
        then: Callable[[], None],
    ) -> object:
        """Answer the message in hand with what ``name`` answers to ``message``; the handler returns this.

        The same as :meth:`answer_beside` with an ask, without the price of a task.
        ``then`` is called before an answer that is no refusal is passed on.
        """
        deferred = self.defer()
        if self._is_full(deferred):
            return NO_REPLY
        self._answering += 1
        ask = directory.begin(name, message, timeout_s=timeout_s)
        if ask is None:
            work = _asked(directory, name, message, timeout_s, self.request_id, then)
            self._spawn_answer(deferred, work)
            return NO_REPLY

        def pass_on(future: asyncio.Future[Any]) -> None:
            self._forwarded.discard(future)
            error = None if future.cancelled() else future.exception()
            if self._is_ending or future.cancelled():
                return  # whoever is owed an answer is told by the runtime
            if isinstance(error, ReceiverGone) and not ask.is_started:
                work = _asked(directory, name, message, _left_s(ask), ask.request_id, then)
                self._spawn_answer(deferred, work)
                return
            self._answering -= 1
            self._pass_on(deferred, future, error, then)

        self._forwarded.add(ask.future)
        ask.future.add_done_callback(pass_on)
        return NO_REPLY

    def _is_full(self, deferred: Deferred) -> bool:
        """Whether one more is too many; it is refused then."""
        if self._answering < self.actor_inbox.limit:
            return False
        deferred.reject(InboxFull(f"{self.address} works on {self._answering} messages already"))
        return True

    def _spawn_answer(self, deferred: Deferred, work: Coroutine[Any, Any, object]) -> None:
        task = self.spawn(_answer(deferred, work), type(deferred.message).__name__)
        # A task cancelled before its first step leaves its coroutine unstarted, which Python reports.
        task.add_done_callback(lambda _: work.close())
        task.add_done_callback(self._answered)

    def _answered(self, _: object) -> None:
        self._answering -= 1

    def _pass_on(
        self,
        deferred: Deferred,
        future: asyncio.Future[Any],
        error: BaseException | None,
        then: Callable[[], None],
    ) -> None:
        """Resolve or reject with what came; a fault crashes the actor."""
        if isinstance(error, (DomainError, DeliveryError)):
            deferred.reject(error)
            return
        try:
            if error is not None:
                raise error
            then()
        except BaseException as fault:  # noqa: BLE001 - as what escapes a child task
            self._child_failed(fault)
            return
        deferred.resolve(future.result())

    async def _clean_up(self) -> None:
        """Wait for no answer any more; what was not begun need not be."""
        for future in self._forwarded:
            future.cancel()
        await super()._clean_up()


def _left_s(ask: Ask) -> float:
    """How long the asker still waits."""
    assert ask.deadline is not None
    return max(0.0, ask.deadline - asyncio.get_running_loop().time())


async def _asked(
    directory: Directory,
    name: str,
    message: Request[Any],
    timeout_s: float,
    request_id: str | None,
    then: Callable[[], None],
) -> object:
    """The answer of ``name``, whichever incarnation gives it."""
    value = await directory.ask(name, message, timeout_s=timeout_s, request_id=request_id)
    then()
    return value


async def _answer(deferred: Deferred, work: Coroutine[Any, Any, object]) -> None:
    """Resolve or reject."""
    try:
        deferred.resolve(await work)
    except (DomainError, DeliveryError) as error:
        deferred.reject(error)
