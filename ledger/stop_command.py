"""Commands about the panic stop. Pure. ``by`` is ``operator:{id}``; errors: ``ledger/errors.py``."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.operator_view import StopView
from ledger.request import Command, Idempotency
from ledger.views import Outcome


@dataclass(frozen=True, slots=True)
class StopPayouts(Command[Outcome[StopView]]):
    """No payout, sweep or gas is planned, signed or sent for the first time any more, until StartPayouts.

    What was sent is followed on the chain. Stopped already: answered as it is. Errors: ApprovalRefusedError.
    """

    by: str
    reason: str
    idempotency: Idempotency


@dataclass(frozen=True, slots=True)
class StartPayouts(Command[Outcome[StopView]]):
    """End the stop: by another operator than the one who stopped, or by one with the role ``admin``.

    Errors: ApprovalRefusedError, NotStoppedError.
    """

    by: str
    reason: str
    idempotency: Idempotency
