"""States of an adjustment: money that an operator moves inside the books. Pure.

What money does is told by the transfer that an adjustment becomes when it is posted.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from ledger.machine import Step, Who


class AdjustmentState(StrEnum):
    """State of an adjustment's row."""

    HELD = "held"  # waits for another operator's approval; nothing is booked or reserved
    POSTED = "posted"
    REJECTED = "rejected"


class AdjustmentEvent(StrEnum):
    """What can happen to an adjustment."""

    REQUESTED = "requested"
    REQUESTED_ABOVE_LIMIT = "requested_above_limit"
    APPROVED = "approved"
    REJECTED = "rejected"


_S, _E = AdjustmentState, AdjustmentEvent
_OPERATOR = (Who.OPERATOR,)

ADJUSTMENT: Mapping[tuple[AdjustmentState | None, AdjustmentEvent], Step[AdjustmentState]] = {
    (None, _E.REQUESTED): Step(_S.POSTED, "transfer.posted", _OPERATOR),
    (None, _E.REQUESTED_ABOVE_LIMIT): Step(_S.HELD, None, _OPERATOR),
    (_S.HELD, _E.APPROVED): Step(_S.POSTED, "transfer.posted", _OPERATOR),
    (_S.HELD, _E.REJECTED): Step(_S.REJECTED, None, _OPERATOR),
}
"""Everything that may happen to an adjustment."""
