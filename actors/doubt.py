"""What speaks against acting on a node's word, and what it holds. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.currency_state import GRAVEST_FIRST, VERDICTS, Finding

NOTHING = 0
"""A credit height that lets no deposit be credited."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """One reason. Deposits above ``credit_height`` are not credited while it lasts."""

    finding: Finding
    detail: str
    credit_height: int = NOTHING

    @property
    def state(self) -> str:
        """The currency's state because of it."""
        return VERDICTS[self.finding].state


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a look learnt of its node besides the chain.

    ``note`` is worth an operator's eye and holds nothing. ``is_witness_up`` is None without a second node.
    """

    doubts: tuple[Doubt, ...] = ()
    note: str = ""
    is_witness_up: bool | None = None

    @property
    def gravest(self) -> Doubt | None:
        """The doubt that is shown, None when there is none."""
        return min(self.doubts, key=lambda doubt: GRAVEST_FIRST.index(doubt.finding), default=None)

    @property
    def credit_height(self) -> int | None:
        """The highest block whose deposits may be credited, by all doubts together; None: no bound."""
        return min((doubt.credit_height for doubt in self.doubts), default=None)


CLEAR = Opinion()
"""Nothing speaks against it."""
