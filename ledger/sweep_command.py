"""Commands about sweeps, given again by ``ledger/commands.py``. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from coins.types import PayoutWork
from ledger.request import Command


@dataclass(frozen=True, slots=True)
class GetSweepWork(Command[tuple[PayoutWork, ...]]):
    """Deposit accounts worth sweeping to the hot account, each with its next nonce.

    An account whose sweep had no effect is left out for ``retry_s``, doubled with each such sweep in a
    row. While sweeps of the currency fail, one is given at a time, and none once those of a day may have
    cost ``loss_max`` of the chain's own currency in gas (None: no bound).
    """

    currency: str
    limit: int = 10
    retry_s: int = 3_600
    loss_max: int | None = None


@dataclass(frozen=True, slots=True)
class OpenTopUp(Command[bool]):
    """Queue gas for the account of an open sweep: ``amount`` of the chain's own currency from the hot
    account. Answers False while some is on its way already. Errors: IllegalTransitionError."""

    intent_id: str
    amount: int
