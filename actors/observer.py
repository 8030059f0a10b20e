"""What the runtime measures, as metrics."""

from __future__ import annotations

from actors.meter import ActorMeter
from monitoring.metrics import Metrics


class MetricsMeter:
    """The measurements of one actor name."""

    def __init__(self, metrics: Metrics, name: str) -> None:
        """Bind the series once."""
        self._bound = metrics.actor(name)
        self._dead_letters = metrics["actor_dead_letters_total"].labels(actor=name)

    def handled(self, seconds: float) -> None:
        """One message took ``seconds``."""
        self._bound.handled("any", seconds)

    def waiting(self, messages: int) -> None:
        """So many messages wait."""
        self._bound.inbox(messages)

    def restarted(self) -> None:
        """A new incarnation took the name over."""
        self._bound.restarted()

    def dead_letter(self) -> None:
        """A told message was lost."""
        self._dead_letters.inc()


class MetricsObserver:
    """Gives a meter per actor name."""

    def __init__(self, metrics: Metrics) -> None:
        """Measure into ``metrics``."""
        self._metrics = metrics

    def meter(self, name: str) -> ActorMeter:
        """The meter of ``name``."""
        return MetricsMeter(self._metrics, name)
