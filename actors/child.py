"""What a supervisor remembers of one child."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from actors.childspec import ChildSpec, ChildState
from actors.clock import Timer
from actors.errors import EscalateError
from actors.policy import FailureStreak
from actors.runtime import AsyncioActor


@dataclass(slots=True, eq=False)
class Child:
    """One child over all its incarnations.

    ``incarnation`` changes with every start and stop, so that a note about a former one is recognised.
    """

    spec: ChildSpec
    streak: FailureStreak
    state: ChildState = "waiting"
    actor: AsyncioActor | None = None
    incarnation: int = 0
    restarts: int = 0
    pauses: int = 0
    started_at: float = 0.0
    last_error: BaseException | None = None
    timer: Timer | None = None
    ping: asyncio.Future[None] | None = None

    @property
    def name(self) -> str:
        """Its name in the directory."""
        return self.spec.name

    def forbids(self, error: BaseException) -> bool:
        """No restart may follow ``error``: the spec says so, or a supervisor below gave up for good."""
        if isinstance(error, EscalateError) and error.is_final:
            return True
        return isinstance(error, self.spec.never_restart_on)

    def forget_timer(self) -> None:
        """Call a pending start off."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
