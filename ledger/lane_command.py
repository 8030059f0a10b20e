"""Commands about payments that are not mined, given again by ``ledger/commands.py``. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from coins.types import StuckWork
from ledger.request import Command, Idempotency
from ledger.views import Outcome, WithdrawalView


@dataclass(frozen=True, slots=True)
class GetStuckWork(Command[tuple[StuckWork, ...]]):
    """Payments that were sent and are not mined for longer than ``bump_after_s``, by nonce or oldest first.

    Only of intents of these ``kinds``, and none while payouts are held. The time doubles with each
    candidate there is.
    """

    currency: str
    bump_after_s: int
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StopWithdrawal(Command[Outcome[WithdrawalView]]):
    """An operator does not want a signed withdrawal paid any more (account chains), or it never can be.

    Its nonce is used up by a chain tx that pays nobody; whichever of the candidates is mined settles the
    withdrawal, and only when that is final the money goes back. Where a chain tx that is not ours used the
    nonce, or on chains of outputs an input, and is final and its case decided, the money goes back at once.
    Errors: NotFoundError, NotCancellableError, NotConfirmedError.
    """

    withdrawal_id: str
    by: str
    reason: str
    idempotency: Idempotency | None = None
