"""Commands about the nonce lanes of account chains, given again by ``ledger/commands.py``. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from coins.types import StuckWork
from ledger.request import Command


@dataclass(frozen=True, slots=True)
class GetStuckWork(Command[tuple[StuckWork, ...]]):
    """Payments with a nonce that were sent and are not mined for longer than ``bump_after_s``, by nonce.

    Only of intents of these ``kinds``, and none while payouts are held. The time doubles with each
    candidate there is.
    """

    currency: str
    bump_after_s: int
    kinds: tuple[str, ...]
