"""Everything that changes the books, as frozen commands; one command is one atomic step. Pure.

Errors named here are DomainErrors of ``ledger/errors.py``: the command then changed nothing. Commands
about access (sessions, keys) are in ``ledger/access.py``, those about cases in ``ledger/case_command.py``,
those about own scripts in ``ledger/script_command.py``, those about sweeps in ``ledger/sweep_command.py``,
those about nonce lanes in ``ledger/lane_command.py``, those of whoever plans, signs and sends in
``ledger/payout_command.py``, and all given here again. ``id`` fields are made by the asker (random, so that
a retry with the same key is harmless); times are stamped by the ledger from the clock handed to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from coins.types import (
    BlockRef,
    ChainDelta,
    MempoolView,
)
from ledger.access import CreateKey as CreateKey
from ledger.access import CreateSession as CreateSession
from ledger.access import EndSession as EndSession
from ledger.access import ExchangeCode as ExchangeCode
from ledger.access import RevokeKey as RevokeKey
from ledger.access import UseNonce as UseNonce
from ledger.case_command import AssignCase as AssignCase
from ledger.case_command import BlockDeposits as BlockDeposits
from ledger.case_command import RefundCase as RefundCase
from ledger.case_command import ReleaseCase as ReleaseCase
from ledger.case_command import ReleaseCases as ReleaseCases
from ledger.case_command import UnblockDeposits as UnblockDeposits
from ledger.case_command import WriteOffCase as WriteOffCase
from ledger.lane_command import GetStuckWork as GetStuckWork
from ledger.lane_command import StopWithdrawal as StopWithdrawal
from ledger.payout_command import AbandonAttempt as AbandonAttempt
from ledger.payout_command import GetConsolidationWork as GetConsolidationWork
from ledger.payout_command import GetPayoutWork as GetPayoutWork
from ledger.payout_command import GetUnsettledAttempts as GetUnsettledAttempts
from ledger.payout_command import ProposeCold as ProposeCold
from ledger.payout_command import RecordBroadcast as RecordBroadcast
from ledger.payout_command import RecordSigned as RecordSigned
from ledger.payout_command import RefusePayout as RefusePayout
from ledger.payout_command import ReserveAttempt as ReserveAttempt
from ledger.payout_command import SetWaiting as SetWaiting
from ledger.payout_command import StartNonceLane as StartNonceLane
from ledger.policy import Finality, Tier
from ledger.reconciliation_command import RecordDifferences as RecordDifferences
from ledger.reconciliation_command import RecordNodeDoubt as RecordNodeDoubt
from ledger.reconciliation_command import RecordReconciliation as RecordReconciliation
from ledger.request import Command as Command
from ledger.request import Idempotency as Idempotency
from ledger.request import SpentNonce as SpentNonce
from ledger.script_command import GetUnrecorded as GetUnrecorded
from ledger.script_command import RecordScript as RecordScript
from ledger.script_command import ReserveScript as ReserveScript
from ledger.sweep_command import GetSweepWork as GetSweepWork
from ledger.sweep_command import OpenTopUp as OpenTopUp
from ledger.views import (
    CurrencyView,
    DeliveryWork,
    DeltaApplied,
    HouseMovementView,
    Outcome,
    TransferView,
    WatchState,
    WithdrawalView,
)

# -- coins ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RegisterCoin(Command[CurrencyView]):
    """Make a currency known, or update its tuning. ``fingerprint`` is of what may never change.

    ``chain`` is the currency whose node watches it (itself unless a token). ``tiers`` (strictly rising),
    ``finality`` and ``withdrawable_depth`` (None: ``confirmations``) are its confirmation policy; a
    stricter one holds for deposits not credited yet, a laxer one only for later ones.
    Errors: IdentityChangedError.
    """

    currency: str
    chain: str
    name: str
    family: str
    network: str
    decimals: int
    fingerprint: str
    confirmations: int
    final_depth: int
    max_reorg: int
    minimum_deposit: int
    minimum_withdrawal: int
    maximum_withdrawal: int
    withdrawal_fee: int
    approval_above: int | None
    session_withdrawal_cap: int | None
    deposits: str
    withdrawals: str
    dust: int = 0
    sweep_threshold: int = 0
    second_approval_above: int | None = None
    destination_cooling_s: int = 0
    client_day_limit: int | None = None
    client_month_limit: int | None = None
    day_limit: int | None = None
    tiers: tuple[Tier, ...] = ()
    withdrawable_depth: int | None = None
    finality: Finality = Finality.CONFIRMATIONS


@dataclass(frozen=True, slots=True)
class SetCurrencyState(Command[CurrencyView]):
    """Record ``open|paused|draining|behind|stalled|disagree|down|halted|disabled``; event
    ``currency.<state>`` only when it changes. ``disabled`` is for a currency not in the config now.
    The state of a chain is that of its tokens too."""

    currency: str
    state: str
    detail: str


@dataclass(frozen=True, slots=True)
class GetWatchState(Command[WatchState]):
    """Own scripts, live outpoints and the last blocks of one chain (at most max_reorg + 1).

    Only scripts with a sequence above ``after`` are given.
    """

    chain: str
    after: int = 0


@dataclass(frozen=True, slots=True)
class SetAnchor(Command[BlockRef]):
    """First block the cashier knows of a chain; later blocks are applied on it. Answers the
    anchor already held, if any (the first one wins)."""

    chain: str
    anchor: BlockRef


@dataclass(frozen=True, slots=True)
class ApplyChainDelta(Command[DeltaApplied]):
    """Undo and apply blocks: rows, states, postings, cursor and events in one step.

    Errors: ParentMismatchError (does not continue our tip), StaleAddressesError (a script was
    issued that the scan did not know: scan again). A delta already held is answered as new.
    """

    delta: ChainDelta


@dataclass(frozen=True, slots=True)
class CreditDue(Command[int]):
    """Credit at our tip ``tip_hash`` what is deep enough and was held back by a doubt about the node.

    Deposits above ``credit_height`` stay held (None: none). Answers the number of deposits credited.
    Error: ParentMismatchError (our tip is another block).
    """

    chain: str
    tip_hash: str
    credit_height: int | None = None


@dataclass(frozen=True, slots=True)
class ApplyMempool(Command[int]):
    """Unconfirmed receipts as they are now: new ones become ``seen``, vanished ones ``conflicted``.

    Answers the number of deposits changed. Never credits.
    """

    chain: str
    view: MempoolView


# -- withdrawals ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenWithdrawal(Command[Outcome[WithdrawalView]]):
    """Debit the client (available to reserved) and queue a payout.

    ``amount`` is what the payee gets unless ``is_fee_included``. ``script`` comes from the checked
    address. ``session_id`` limits it to that session's cap. Errors: InsufficientFundsError (also when
    credits it needs are not deep enough to leave),
    BelowMinimumError, AboveMaximumError, LimitExceededError, ForbiddenAddressError (own script),
    ExternalIdUsedError, CurrencyClosedError, UnknownCurrencyError, IdempotencyKeyReusedError,
    NonceUsedError.
    """

    id: str
    website: str
    client_id: str
    currency: str
    amount: int
    is_fee_included: bool
    address: str
    script: bytes
    external_id: str
    by: str
    idempotency: Idempotency
    session_id: str | None = None
    nonce: SpentNonce | None = None


@dataclass(frozen=True, slots=True)
class DecideWithdrawal(Command[Outcome[WithdrawalView]]):
    """``cancel`` by the owner while not signed; ``approve`` or ``reject`` by an operator while held; a refund
    of a case is rejected until it is signed, and its case opens again.

    ``client_id`` or ``website`` restrict whose withdrawal it may be (else NotFoundError).
    An approval is of the payment whose ``digest`` the operator was shown; it leaves with the last one it
    needs. Errors: NotFoundError, NotCancellableError, NotHeldError, ApprovalRefusedError,
    IllegalTransitionError.
    """

    withdrawal_id: str
    decision: str
    by: str
    website: str | None = None
    client_id: str | None = None
    reason: str = ""
    digest: str = ""
    idempotency: Idempotency | None = None
    nonce: SpentNonce | None = None


# -- transfers and house ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PostTransfer(Command[Outcome[TransferView]]):
    """Move available money between clients and ``house``.

    Errors: InsufficientFundsError, ExternalIdUsedError, SameAccountError, UnknownCurrencyError,
    IdempotencyKeyReusedError, NonceUsedError.
    """

    id: str
    website: str
    source: str
    target: str
    currency: str
    amount: int
    external_id: str
    reason: str
    by: str
    idempotency: Idempotency
    nonce: SpentNonce | None = None


@dataclass(frozen=True, slots=True)
class AnnounceHouseFunding(Command[Outcome[HouseMovementView]]):
    """Tell that ``txid`` will bring house money to the hot wallet: booked against house, not suspense.

    Errors: AlreadyExistsError (it is booked already, and has a case), UnknownCurrencyError.
    """

    currency: str
    txid: str
    by: str
    reason: str
    idempotency: Idempotency | None = None


# -- outbox ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClaimDeliveries(Command[tuple[DeliveryWork, ...]]):
    """Webhook deliveries due now, each leased for ``lease_s`` so that a crash only delays it.

    In order per object: an event waits while an older one of the same object is undelivered.
    """

    webhook_url: str
    limit: int
    lease_s: int


@dataclass(frozen=True, slots=True)
class RecordDelivery(Command[None]):
    """Result of one try. ``next_at`` None with ``is_delivered`` false makes it a dead letter."""

    delivery_id: int
    is_delivered: bool
    status_code: int | None
    detail: str
    next_at: int | None


AnyCommand = Command[Any]
