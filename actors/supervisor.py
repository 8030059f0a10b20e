"""A supervisor starts its children in order, restarts what fails, and gives up when that does not help."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

from actors.child import Child
from actors.childspec import (
    AddChild,
    ChildError,
    ChildSpec,
    ChildView,
    GetTree,
    RemoveChild,
    RestartChild,
)
from actors.clock import Clock, Timer
from actors.directory import Directory
from actors.errors import (
    ActorError,
    EscalateError,
    HungError,
    NotDelivered,
)
from actors.frame import Exit
from actors.inbox import Deferred
from actors.keeper import Keeper
from actors.policy import FailureStreak, IntensityWindow, RestartLimits, doubled
from actors.runtime import AsyncioActor

logger = logging.getLogger(__name__)

Strategy = Literal["one_for_one", "rest_for_one"]


@dataclass(frozen=True, slots=True)
class _Exited:
    """A child has ended."""

    name: str
    incarnation: int
    exit: Exit


@dataclass(frozen=True, slots=True)
class _Due:
    """The pause before a restart is over."""

    name: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class _Hung:
    """A child did not answer a ping in time."""

    name: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class _Tick:
    """Time to ping."""


class Supervisor(AsyncioActor):
    """Keeps its children alive, within limits.

    ``one_for_one`` restarts the child that failed; ``rest_for_one`` also those started after it, in order.
    A failed start at boot fails the supervisor, except that of a temporary child, which is halted. A
    supervisor that gives up stops its children in reverse and dies with ``EscalateError``; its own
    supervisor decides. Children added by message are not remembered by the next incarnation.
    """

    is_supervisor: ClassVar[bool] = True
    inbox_limit: ClassVar[int | None] = 65_536

    def __init__(
        self,
        children: Sequence[ChildSpec],
        *,
        directory: Directory,
        clock: Clock,
        rng: random.Random,
        strategy: Strategy = "one_for_one",
        limits: RestartLimits | None = None,
        ping_interval_s: float = 10.0,
        on_give_up: Callable[[BaseException], None] | None = None,
    ) -> None:
        """Supervise ``children`` in this order; ``on_give_up`` hears, at the root, that all is over."""
        super().__init__()
        self._directory = directory
        self._clock = clock
        self._rng = rng
        self._strategy = strategy
        self._limits = limits or RestartLimits()
        self._ping_interval_s = ping_interval_s
        self._window = IntensityWindow(self._limits)
        self._children_of: dict[str, Child] = {}
        self._keeper = Keeper(
            directory, clock, lambda name, incarnation, end: self._note(_Exited(name, incarnation, end))
        )
        self._tick: Timer | None = None
        for spec in children:
            if spec.name in self._children_of:
                raise ValueError(f"two children are called {spec.name}")
            self._children_of[spec.name] = self._new_child(spec)
        if on_give_up is not None:
            self.link(lambda end: None if end.error is None else on_give_up(end.error))

    def _new_child(self, spec: ChildSpec) -> Child:
        """The record of a child that never ran."""
        return Child(spec, FailureStreak(self._limits, self._rng.random))

    # -- its life ----------------------------------------------------------------------------------

    async def on_start(self) -> None:
        """Start the children in order; each after the elder finished its ``on_start``."""
        for child in self._children_of.values():
            self._directory.declare(child.name)
        for child in self._children_of.values():
            error = await self._keeper.start(child)
            if error is None:
                continue
            if child.spec.restart != "temporary":
                raise EscalateError(f"{child.name} did not start", is_final=child.forbids(error)) from error
            self._halt(child, error)
        self._schedule_tick()

    async def on_stop(self) -> None:
        """Stop the children in reverse; from now on their names are gone."""
        await self._stop_all()
        for child in self._children_of.values():
            self._set_gone(child)

    async def on_cleanup(self) -> None:
        """Leave no child behind, however this ends."""
        if self._tick is not None:
            self._tick.cancel()
        await self._stop_all()

    async def on_receive(self, message: Any) -> Any:
        """Children's ends, due restarts and pings; and what operators ask."""
        match message:
            case _Exited():
                await self._exited(message)
            case _Due():
                child = self._current(message)
                if child is not None:
                    await self._bring_up(child)
            case _Hung():
                child = self._current(message)
                if child is not None and child.actor is not None:
                    child.actor.kill(HungError(f"{child.name} did not answer a ping in time"))
            case _Tick():
                self._ping_all()
            case AddChild():
                return await self._add(message.spec)
            case RemoveChild():
                return await self._remove(self._named(message.name))
            case RestartChild():
                return await self._restart_by_hand(self._named(message.name))
            case GetTree():
                return self.tree()
            case _:
                raise ActorError(f"{self.address} does not understand {type(message).__name__}")
        return None

    def tree(self) -> ChildView:
        """This supervisor and everything below it, now. On the loop's thread only."""
        return ChildView(
            self.address,
            "up",
            0,
            len(self.actor_inbox.queue),
            None,
            tuple(_view(child) for child in self._children_of.values()),
        )

    # -- restarts ----------------------------------------------------------------------------------

    def _current(self, message: _Exited | _Due | _Hung) -> Child | None:
        """The child a note is about, None when the note is about a former incarnation."""
        child = self._children_of.get(message.name)
        return child if child is not None and child.incarnation == message.incarnation else None

    async def _exited(self, note: _Exited) -> None:
        """A child ended by itself, crashed or was killed."""
        child = self._current(note)
        if child is None:
            return
        self._directory.down(child.name)
        failed = note.exit.kind != "stopped"
        if failed:
            child.last_error = note.exit.error
            logger.warning("%s %s: %r", child.name, note.exit.kind, note.exit.error)
        if child.spec.restart == "permanent" or (failed and child.spec.restart == "transient"):
            error = note.exit.error or ActorError(f"{child.name} stopped and is permanent")
            await self._restart(child, error, self._clock.monotonic() - child.started_at)
        elif failed:
            assert note.exit.error is not None
            self._halt(child, note.exit.error)
        else:
            child.state = "stopped"
            self._set_gone(child)

    async def _restart(self, child: Child, error: BaseException, uptime_s: float) -> None:
        """Restart after a failure, at once or later; raises ``EscalateError`` when it is too much."""
        child.last_error = error
        if child.forbids(error):
            raise EscalateError(f"{child.name} may not go on after {error!r}", is_final=True) from error
        if not child.streak.record(uptime_s):
            raise EscalateError(f"{child.name} failed {child.streak.failures} times in a row") from error
        if not self._window.record(self._clock.monotonic()):
            raise EscalateError(f"{self.address}: too many restarts in {self._limits.window_s} s") from error
        child.restarts += 1
        await self._stop_younger(child)
        delay_s = child.streak.delay_s()
        if delay_s > 0:
            self._wait_to_start(child, delay_s)
        else:
            await self._bring_up(child)

    def _wait_to_start(self, child: Child, delay_s: float) -> None:
        """Start ``child`` after a pause."""
        child.incarnation += 1
        child.state = "waiting" if child.state != "halted" else "halted"
        due = _Due(child.name, child.incarnation)
        child.timer = self._clock.timer(delay_s, lambda: self._note(due))

    def _from(self, child: Child) -> list[Child]:
        """``child`` and all younger ones."""
        children = list(self._children_of.values())
        return children[children.index(child) :]

    async def _bring_up(self, child: Child) -> None:
        """Start ``child`` and, under ``rest_for_one``, those that were stopped because of it."""
        group = self._from(child) if self._strategy == "rest_for_one" else [child]
        for member in group:
            if member is not child:
                if member.state != "waiting":
                    continue
                if member.spec.restart == "temporary":
                    member.state = "stopped"
                    self._set_gone(member)
                    continue
            error = await self._keeper.start(member)
            if error is None:
                continue
            if member.spec.restart == "temporary":
                self._halt(member, error)
            else:
                await self._restart(member, error, 0.0)
                return

    def _halt(self, child: Child, error: BaseException) -> None:
        """Give one temporary child up; nobody else is affected."""
        child.last_error = error
        child.state = "halted"
        self._set_gone(child)
        logger.error("%s is halted: %r", child.name, error)
        if child.spec.halted_retry_s is not None:
            first_s, longest_s = child.spec.halted_retry_s
            if self._clock.monotonic() - child.started_at >= self._limits.reset_after_s:
                child.pauses = 0
            self._wait_to_start(child, doubled(first_s, child.pauses, longest_s))
            child.pauses += 1

    def _set_gone(self, child: Child) -> None:
        """Nobody need wait any longer for ``child`` or anything below it."""
        self._directory.gone(child.name)
        if isinstance(child.actor, Supervisor):
            for grandchild in child.actor._children_of.values():
                self._set_gone(grandchild)

    async def _stop_all(self) -> None:
        """Stop every child, the youngest first; raises ``EscalateError`` if one cannot be ended."""
        stuck: EscalateError | None = None
        for child in reversed(self._children_of.values()):
            try:
                await self._stop_child(child)
            except EscalateError as error:
                stuck = error
        if stuck is not None:
            raise stuck

    async def _stop_younger(self, child: Child) -> None:
        """Under ``rest_for_one``, stop those started after ``child``; they wait for its next start."""
        if self._strategy == "rest_for_one":
            for younger in reversed(self._from(child)[1:]):
                if younger.state not in ("halted", "stopped"):
                    await self._stop_child(younger)

    async def _stop_child(self, child: Child) -> None:
        """Stop one child and call its pending start off; it waits, or stays stopped or halted."""
        await self._keeper.stop(child)
        if child.state not in ("halted", "stopped"):
            child.state = "waiting"

    def _note(self, note: object) -> None:
        """Put a note into the own inbox; an ending supervisor needs none."""
        try:
            self.actor_inbox.put(Deferred(note))
        except NotDelivered as error:
            logger.debug("%s heard %r too late: %r", self.address, note, error)

    # -- the watchdog ------------------------------------------------------------------------------

    def _schedule_tick(self) -> None:
        """Ping again after the interval."""
        self._tick = self._clock.timer(self._ping_interval_s, lambda: self._note(_Tick()))

    def _ping_all(self) -> None:
        """Ping each child that has answered the last one."""
        for child in self._children_of.values():
            actor = child.actor
            if child.state == "up" and actor is not None:
                if actor.meter is not None:
                    actor.meter.waiting(len(actor.actor_inbox.queue))
                if child.spec.ping_timeout_s is not None and not actor.is_supervisor:
                    hung = _Hung(child.name, child.incarnation)
                    self._keeper.ping(child, actor, child.spec.ping_timeout_s, partial(self._note, hung))
        self._schedule_tick()

    # -- what operators ask ------------------------------------------------------------------------

    def _named(self, name: str) -> Child:
        """The child called ``name``; refuses when there is none."""
        child = self._children_of.get(name)
        if child is None:
            raise ChildError(f"{self.address} has no child {name}", code="unknown_child")
        return child

    async def _add(self, spec: ChildSpec) -> ChildView:
        """Start one more child."""
        if spec.name in self._children_of:
            raise ChildError(f"{self.address} has a child {spec.name} already", code="child_exists")
        child = self._children_of[spec.name] = self._new_child(spec)
        error = await self._keeper.start(child)
        if error is not None:
            self._halt(child, error)
            if spec.restart != "temporary":
                child.forget_timer()
                del self._children_of[spec.name]
                raise ChildError(f"{spec.name}: {error!r}", code="start_failed") from error
        return _view(child)

    async def _remove(self, child: Child) -> ChildView:
        """Stop a child and forget it."""
        before = _view(child)
        await self._stop_child(child)
        self._set_gone(child)
        del self._children_of[child.name]
        return before

    async def _restart_by_hand(self, child: Child) -> ChildView:
        """Stop a child if it runs, forgive it, start it; with the younger ones under ``rest_for_one``."""
        await self._stop_younger(child)
        await self._stop_child(child)
        child.streak.reset()
        child.pauses = 0
        await self._bring_up(child)
        return _view(child)


def _view(child: Child) -> ChildView:
    """One child, and everything below it."""
    actor = child.actor
    below = actor.tree().children if isinstance(actor, Supervisor) else ()
    return ChildView(
        child.name,
        child.state,
        child.restarts,
        0 if actor is None else len(actor.actor_inbox.queue),
        None if child.last_error is None else repr(child.last_error),
        below,
    )
