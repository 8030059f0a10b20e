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


@dataclass(frozen=True, slots=True)
class ColdChangeView:
    """Change addresses of the cold wallet that clients pay to: how many are watched, and how many of them,
    from the first one on, reach to the last one that was paid."""

    watched: int
    used: int


@dataclass(frozen=True, slots=True)
class HouseAddressView:
    """An address of the house on a chain: where the hot wallet is funded, or a cold address, today's or an
    earlier one. ``currency`` is the chain's own; its tokens come to the same address."""

    currency: str
    location: str
    address: str
