"""States of a sweep: moving a deposit account's money to the hot account. Pure.

A sweep is nobody's business outside, so nothing is notified; what happens to its chain tx is told
by its attempts (``ledger/attempt.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from ledger.machine import Step, Who


class SweepState(StrEnum):
    """State of a sweep's intent row."""

    OPEN = "open"
    SETTLED = "settled"  # its chain tx lies below the reorg depth
    CLOSED = "closed"  # its chain tx had no effect and never will


class SweepEvent(StrEnum):
    """What can happen to a sweep."""

    OPENED = "opened"
    INCLUDED = "included"
    DISCONNECTED = "disconnected"
    BURIED = "buried"
    REVERTED = "reverted"


_S, _E = SweepState, SweepEvent

SWEEP: Mapping[tuple[SweepState | None, SweepEvent], Step[SweepState]] = {
    (None, _E.OPENED): Step(_S.OPEN, None, (Who.SENDER,)),
    (_S.OPEN, _E.INCLUDED): Step(_S.OPEN, None),
    (_S.OPEN, _E.DISCONNECTED): Step(_S.OPEN, None),
    (_S.OPEN, _E.BURIED): Step(_S.SETTLED, None),
    (_S.OPEN, _E.REVERTED): Step(_S.CLOSED, None),
}
"""Everything that may happen to a sweep."""
