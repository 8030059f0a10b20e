"""Actors that answer from child tasks, so that one slow answer does not hold up the next asker."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from actors.errors import DeliveryError, InboxFull
from actors.inbox import Deferred
from actors.runtime import NO_REPLY, AsyncioActor
from ledger.errors import DomainError


class AnsweringActor(AsyncioActor):
    """Works on at most as many asks at once as its inbox may hold; more are refused as not executed."""

    _answering = 0

    def answer_beside(self, work: Coroutine[Any, Any, object]) -> object:
        """Answer the message in hand with what ``work`` comes to; the handler returns this.

        A refusal or a failed ask of ``work`` is the answer as it is, so every step of it must be safe to
        be asked again. Whatever else escapes it crashes the actor.
        """
        deferred = self.defer()
        if self._answering >= self.actor_inbox.limit:
            work.close()
            deferred.reject(InboxFull(f"{self.address} works on {self._answering} messages already"))
            return NO_REPLY
        self._answering += 1
        task = self.spawn(_answer(deferred, work), type(deferred.message).__name__)
        # A task cancelled before its first step leaves its coroutine unstarted, which Python reports.
        task.add_done_callback(lambda _: work.close())
        task.add_done_callback(self._answered)
        return NO_REPLY

    def _answered(self, _: object) -> None:
        self._answering -= 1


async def _answer(deferred: Deferred, work: Coroutine[Any, Any, object]) -> None:
    """Resolve or reject."""
    try:
        deferred.resolve(await work)
    except (DomainError, DeliveryError) as error:
        deferred.reject(error)
