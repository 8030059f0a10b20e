"""House money as others see it; given again by ``ledger.views``. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HouseMovementView:
    """House money that an operator told of: ``funding`` of the hot wallet by one chain tx."""

    id: int
    kind: str
    currency: str
    txid: str
    by: str
    reason: str
    at: int
