"""An actor is one task on the event loop: it takes one message at a time and can be killed."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Coroutine
from contextvars import Context
from types import CoroutineType
from typing import Any, ClassVar, Final

import pykka
from pykka import ActorRegistry
from pykka.messages import ProxyCall, ProxyGetAttr, ProxySetAttr, _ActorStop

from actors.base import ActorBase
from actors.childtasks import ChildTasks
from actors.errors import (
    DeliveryError,
    KilledError,
    ReceiverGone,
    ReplyError,
)
from actors.frame import (
    Exit,
    Frame,
    cancelled_by_other,
    current_frame,
    finished,
    undisturbed,
    unknown,
)
from actors.future import AsyncioFuture
from actors.inbox import DEFAULT_INBOX_LIMIT, Ask, AsyncioInbox, Deferred, Ping
from actors.meter import ActorMeter
from ledger.errors import DomainError

NO_REPLY: Final = object()
"""What a handler returns when it answers later through ``defer()``."""

MESSAGES_PER_TURN: Final = 32
"""After so many messages without a pause the actor lets the others run."""

logger = logging.getLogger(__name__)

_PROXY_MESSAGES = frozenset({ProxyCall, ProxyGetAttr, ProxySetAttr})
_tasks: set[asyncio.Task[None]] = set()  # a loop keeps weak references to its tasks only


class AsyncioActor(ActorBase):
    """pykka's actor as one task on the running loop.

    ``on_start``, ``on_receive``, ``on_stop``, ``on_failure`` may be coroutines. ``on_start`` is recovery:
    state comes from the ledger. ``on_cleanup`` always runs last, after a crash or kill too.

    An exception out of ``on_receive``: a ``DomainError`` is the answer and the actor lives; a
    ``DeliveryError`` of an ask it made becomes ``OutcomeUnknown`` for its own asker and the actor lives
    (so change state after such an ask, not before); anything else crashes the actor.
    """

    inbox_limit: ClassVar[int | None] = None
    """Messages that may wait; None for 4096. At most a quarter of throughput times timeout."""

    is_supervisor: ClassVar[bool] = False
    """A supervisor is given no bound to start and stop, and is not pinged."""

    default_loop: ClassVar[asyncio.AbstractEventLoop | None] = None
    """Where to run when ``start()`` is called on a thread without a loop."""

    actor_inbox: AsyncioInbox

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Create the actor; it is not running yet."""
        super().__init__(*args, **kwargs)
        self.actor_inbox.limit = self.inbox_limit or DEFAULT_INBOX_LIMIT
        self.actor_inbox.actor = self
        self.address: str = type(self).__name__
        self.meter: ActorMeter | None = None
        self.exit: Exit | None = None
        self._task: asyncio.Task[None] | None = None
        self._children = ChildTasks(self, self._child_failed)
        self._owed: set[Deferred] = set()
        self._in_hand: Deferred | None = None
        self._has_deferred = False
        self._end: Exit | None = None
        self._has_begun = False
        self._is_ending = False
        self._stop_replies: list[Deferred] = []
        self._on_exit: list[Callable[[Exit], None]] = []

    # -- what pykka asks of an actor type ----------------------------------------------------------

    _create_actor_inbox = staticmethod(AsyncioInbox)

    @staticmethod
    def _create_future() -> pykka.Future[Any]:
        return AsyncioFuture()

    def _start_actor_loop(self) -> None:
        running = asyncio._get_running_loop()
        loop = running or self.default_loop
        if loop is None:
            raise RuntimeError(f"{self} needs a running event loop to start on")
        self.actor_inbox.loop = loop
        if running is not None:
            self._create_task(loop)
        else:
            loop.call_soon_threadsafe(self._create_task, loop)

    def _create_task(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run on ``loop``, in a context of its own: the starter's request must not leak in."""
        task = loop.create_task(self._run(), name=self.address, context=Context())
        self._task = task
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)

    # -- for the actor's own code ------------------------------------------------------------------

    @property
    def request_id(self) -> str | None:
        """The request the message in hand belongs to."""
        return None if self._in_hand is None else self._in_hand.request_id

    @property
    def deadline(self) -> float | None:
        """Until when, in ``loop.time()``, the asker of the message in hand waits."""
        return None if self._in_hand is None else self._in_hand.deadline

    def defer(self) -> Deferred:
        """Take over the answer to the message in hand; the handler then returns ``NO_REPLY``."""
        if self._in_hand is None:
            raise ReplyError("defer() outside of on_receive: there is no message in hand")
        self._has_deferred = True
        self._in_hand.owe(self._owed)
        return self._in_hand

    def take_batch(self, limit: int, accept: Callable[[Any], bool] | None = None) -> list[Deferred]:
        """Take up to ``limit`` further messages out of the inbox now, in order, without waiting.

        Ends before a message ``accept`` refuses. Every ask among them is owed an answer by ``resolve`` or
        ``reject``; if the actor dies before, its asker gets ``OutcomeUnknown``.
        """
        assert self.actor_inbox.loop is not None
        taken = self.actor_inbox.take(limit, self.actor_inbox.loop.time(), accept)
        for deferred in taken:
            deferred.owe(self._owed)
        return taken

    def spawn(self, coro: Coroutine[Any, Any, object], name: str) -> asyncio.Task[None]:
        """Run ``coro`` beside the actor; it is cancelled when the actor ends.

        It may not touch the actor's state: it comes back by ``tell_self`` or resolves a ``Deferred``.
        Whatever escapes it crashes the actor, a ``DeliveryError`` included.
        """
        if self._is_ending:
            coro.close()
            raise RuntimeError(f"{self} is ending and starts no task")
        return self._children.spawn(coro, name, self.request_id)

    def tell_self(self, message: object) -> None:
        """Put a message into the own inbox, full or not; for what is bounded by itself (one for each task).

        A child task that could not come back would crash its actor, just when many ask it.
        """
        self.actor_inbox.put(Deferred(message), is_bounded=False)

    async def on_cleanup(self) -> None:
        """Let go of what must not outlive this incarnation; keep it short. Not disturbed by a kill."""

    # -- for supervisors ---------------------------------------------------------------------------

    def ping(self) -> asyncio.Future[None]:
        """Done when the actor takes messages, ahead of those that wait; ``ReceiverGone`` if it has ended."""
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        self.actor_inbox.put(Ask(Ping(), answer))
        return answer

    def kill(self, error: BaseException | None = None) -> None:
        """End the actor now, in the middle of a message if need be; on the loop's thread only.

        Harmless when it is ending already.
        """
        self._end_by(Exit("killed", error or KilledError(f"{self.address} was killed")))

    def link(self, callback: Callable[[Exit], None]) -> None:
        """Call ``callback`` when the actor has ended and cleaned up; at once if it has."""
        if self.exit is not None:
            callback(self.exit)
        else:
            self._on_exit.append(callback)

    # -- the life of the task ----------------------------------------------------------------------

    async def _run(self) -> None:
        """Live, then clean up; never raises."""
        current_frame.set(Frame(self, is_attached=True))
        self._has_begun = True
        try:
            if self._end is None:
                await self._live()
        except asyncio.CancelledError:
            if self._end is None:
                self._end = Exit("killed", KilledError(f"the loop of {self.address} is being closed"))
        except BaseException as error:  # noqa: BLE001 - a fault of the runtime or of a meter is a crash too
            self._fail(error)
        finally:
            await self._bury()

    async def _live(self) -> None:
        """Start, then take messages until stopped."""
        try:
            await finished(self.on_start())
        except BaseException as error:  # noqa: BLE001 - whatever it is, it ends this actor only
            self._give_way(error)
            self._fail(error)
            return
        inbox = self.actor_inbox
        loop = asyncio.get_running_loop()
        in_a_row = 0
        while not self.actor_stopped.is_set():
            if not inbox.queue:
                in_a_row = 0
                await inbox.wait()
            elif in_a_row >= MESSAGES_PER_TURN:
                in_a_row = 0
                await asyncio.sleep(0)
            in_a_row += 1
            deferred = inbox.queue.popleft()
            if deferred.is_stale(loop.time()):
                deferred.drop()
                continue
            deferred.is_started = True
            meter = self.meter
            if meter is None:
                await self._handle(deferred)
                continue
            meter.waiting(len(inbox.queue))
            began = time.perf_counter()
            await self._handle(deferred)
            meter.handled(time.perf_counter() - began)

    async def _handle(self, deferred: Deferred) -> None:
        """Give one message to the actor's code and its result to the asker."""
        message = deferred.message
        kind = type(message)
        if kind is _ActorStop:
            self._stop_replies.append(deferred)
            await self._stop()
            return
        self._in_hand = deferred
        self._has_deferred = False
        try:
            if kind is Ping:
                result = None
            else:
                result = (
                    self._handle_receive(message) if kind in _PROXY_MESSAGES else self.on_receive(message)
                )
                if result.__class__ is CoroutineType:
                    result = await result
            if self._has_deferred or result is NO_REPLY:
                self._check_deferral(deferred, result)
            elif deferred.wants_reply:
                deferred.resolve(result)
        except (DomainError, DeliveryError) as error:
            self._answer_error(deferred, error)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and self._is_being_ended():
                deferred.reject(unknown(deferred, error))
                raise
            await self._on_unexpected(deferred, error)
        finally:
            self._in_hand = None

    def _answer_error(self, deferred: Deferred, error: DomainError | DeliveryError) -> None:
        """Answer with a refusal, or with what a failed ask further down means for this asker."""
        if not deferred.wants_reply:
            logger.warning("%s dropped a told %s: %s", self.address, type(deferred.message).__name__, error)
        deferred.reject(error if isinstance(error, DomainError) else unknown(deferred, error))

    def _check_deferral(self, deferred: Deferred, result: object) -> None:
        """A handler defers and returns ``NO_REPLY``, or does neither; raises ``ReplyError``."""
        if result is not NO_REPLY:
            raise ReplyError(f"{self.address} deferred its answer and returned one")
        if deferred.wants_reply and not self._has_deferred:
            raise ReplyError(f"{self.address} returned NO_REPLY and did not defer: nobody would ever answer")

    async def _on_unexpected(self, deferred: Deferred, error: BaseException) -> None:
        """Crash: what the actor knows may be half changed, whoever asked and whatever was raised."""
        deferred.reject(unknown(deferred, error))
        if isinstance(error, asyncio.CancelledError):
            error = cancelled_by_other(error)
        self._fail(error)
        try:
            await finished(self.on_failure(type(error), error, error.__traceback__))
        except BaseException as second:  # noqa: BLE001 - the first failure stands
            self._give_way(second)
            self._handle_failure(*sys.exc_info())

    async def _stop(self) -> None:
        """Stop after the message in hand."""
        ActorRegistry.unregister(self.actor_ref)
        self.actor_stopped.set()
        try:
            await finished(self.on_stop())
        except BaseException as error:  # noqa: BLE001 - whatever it is, it ends this actor only
            self._give_way(error)
            self._fail(error)

    def _is_being_ended(self) -> bool:
        """A cancellation that arrives now means this actor, not something it awaits."""
        return self._end is not None or (self._task is not None and self._task.cancelling() > 0)

    def _give_way(self, error: BaseException) -> None:
        """Let the cancellation through by which this actor is being ended; anything else is the caller's."""
        if isinstance(error, asyncio.CancelledError) and self._is_being_ended():
            raise error

    def _fail(self, error: BaseException) -> None:
        """Log the crash and remember its reason."""
        self._handle_failure(type(error), error, error.__traceback__)
        if self._end is None:
            self._end = Exit("crashed", error)

    def _end_by(self, end: Exit) -> None:
        """Cancel the actor's task, whatever it is doing."""
        if self._is_ending:
            return
        self._end = self._end or end
        self.actor_stopped.set()
        # Cancelled before its first step the task would never come to its clean-up; it looks for
        # ``_end`` itself. A second kill cancels again: a handler may have swallowed the first.
        if self._has_begun and self._task is not None:
            self._task.cancel()

    def _child_failed(self, error: BaseException) -> None:
        """Crash the actor because of one of its child tasks."""
        if self._is_ending:
            return
        self._handle_failure(type(error), error, error.__traceback__)
        self._end_by(Exit("crashed", error))

    async def _bury(self) -> None:
        """Clean up, then answer everybody, then tell the supervisor; in this order.

        The answer to a stop comes after the clean-up: whoever stopped the actor may now replace its files.
        """
        self._is_ending = True
        ActorRegistry.unregister(self.actor_ref)
        self.actor_stopped.set()
        left = self.actor_inbox.close()
        await undisturbed(self._clean_up())
        error = None if self._end is None else self._end.error
        for deferred in list(self._owed):
            deferred.reject(unknown(deferred, error))
        for deferred in left:
            if type(deferred.message) is _ActorStop:
                deferred.resolve(None)
            elif deferred.wants_reply:
                deferred.reject(ReceiverGone(f"{self.actor_ref} stopped before handling the message"))
            elif self.meter is not None:
                self.meter.dead_letter()
        for deferred in self._stop_replies:
            deferred.resolve(None)
        self.exit = self._end or Exit("stopped")
        for callback in self._on_exit:
            try:
                callback(self.exit)
            except Exception:
                logger.exception("a link of %s failed", self.address)

    async def _clean_up(self) -> None:
        """End the child tasks, then let the actor close what it holds."""
        for stuck in await self._children.end():
            self._fail(KilledError(f"the child task {stuck} does not end"))
        try:
            await self.on_cleanup()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it ends this actor only
            self._fail(error)
