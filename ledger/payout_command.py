"""Commands of whoever plans, signs and sends, given again by ``ledger/commands.py``. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from coins.types import AttemptPlan, BroadcastResult, ConsolidationTerms, ConsolidationWork, PayoutWork
from ledger.request import Command
from ledger.views import AttemptWork, WithdrawalView


@dataclass(frozen=True, slots=True)
class GetPayoutWork(Command[tuple[PayoutWork, ...]]):
    """Approved withdrawals without a live attempt, oldest first, with what may be spent on them; without
    any, the gas that sweeps wait for (``top_up``, account chains).

    Bitcoin-like: one piece of work, the oldest with the others beside it, and the spendable outputs (final
    deposits, confirmed own change, not reserved). Fewer than ``limit`` wait until the oldest of them was
    approved ``gather_s`` ago or one is above ``urgent_above`` (None: none is urgent). Ethereum: one piece
    each, with source and next nonce. At most ``limit`` withdrawals. Error: PayoutsHeldError while the
    currency's state forbids payouts, or money of it is gone without explanation.
    """

    currency: str
    limit: int = 1
    gather_s: int = 0
    urgent_above: int | None = None


@dataclass(frozen=True, slots=True)
class GetConsolidationWork(Command[ConsolidationWork | None]):
    """Small spendable outputs that may become one, with an intent of their own, where there are too many.

    They are never more than half of what can be spent now, and leave twice what payouts will take. None:
    there are not too many, payouts are held or wait for funds, the house has no money of its own to pay the
    fee with, or one of before is not settled yet.
    """

    currency: str
    terms: ConsolidationTerms


@dataclass(frozen=True, slots=True)
class ProposeCold(Command[WithdrawalView | None]):
    """Propose to move what the hot wallet has above ``target`` to the cold address, once it has more than
    ``ceiling`` beyond what open payouts will take.

    At most one movement of a currency is open until it is final. One that nobody has approved is taken back
    when it goes to another address, or has become too much by more than a tenth; one that an operator
    rejected is proposed again when its amount would be another by as much, or its address. None: nothing to
    propose, payouts are held, or the script of the address is not recorded as cold.
    """

    id: str
    currency: str
    address: str
    script: bytes
    ceiling: int
    target: int


@dataclass(frozen=True, slots=True)
class RefusePayout(Command[None]):
    """A payout that no chain tx can make as it is: rejected, its money goes back; nothing was signed for
    it. Changes nothing once that is so. Errors: NotFoundError, NotCancellableError (something was signed)."""

    intent_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReserveAttempt(Command[AttemptWork]):
    """Write an attempt with its inputs or nonce reserved, before anything is signed.

    Errors: InputsTakenError (plan again), IllegalTransitionError (intent is no longer payable).
    """

    attempt_id: str
    plan: AttemptPlan


@dataclass(frozen=True, slots=True)
class RecordSigned(Command[AttemptWork]):
    """Keep the raw bytes and txid; only after this commit may they leave. Idempotent."""

    attempt_id: str
    txid: str
    raw: str


@dataclass(frozen=True, slots=True)
class RecordBroadcast(Command[AttemptWork]):
    """What the node answered. ``unknown`` marks the attempt, shown as attention; nothing is released."""

    attempt_id: str
    result: BroadcastResult


@dataclass(frozen=True, slots=True)
class StartNonceLane(Command[None]):
    """An account of ours was used before these books began: its next nonce is ``next_nonce``.

    Changes nothing once an attempt of ours has a nonce of it.
    """

    currency: str
    sender: bytes
    next_nonce: int


@dataclass(frozen=True, slots=True)
class AbandonAttempt(Command[None]):
    """Release an attempt that was never signed (it could not be). Errors: IllegalTransitionError."""

    attempt_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class SetWaiting(Command[None]):
    """Show what approved withdrawals of a currency wait for: ``funds|gas|node`` or None."""

    currency: str
    waiting_for: str | None


@dataclass(frozen=True, slots=True)
class GetUnsettledAttempts(Command[tuple[AttemptWork, ...]]):
    """Attempts that are prepared, signed, broadcast or unknown, to resume or send again."""

    currency: str
