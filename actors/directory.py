"""The directory: a name such as ``ledger`` or ``watcher:BTC`` reaches whichever incarnation runs now."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pykka import ActorRef

from actors.errors import DeadlineBeforeStart, NotDelivered, ReceiverGone, Unavailable
from actors.frame import current_frame
from actors.inbox import Ask, AsyncioInbox, Deferred
from actors.layers import WaitGraph, check_layers
from actors.meter import ActorMeter, NoObserver, Observer
from ledger.request import Request

if TYPE_CHECKING:
    from actors.runtime import AsyncioActor

R = TypeVar("R")

State = Literal["up", "down", "gone"]
MAX_PARKED = 1000
"""Callers that may wait for one actor to come back."""


@dataclass(slots=True)
class _Entry:
    """What the directory knows about one name."""

    name: str
    meter: ActorMeter
    state: State = "down"
    inbox: AsyncioInbox | None = None
    incarnation: int = 0
    dead_letters: int = 0
    parked: deque[asyncio.Future[None]] | None = None

    def unpark(self, waiter: asyncio.Future[None]) -> None:
        """Forget a caller that no longer waits."""
        if self.parked is not None and waiter in self.parked:
            self.parked.remove(waiter)

    def wake(self) -> None:
        """Let every parked caller look again."""
        parked, self.parked = self.parked, None
        for waiter in parked or ():
            if not waiter.done():
                waiter.set_result(None)


@dataclass(frozen=True, slots=True)
class AddressView:
    """One name at one moment."""

    name: str
    state: State
    incarnation: int
    inbox_depth: int
    parked: int
    dead_letters: int


class Directory:
    """Names of actors, and the only way one actor reaches another. One event loop; not thread-safe."""

    def __init__(self, observer: Observer | None = None, *, max_parked: int = MAX_PARKED) -> None:
        """Create an empty directory; measurements go to ``observer``."""
        self._observer: Observer = observer or NoObserver()
        self._max_parked = max_parked
        self._entries: dict[str, _Entry] = {}
        self._waits = WaitGraph()

    # -- for callers -------------------------------------------------------------------------------

    async def ask(
        self,
        name: str,
        message: Request[R],
        *,
        timeout_s: float,
        request_id: str | None = None,
        wait_up: bool = True,
    ) -> R:
        """Ask ``name`` and return its answer, waiting at most ``timeout_s`` seconds in all.

        While the actor restarts the caller is parked, unless ``wait_up`` is off; a message that a dying
        actor had not begun goes to its successor. Inside a handler the deadline and request id of the
        message in hand are inherited. Raises ``DomainError`` (refused), ``NotDelivered`` (not executed),
        ``OutcomeUnknown`` (perhaps executed), ``LayerError`` and ``AskCycleError`` (faults of the program).
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        frame = current_frame.get()
        if frame is None:
            return await self._ask(loop, name, message, request_id, deadline, wait_up)  # type: ignore[no-any-return]
        asker = frame.actor
        check_layers(asker.address, name)
        if request_id is None:
            request_id = frame.current_request()
        if not frame.is_attached:
            return await self._ask(loop, name, message, request_id, deadline, wait_up)  # type: ignore[no-any-return]
        if asker.deadline is not None:
            deadline = min(deadline, asker.deadline)
        self._waits.begin(asker.address, name)
        try:
            return await self._ask(loop, name, message, request_id, deadline, wait_up)  # type: ignore[no-any-return]
        finally:
            self._waits.end(asker.address, name)

    def begin(
        self, name: str, message: Request[R], *, timeout_s: float, request_id: str | None = None
    ) -> Ask | None:
        """Ask ``name`` without waiting here: its answer comes into the ask's future; None while it is not up.

        As :meth:`ask` from a child task, but only this incarnation is asked: one that ends before it began
        answers ``ReceiverGone``, and the message may then go to its successor. Raises ``LayerError``.
        """
        entry = self._entries.get(name)
        if entry is None or entry.inbox is None:
            return None
        frame = current_frame.get()
        if frame is not None:
            check_layers(frame.actor.address, name)
            if request_id is None:
                request_id = frame.current_request()
        loop = asyncio.get_running_loop()
        ask = Ask(message, loop.create_future(), request_id, loop.time() + timeout_s)
        entry.inbox.put(ask)
        timer = loop.call_later(timeout_s, ask.expire)
        ask.future.add_done_callback(lambda _: timer.cancel())
        return ask

    async def _ask(
        self,
        loop: asyncio.AbstractEventLoop,
        name: str,
        message: Any,
        request_id: str | None,
        deadline: float,
        wait_up: bool,
    ) -> Any:
        """Deliver to one incarnation after the other until one begins with the message."""
        while True:
            entry = self._entries.get(name)
            if entry is None or entry.inbox is None:
                await self._park(loop, name, deadline, wait_up)
                continue
            inbox = entry.inbox
            future = loop.create_future()
            ask = Ask(message, future, request_id, deadline)
            inbox.put(ask)
            timer = loop.call_at(deadline, ask.expire)
            try:
                return await future
            except ReceiverGone:
                if ask.is_started:
                    raise
                if entry.inbox is inbox:
                    self._set_down(entry)
            finally:
                timer.cancel()

    async def _park(self, loop: asyncio.AbstractEventLoop, name: str, deadline: float, wait_up: bool) -> None:
        """Wait until ``name`` changes its state; raises ``Unavailable`` when that is of no use."""
        entry = self._entries.get(name)
        if entry is None or entry.state == "gone":
            raise Unavailable(f"there is no {name}")
        if not wait_up:
            raise Unavailable(f"{name} is not up")
        if entry.parked is None:
            entry.parked = deque()
        if len(entry.parked) >= self._max_parked:
            raise Unavailable(f"{len(entry.parked)} callers wait for {name} already")
        waiter = loop.create_future()
        entry.parked.append(waiter)
        timer = loop.call_at(deadline, _give_up, waiter, name)
        try:
            await waiter
        finally:
            timer.cancel()
            entry.unpark(waiter)

    def tell(self, name: str, message: object, *, request_id: str | None = None) -> bool:
        """Put a hint into the inbox of ``name``; False when it is lost, which is counted. Never raises."""
        entry = self._entries.get(name)
        if entry is None:
            return False
        if entry.inbox is not None:
            frame = current_frame.get()
            if request_id is None and frame is not None:
                request_id = frame.current_request()
            try:
                entry.inbox.put(Deferred(message, request_id=request_id))
            except NotDelivered:
                return self._lost(entry)
            return True
        return self._lost(entry)

    def _lost(self, entry: _Entry) -> bool:
        """Count a dead letter."""
        entry.dead_letters += 1
        entry.meter.dead_letter()
        return False

    # -- for supervisors ---------------------------------------------------------------------------

    def declare(self, name: str) -> None:
        """Make a name known before its actor runs: whoever asks it now waits."""
        entry = self._entries.get(name)
        if entry is None:
            self._entries[name] = _Entry(name, self._observer.meter(name))
        elif entry.state == "gone":
            entry.state = "down"

    def adopt(self, name: str, ref: ActorRef[Any]) -> AsyncioActor:
        """Give a started actor, before its ``on_start`` runs, the name it asks others under; returns it."""
        self.declare(name)
        inbox: AsyncioInbox = ref.actor_inbox  # type: ignore[assignment]
        actor = inbox.actor
        if actor is None:
            raise TypeError(f"{ref} is not the ref of an AsyncioActor")
        actor.address = name
        actor.meter = self._entries[name].meter
        return actor

    def up(self, name: str, ref: ActorRef[Any]) -> None:
        """``ref`` is the incarnation of ``name`` from now on; parked callers reach it."""
        self.adopt(name, ref)
        entry = self._entries[name]
        entry.inbox = ref.actor_inbox  # type: ignore[assignment]
        entry.state = "up"
        entry.incarnation += 1
        if entry.incarnation > 1:
            entry.meter.restarted()
        entry.wake()

    def down(self, name: str) -> None:
        """``name`` has no incarnation for now; callers wait."""
        self.declare(name)
        self._set_down(self._entries[name])

    def _set_down(self, entry: _Entry) -> None:
        """Take the incarnation away; a name that is gone stays gone."""
        entry.inbox = None
        if entry.state == "up":
            entry.state = "down"

    def gone(self, name: str) -> None:
        """``name`` will not come back by itself; parked and later callers get ``Unavailable`` at once."""
        self.declare(name)
        entry = self._entries[name]
        entry.inbox = None
        entry.state = "gone"
        entry.wake()

    def views(self) -> list[AddressView]:
        """Every known name, in the order they were declared."""
        return [
            AddressView(
                entry.name,
                entry.state,
                entry.incarnation,
                0 if entry.inbox is None else len(entry.inbox.queue),
                len(entry.parked or ()),
                entry.dead_letters,
            )
            for entry in self._entries.values()
        ]


def _give_up(waiter: asyncio.Future[None], name: str) -> None:
    """The deadline of a parked caller."""
    if not waiter.done():
        waiter.set_exception(DeadlineBeforeStart(f"{name} did not come back in time"))
