"""Every message of the actor system, grouped by receiver: the only way to ask an actor.

Commands and questions of the ledger are its own (``ledger.commands``, ``ledger.queries``) and are
given here again, so that the gateway needs no other door. Requests are imperative, questions begin
with ``Get``, hints (sent by ``tell``, may be lost) are a noun and a state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from actors.childspec import ChildView, GetTree
from actors.in_flight import GetInFlightNow, GetUnconfirmed, InFlightNow
from actors.reconciler_messages import ClosePeriod, Explain, GetHoldingsAt, Reconcile, TipMoved
from actors.watcher_messages import GetWatcherStatus, WatcherStatus
from coins.types import Branch, OwnScript
from ledger.adjustment_command import (
    CorrectCase,
    DecideAdjustment,
    ImportAdjustments,
    ImportRow,
    ListAdjustments,
    RequestAdjustment,
    ReverseAdjustment,
)
from ledger.commands import (
    AnnounceHouseFunding,
    ApplyChainDelta,
    ApplyMempool,
    AssignCase,
    BlockDeposits,
    ClaimDeliveries,
    Command,
    CreateKey,
    CreateSession,
    DecideWithdrawal,
    EndSession,
    ExchangeCode,
    Idempotency,
    OpenWithdrawal,
    PostTransfer,
    RecordDelivery,
    RecordReconciliation,
    ReleaseCase,
    ReleaseCases,
    RevokeKey,
    SetCurrencyState,
    SpentNonce,
    StopWithdrawal,
    UnblockDeposits,
    WriteOffCase,
)
from ledger.errors import DomainError, RowError
from ledger.in_flight_view import CandidateView, GetInFlight, IncomingView, InFlightView, MovementView, Span
from ledger.journal_query import GetJournalPart, JournalView, ListJournal
from ledger.operator_access import (
    BeginLogin,
    CreateOperator,
    EndOperatorSession,
    FailLogin,
    HoldCurrency,
    LoginLimits,
    LoginOperator,
    ResetOperator,
    SetOperator,
    SetPassword,
    TouchOperatorSession,
)
from ledger.period_command import GetProof, ListPeriods
from ledger.period_view import PeriodsClosed, PeriodView, ProofView
from ledger.queries import (
    Filter,
    GetAddress,
    GetBalances,
    GetBooks,
    GetCase,
    GetDeposit,
    GetKey,
    GetOperatorSession,
    GetReconciliation,
    GetSession,
    GetStop,
    GetWithdrawal,
    ListAudit,
    ListCases,
    ListCurrencies,
    ListDeposits,
    ListEvents,
    ListHouseAddresses,
    ListHouseMovements,
    ListKeys,
    ListOperators,
    ListReconciliations,
    ListWithdrawals,
    Query,
)
from ledger.request import Request
from ledger.statement_query import (
    GetStatement,
    ListStatementLines,
    StatementLine,
    StatementPage,
    StatementView,
    Subject,
)
from ledger.stop_command import StartPayouts, StopPayouts
from ledger.story_query import GetPayoutStory, SearchBooks
from ledger.story_view import AddressMatch, ChainTxView, ClientMatch, Found, PayoutStory
from ledger.trial_query import GetTrialBalance, ListTrialLines, TrialLine, TrialPage, TrialView
from ledger.views import (
    AddressView,
    AdjustmentsView,
    AdjustmentView,
    AttemptView,
    AuditView,
    BalanceView,
    CasesReleased,
    CaseView,
    ChildAttempt,
    ClientBlock,
    CurrencyView,
    DeliveryView,
    DepositView,
    EventView,
    HouseAddressView,
    HouseMovementView,
    KeyView,
    OperatorCredentials,
    OperatorSessionView,
    OperatorView,
    Outcome,
    Page,
    ReconciliationView,
    SessionView,
    StopView,
    TransferView,
    WithdrawalView,
)
from ledger.webhook_command import ListWebhooks, RedeliverWebhook

# -- address:{currency} ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IssuedAddress:
    """An address with the payment URI of its QR code; ``is_new`` when this request made it."""

    view: AddressView
    uri: str
    is_new: bool
    is_replayed: bool = False


@dataclass(frozen=True, slots=True)
class IssueAddress(Request[IssuedAddress]):
    """The client's newest address, or a fresh one. It is watched before it is answered.

    Errors: TooManyAddressesError, CurrencyClosedError, IdempotencyKeyReusedError.
    """

    receiver: ClassVar[str] = "address"
    client_id: str
    currency: str
    is_fresh: bool = False
    addresses_max: int = 20
    idempotency: Idempotency | None = None


@dataclass(frozen=True, slots=True)
class IssueScript(Request[OwnScript]):
    """A script of the house (hot, change) under a unique purpose; same purpose, same script."""

    receiver: ClassVar[str] = "address"
    branch: Branch
    purpose: str


# -- withdrawal:{currency} -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RequestWithdrawal(Request[Outcome[WithdrawalView]]):
    """Check the foreign address, then open the withdrawal. ``amount`` in base units.

    Errors: InvalidAddressRefusal (``invalid_address``, ``wrong_network``) and those of OpenWithdrawal.
    """

    receiver: ClassVar[str] = "withdrawal"
    id: str
    website: str
    client_id: str
    currency: str
    amount: int
    is_fee_included: bool
    address: str
    external_id: str
    by: str
    idempotency: Idempotency
    session_id: str | None = None
    nonce: SpentNonce | None = None


@dataclass(frozen=True, slots=True)
class RequestRefund(Request[Outcome[CaseView]]):
    """Check the foreign address, then send the money of a case back.

    Errors: those of the address as for RequestWithdrawal, and those of RefundCase.
    """

    receiver: ClassVar[str] = "withdrawal"
    case_id: str
    withdrawal_id: str
    currency: str
    address: str
    by: str
    reason: str
    idempotency: Idempotency


@dataclass(frozen=True, slots=True)
class WorkReady(Request[None]):
    """Hint: there may be something to pay, resume or sweep."""

    receiver: ClassVar[str] = "withdrawal"


# -- notifier, gateway -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OutboxReady(Request[None]):
    """Hint: events up to ``sequence`` are committed."""

    receiver: ClassVar[str] = "notifier"
    sequence: int


__all__ = [
    "AddressMatch",
    "AddressView",
    "AdjustmentView",
    "AdjustmentsView",
    "AnnounceHouseFunding",
    "ApplyChainDelta",
    "ApplyMempool",
    "AssignCase",
    "AttemptView",
    "AuditView",
    "BalanceView",
    "BeginLogin",
    "BlockDeposits",
    "CandidateView",
    "CaseView",
    "CasesReleased",
    "ChainTxView",
    "ChildAttempt",
    "ChildView",
    "ClaimDeliveries",
    "ClientBlock",
    "ClientMatch",
    "ClosePeriod",
    "Command",
    "CorrectCase",
    "CreateKey",
    "CreateOperator",
    "CreateSession",
    "CurrencyView",
    "DecideAdjustment",
    "DecideWithdrawal",
    "DeliveryView",
    "DepositView",
    "DomainError",
    "EndOperatorSession",
    "EndSession",
    "EventView",
    "ExchangeCode",
    "Explain",
    "FailLogin",
    "Filter",
    "Found",
    "GetAddress",
    "GetBalances",
    "GetBooks",
    "GetCase",
    "GetDeposit",
    "GetHoldingsAt",
    "GetInFlight",
    "GetInFlightNow",
    "GetJournalPart",
    "GetKey",
    "GetOperatorSession",
    "GetPayoutStory",
    "GetProof",
    "GetReconciliation",
    "GetSession",
    "GetStatement",
    "GetStop",
    "GetTree",
    "GetTrialBalance",
    "GetUnconfirmed",
    "GetWatcherStatus",
    "GetWithdrawal",
    "HoldCurrency",
    "HouseAddressView",
    "HouseMovementView",
    "Idempotency",
    "ImportAdjustments",
    "ImportRow",
    "InFlightNow",
    "InFlightView",
    "IncomingView",
    "IssueAddress",
    "IssueScript",
    "IssuedAddress",
    "JournalView",
    "KeyView",
    "ListAdjustments",
    "ListAudit",
    "ListCases",
    "ListCurrencies",
    "ListDeposits",
    "ListEvents",
    "ListHouseAddresses",
    "ListHouseMovements",
    "ListJournal",
    "ListKeys",
    "ListOperators",
    "ListPeriods",
    "ListReconciliations",
    "ListStatementLines",
    "ListTrialLines",
    "ListWebhooks",
    "ListWithdrawals",
    "LoginLimits",
    "LoginOperator",
    "MovementView",
    "OpenWithdrawal",
    "OperatorCredentials",
    "OperatorSessionView",
    "OperatorView",
    "OutboxReady",
    "Outcome",
    "Page",
    "PayoutStory",
    "PeriodView",
    "PeriodsClosed",
    "PostTransfer",
    "ProofView",
    "Query",
    "Reconcile",
    "ReconciliationView",
    "RecordDelivery",
    "RecordReconciliation",
    "RedeliverWebhook",
    "ReleaseCase",
    "ReleaseCases",
    "Request",
    "RequestAdjustment",
    "RequestRefund",
    "RequestWithdrawal",
    "ResetOperator",
    "ReverseAdjustment",
    "RevokeKey",
    "RowError",
    "SearchBooks",
    "SessionView",
    "SetCurrencyState",
    "SetOperator",
    "SetPassword",
    "Span",
    "SpentNonce",
    "StartPayouts",
    "StatementLine",
    "StatementPage",
    "StatementView",
    "StopPayouts",
    "StopView",
    "StopWithdrawal",
    "Subject",
    "TipMoved",
    "TouchOperatorSession",
    "TransferView",
    "TrialLine",
    "TrialPage",
    "TrialView",
    "UnblockDeposits",
    "WatcherStatus",
    "WithdrawalView",
    "WorkReady",
    "WriteOffCase",
]

AnyRequest = Request[Any]
