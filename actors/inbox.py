"""The inbox of an actor, and the envelope that carries one message and the right to answer it."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from actors.errors import DeadlineAfterStart, DeadlineBeforeStart, InboxFull, ReceiverGone

if TYPE_CHECKING:
    from pykka import Future

    from actors.runtime import AsyncioActor

DEFAULT_INBOX_LIMIT = 4096


class Ping:
    """Asks whether an actor still takes messages; the runtime answers, ahead of the queue."""

    __slots__ = ()


SYSTEM_MESSAGES = frozenset({_ActorStop, Ping})


class Deferred(Envelope[Any]):
    """A message on its way and, for an ask, the one right to answer it.

    ``request_id`` follows a request through all actors; ``deadline`` is in the loop's time
    (``loop.time()``), None without one. Answer on the loop's thread only. An answer nobody waits for any
    more (second answer, asker gone) is dropped without complaint.
    """

    __slots__ = ("_owner", "deadline", "is_started", "request_id", "wants_reply")

    def __init__(
        self,
        message: Any,
        reply_to: Future[Any] | None = None,
        *,
        request_id: str | None = None,
        deadline: float | None = None,
    ) -> None:
        """Wrap ``message``; ``reply_to`` takes the answer, None for a message that was told."""
        super().__init__(message, reply_to)
        self.request_id = request_id
        self.deadline = deadline
        self.is_started = False
        self.wants_reply = reply_to is not None
        self._owner: set[Deferred] | None = None

    def owe(self, owner: set[Deferred]) -> None:
        """Enter the answer into the debts of an actor, until it is given."""
        if self.wants_reply:
            self._owner = owner
            owner.add(self)

    def resolve(self, value: Any) -> None:
        """Answer with ``value``."""
        if self._claim():
            assert self.reply_to is not None
            self.reply_to.set(value)

    def reject(self, error: BaseException) -> None:
        """Answer with an exception: a refusal, or a delivery error."""
        if self._claim():
            assert self.reply_to is not None
            self.reply_to.set_exception((type(error), error, error.__traceback__))

    def _claim(self) -> bool:
        """Use up the right to answer; False when it is used up already or nobody asked."""
        if self._owner is not None:
            self._owner.discard(self)
            self._owner = None
        is_mine, self.wants_reply = self.wants_reply, False
        return is_mine

    def is_stale(self, now: float) -> bool:
        """Nobody waits for it any more, so that it need not be begun."""
        return self.deadline is not None and now >= self.deadline

    def drop(self) -> None:
        """Answer that it was not begun and never will be."""
        self.reject(DeadlineBeforeStart(f"{type(self.message).__name__} was still waiting at its deadline"))


class Ask(Deferred):
    """A message whose answer is a future of the same loop."""

    __slots__ = ("future",)

    def __init__(
        self,
        message: Any,
        future: asyncio.Future[Any],
        request_id: str | None = None,
        deadline: float | None = None,
    ) -> None:
        """Ask ``message``; give up at ``deadline`` (``loop.time()``)."""
        self.message = message
        self.reply_to = None
        self.request_id = request_id
        self.deadline = deadline
        self.is_started = False
        self.wants_reply = True
        self._owner = None
        self.future = future

    def resolve(self, value: Any) -> None:
        """Answer with ``value``, if somebody still waits."""
        if self._claim() and not self.future.done():
            self.future.set_result(value)

    def reject(self, error: BaseException) -> None:
        """Answer with an exception, if somebody still waits."""
        if self._claim() and not self.future.done():
            self.future.set_exception(error)

    def is_stale(self, now: float) -> bool:
        """Its asker has had an answer (the deadline) or was cancelled, or the deadline is due."""
        return self.future.done() or (self.deadline is not None and now >= self.deadline)

    def expire(self) -> None:
        """The deadline is here: tell the asker whether the message was begun."""
        if not self.future.done():
            name = type(self.message).__name__
            self.future.set_exception(
                DeadlineAfterStart(f"{name} was begun and not answered in time")
                if self.is_started
                else DeadlineBeforeStart(f"{name} was not begun in time")
            )


class AsyncioInbox:
    """A bounded, closable queue of messages for one task.

    Only the actor's own task takes messages out. Any thread may put: one lock guards the putting and the
    closing, so that a message is either taken, or answered ``NotDelivered`` at once; never lost.
    """

    def __init__(self) -> None:
        """Create an open inbox; the actor sets ``limit``, ``loop`` and ``actor``."""
        self.queue: deque[Deferred] = deque()
        self.limit = DEFAULT_INBOX_LIMIT
        self.loop: asyncio.AbstractEventLoop | None = None
        self.actor: AsyncioActor | None = None
        self._lock = threading.Lock()
        self._waiter: asyncio.Future[None] | None = None
        self._is_closed = False

    def empty(self) -> bool:
        """No message waits."""
        return not self.queue

    def get(self) -> Deferred:
        """Take the next message; the actor's task only. Raises ``IndexError`` when there is none."""
        return self.queue.popleft()

    def put(self, envelope: Envelope[Any], *, is_bounded: bool = True) -> None:
        """Queue a message.

        A refusal (``ReceiverGone`` when closed, ``InboxFull`` at the limit) is the answer to an ask and is
        raised for a told message. Stop and ping are always taken while the inbox is open, and anything that
        is not ``is_bounded``.
        """
        if not isinstance(envelope, Deferred):
            envelope = Deferred(envelope.message, envelope.reply_to)
        with self._lock:
            if not self._is_closed and (
                len(self.queue) < self.limit or not is_bounded or type(envelope.message) in SYSTEM_MESSAGES
            ):
                if type(envelope.message) is Ping:
                    self.queue.appendleft(envelope)
                else:
                    self.queue.append(envelope)
                waiter = self._waiter
                if waiter is not None:
                    self._waiter = None
                    self._wake(waiter)
                return
            closed = self._is_closed
        self._refuse(envelope, closed)

    def _refuse(self, envelope: Deferred, closed: bool) -> None:
        """Answer, or raise for a told message, why ``envelope`` was not taken."""
        if closed and envelope.wants_reply and type(envelope.message) is _ActorStop:
            envelope.resolve(None)
            return
        error = (
            ReceiverGone("the actor has ended")
            if closed
            else InboxFull(f"{self.limit} messages wait already")
        )
        if not envelope.wants_reply:
            raise error
        envelope.reject(error)

    def _wake(self, waiter: asyncio.Future[None]) -> None:
        """Tell the actor's task, from whatever thread this is, that there is a message."""
        if asyncio._get_running_loop() is self.loop:
            _finish(waiter)
        elif self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(_finish, waiter)

    async def wait(self) -> None:
        """Return once there is a message; the actor's task only."""
        with self._lock:
            if self.queue:
                return
            assert self.loop is not None
            self._waiter = waiter = self.loop.create_future()
        try:
            await waiter
        finally:
            self._waiter = None

    def close(self) -> list[Deferred]:
        """Take nothing more; returns what was still waiting, in order."""
        with self._lock:
            self._is_closed = True
            left = list(self.queue)
            self.queue.clear()
            return left

    def take(self, limit: int, now: float, accept: Callable[[Any], bool] | None) -> list[Deferred]:
        """Take up to ``limit`` messages now; ends before a stop, a ping and what ``accept`` refuses.

        Messages past their deadline are dropped unstarted and do not count.
        """
        taken: list[Deferred] = []
        queue = self.queue
        while queue and len(taken) < limit:
            message = queue[0].message
            if type(message) in SYSTEM_MESSAGES or (accept is not None and not accept(message)):
                break
            envelope = queue.popleft()
            if envelope.is_stale(now):
                envelope.drop()
                continue
            envelope.is_started = True
            taken.append(envelope)
        return taken


def _finish(waiter: asyncio.Future[None]) -> None:
    """Wake a waiter that was not cancelled meanwhile."""
    if not waiter.done():
        waiter.set_result(None)
