"""What the health endpoints tell: does the process live, and which currencies can be used."""

from dataclasses import dataclass, field
from typing import Any

__all__ = ["CurrencyHealth", "Liveness", "Readiness"]

READY_STATES = frozenset({"open", "draining"})
"""States in which a currency does its work; a draining one ends what is open."""


@dataclass(frozen=True, slots=True)
class Liveness:
    """Whether the process should be left alone (True) or started anew (False)."""

    is_alive: bool
    reason: str = ""
    """Why not, for people."""


@dataclass(frozen=True, slots=True)
class CurrencyHealth:
    """One currency as the supervisor and its watcher see it."""

    currency: str
    state: str
    """`open`, `paused`, `draining`, `behind`, `stalled`, `disagree`, `down` or `halted`."""
    height: int | None = None
    """Height of the last block in the books."""
    lag_blocks: int | None = None
    """Blocks behind the node; None when the node is not reached."""
    reason: str = ""
    """Why it is not open, for people; no secret, no address."""

    @property
    def is_ready(self) -> bool:
        """Whether deposits and withdrawals of this currency go on."""
        return self.state in READY_STATES


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether requests should be sent here at all, and each currency on its own.

    A currency that is down does not make the server unready: the others and the books still work.
    """

    is_core_ready: bool
    """The ledger takes commands and the gateway answers."""
    currencies: tuple[CurrencyHealth, ...] = field(default=())
    reason: str = ""
    """Why the core is not ready, for people."""
    stopped: str | None = None
    """Why an operator stopped all payouts; None when nobody did."""

    def currency(self, name: str) -> CurrencyHealth | None:
        """Give one currency, None when it is not run here."""
        return next((item for item in self.currencies if item.currency == name), None)

    def as_dict(self) -> dict[str, Any]:
        """Give the answer of /readyz ready for JSON."""
        return {
            "ready": self.is_core_ready,
            "reason": self.reason,
            "payouts_stopped": self.stopped is not None,
            "stop_reason": self.stopped or "",
            "currencies": {
                item.currency: {
                    "ready": self.is_core_ready and item.is_ready,
                    "state": item.state,
                    "height": item.height,
                    "lag_blocks": item.lag_blocks,
                    "reason": item.reason,
                }
                for item in self.currencies
            },
        }
