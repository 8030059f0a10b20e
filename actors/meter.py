"""What the runtime tells about each actor, to whoever wants to measure. No metrics library here."""

from __future__ import annotations

from typing import Protocol


class ActorMeter(Protocol):
    """Takes the measurements of one actor name; bound once, called often, must not raise."""

    def handled(self, seconds: float) -> None:
        """One message took ``seconds``, waits included."""

    def waiting(self, messages: int) -> None:
        """So many messages wait in the inbox now."""

    def restarted(self) -> None:
        """A new incarnation took the name over."""

    def dead_letter(self) -> None:
        """A told message was lost: nobody was there to take it."""


class Observer(Protocol):
    """Gives the meter of each actor name."""

    def meter(self, name: str) -> ActorMeter:
        """The meter of ``name``; asked for once per name."""


class _NoMeter:
    """Measures nothing."""

    def handled(self, seconds: float) -> None:
        """Measure nothing."""

    def waiting(self, messages: int) -> None:
        """Measure nothing."""

    def restarted(self) -> None:
        """Measure nothing."""

    def dead_letter(self) -> None:
        """Measure nothing."""


class NoObserver:
    """Measures nothing; the default of the directory."""

    def meter(self, name: str) -> ActorMeter:
        """One meter for all, which measures nothing."""
        return _NO_METER


_NO_METER = _NoMeter()
