"""Actors that look for open work in the database again and again, hint or no hint."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, ClassVar

from actors.clock import Clock, Timer
from actors.errors import NotDelivered
from actors.runtime import AsyncioActor
from ledger.request import Request

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tick(Request[None]):
    """Look for open work now."""

    receiver: ClassVar[str] = ""


class TickingActor(AsyncioActor):
    """Sends itself a :class:`Tick` every ``tick_s`` seconds; at most one waits in the inbox."""

    def __init__(self, clock: Clock, tick_s: float, **kwargs: Any) -> None:
        """``clock`` is turned by hand in tests; nothing happens before ``start_ticking``."""
        super().__init__(**kwargs)
        self.clock = clock
        self._tick_s = tick_s
        self._timer: Timer | None = None
        self._is_tick_waiting = False

    def start_ticking(self) -> None:
        """Begin; call it at the end of ``on_start``."""
        self._timer = self.clock.timer(self._tick_s, self._on_timer)

    def _on_timer(self) -> None:
        if self.actor_stopped.is_set():
            return
        self._timer = self.clock.timer(self._tick_s, self._on_timer)
        if self._is_tick_waiting:
            return
        try:
            self.actor_ref.tell(Tick())
            self._is_tick_waiting = True
        except NotDelivered as error:
            logger.info("%s has no room for a tick, the next one comes: %s", self.address, error)

    def tick_taken(self) -> None:
        """The tick in hand is being worked on: the next one may queue."""
        self._is_tick_waiting = False

    async def on_cleanup(self) -> None:
        """Call the timer off."""
        if self._timer is not None:
            self._timer.cancel()
