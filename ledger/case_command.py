"""Commands about money that credits nobody: an operator's decisions, with his name and reason. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.request import Command, Idempotency
from ledger.views import CasesReleased, CaseView, ClientBlock, Outcome


@dataclass(frozen=True, slots=True)
class AssignCase(Command[Outcome[CaseView]]):
    """Give the money of an open case to ``assignee``, a client or ``house``.

    A parked deposit goes to the client whose address it came to, once it is as deep as a credit needs;
    everything else once no reorg may undo it. What a client owes is paid first.
    Errors: NotFoundError, CaseDecidedError, ActionNotAllowedError, NotConfirmedError, InvalidClientError,
    CurrencyUnavailableError (its chain is in doubt).
    """

    case_id: str
    assignee: str
    by: str
    reason: str
    idempotency: Idempotency


@dataclass(frozen=True, slots=True)
class ReleaseCase(Command[Outcome[CaseView]]):
    """Let a parked deposit go on as if it had come now, for what parked it has passed: it is ``confirming``,
    and credited at its depth. Errors: NotFoundError, CaseDecidedError, ActionNotAllowedError (it would be
    parked again)."""

    case_id: str
    by: str
    reason: str
    idempotency: Idempotency


@dataclass(frozen=True, slots=True)
class ReleaseCases(Command[Outcome[CasesReleased]]):
    """Release the oldest ``limit`` open cases of a currency that were parked for ``cause``.

    What would be parked again is left. Errors: UnknownCurrencyError.
    """

    currency: str
    cause: str
    by: str
    reason: str
    idempotency: Idempotency
    limit: int = 500


@dataclass(frozen=True, slots=True)
class RefundCase(Command[Outcome[CaseView]]):
    """Send the money of an open case back to a checked foreign address, by a payout of its whole amount.

    The payout is the withdrawal ``withdrawal_id`` of ``house``, paid as any other; the house pays the
    network fee. Errors: NotFoundError, CaseDecidedError, ActionNotAllowedError, NotConfirmedError,
    ForbiddenAddressError (own script), BelowMinimumError (dust), LimitExceededError (more than the currency
    may lose in a day: the limit must be raised first), AlreadyExistsError.
    """

    case_id: str
    withdrawal_id: str
    currency: str
    address: str
    script: bytes
    by: str
    reason: str
    idempotency: Idempotency


@dataclass(frozen=True, slots=True)
class WriteOffCase(Command[Outcome[CaseView]]):
    """Keep the money as unclaimed, or admit as a loss what is gone; the latter ends the hold on payouts.

    Errors: NotFoundError, CaseDecidedError, ActionNotAllowedError, NotConfirmedError.
    """

    case_id: str
    by: str
    reason: str
    idempotency: Idempotency


@dataclass(frozen=True, slots=True)
class BlockDeposits(Command[Outcome[ClientBlock]]):
    """Park what comes in for a client from the next block on, with the reason ``client_blocked``."""

    client_id: str
    by: str
    reason: str
    idempotency: Idempotency


@dataclass(frozen=True, slots=True)
class UnblockDeposits(Command[Outcome[CasesReleased]]):
    """Take the block away and release the oldest ``limit`` deposits that it parked; asked again, the rest."""

    client_id: str
    by: str
    reason: str
    idempotency: Idempotency
    limit: int = 500
