"""What a supervisor is told about a child, what it tells about it, and the messages it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pykka import ActorRef

from ledger.errors import DomainError
from ledger.request import Request

Restart = Literal["permanent", "transient", "temporary"]
ChildState = Literal["starting", "up", "waiting", "stopped", "halted"]


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """How to start, stop and restart one child.

    ``start`` starts the actor on the running loop and returns its ref. ``restart``: ``permanent`` always,
    ``transient`` after a crash or kill only, ``temporary`` never. ``never_restart_on``: exceptions after
    which a restart would paper over a broken invariant; the supervisor gives up at once.
    ``ping_timeout_s``: killed as hung when a ping has no answer for so long, None for no watchdog.
    ``halted_retry_s``: first and longest pause after which a halted temporary child is tried again, the
    pauses doubling; None to wait for an operator. A supervisor as a child gets no bound and no ping.
    """

    name: str
    start: Callable[[], ActorRef[Any]]
    restart: Restart = "permanent"
    start_timeout_s: float = 30.0
    stop_timeout_s: float = 10.0
    never_restart_on: tuple[type[BaseException], ...] = ()
    ping_timeout_s: float | None = 30.0
    halted_retry_s: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class ChildView:
    """One node of the supervision tree at one moment.

    ``starting``; ``up``; ``waiting`` for its next start; ``stopped`` in good order; ``halted``: it failed,
    and only an operator or a retry pause starts it again. ``last_error`` is one line.
    """

    name: str
    state: ChildState
    restarts: int
    inbox_depth: int
    last_error: str | None
    children: tuple[ChildView, ...] = ()


class ChildError(DomainError):
    """A supervisor refuses: ``unknown_child``, ``child_exists`` or ``start_failed``."""


@dataclass(frozen=True, slots=True)
class AddChild(Request[ChildView]):
    """Start one more child, after all others. A temporary one that fails to start is kept, halted."""

    receiver: ClassVar[str] = "supervisor"
    spec: ChildSpec


@dataclass(frozen=True, slots=True)
class RemoveChild(Request[ChildView]):
    """Stop a child and forget it; its name is gone. Replies how it was before."""

    receiver: ClassVar[str] = "supervisor"
    name: str


@dataclass(frozen=True, slots=True)
class RestartChild(Request[ChildView]):
    """Start a halted or stopped child again, or stop and start a running one; its failures are forgiven."""

    receiver: ClassVar[str] = "supervisor"
    name: str


@dataclass(frozen=True, slots=True)
class GetTree(Request[ChildView]):
    """The supervisor and everything below it."""

    receiver: ClassVar[str] = "supervisor"
