"""Questions to the read side (``ledger_reader``): they change nothing. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar

from coins.types import OwnOutput
from ledger.request import Request
from ledger.views import (
    AddressView,
    BalanceView,
    BlockBooks,
    BooksAt,
    BooksView,
    CaseView,
    ColdChangeView,
    CurrencyView,
    DepositView,
    EventView,
    Gauges,
    HouseAddressView,
    KeyView,
    OperatorSessionView,
    OperatorView,
    Page,
    ReconciliationView,
    ScannedView,
    SessionView,
    Standing,
    StopView,
    Watched,
    WithdrawalView,
)

R = TypeVar("R", covariant=True)


class Query(Request[R], Generic[R]):
    """A request to the read-only connections."""

    receiver: ClassVar[str] = "ledger_reader"


@dataclass(frozen=True, slots=True)
class Filter:
    """Filters of the lists; None does not filter. ``since``/``until`` are unix seconds."""

    client_id: str | None = None
    currency: str | None = None
    status: str | None = None
    txid: str | None = None
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class GetKey(Query[KeyView | None]):
    """By hash of the presented secret."""

    key_hash: str


@dataclass(frozen=True, slots=True)
class ListKeys(Query[tuple[KeyView, ...]]):
    """All keys, newest first."""


@dataclass(frozen=True, slots=True)
class GetSession(Query[SessionView | None]):
    """By hash of the presented session token; expired or ended sessions are told by ``state``."""

    token_hash: str


@dataclass(frozen=True, slots=True)
class GetOperatorSession(Query[OperatorSessionView | None]):
    """By hash of the presented operator token; one that is over is told by ``state``."""

    token_hash: str


@dataclass(frozen=True, slots=True)
class GetStop(Query[StopView]):
    """Whether an operator stopped all payouts."""


@dataclass(frozen=True, slots=True)
class ListHouseAddresses(Query[tuple[HouseAddressView, ...]]):
    """Where the house funds its hot wallets, and its cold addresses, of the configured currencies."""


@dataclass(frozen=True, slots=True)
class ListHouseMovements(Query[Page]):
    """A page of HouseMovementViews, newest first; of one currency where named."""

    currency: str | None = None
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class ListOperators(Query[tuple[OperatorView, ...]]):
    """All operators by name, disabled ones too."""


@dataclass(frozen=True, slots=True)
class ListAudit(Query[Page]):
    """A page of AuditViews, newest first; None does not filter. ``since``/``until`` are unix seconds."""

    limit: int = 50
    cursor: str | None = None
    by: str | None = None
    action: str | None = None
    object_id: str | None = None
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class ListCurrencies(Query[tuple[CurrencyView, ...]]):
    """Every currency registered and in the configuration now."""


@dataclass(frozen=True, slots=True)
class GetBalances(Query[tuple[BalanceView, ...]]):
    """All balances of one client (currencies without a posting are left out)."""

    client_id: str
    currencies: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class GetAddress(Query[AddressView | None]):
    """The newest address of a client in a currency."""

    client_id: str
    currency: str


@dataclass(frozen=True, slots=True)
class GetDeposit(Query[DepositView | None]):
    """One deposit; with ``client_id`` another client's is answered as None."""

    deposit_id: str
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class ListDeposits(Query[Page]):
    """A page of DepositViews, newest first."""

    filter: Filter = field(default_factory=Filter)
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class GetWithdrawal(Query[WithdrawalView | None]):
    """``client_id`` or ``website`` given: another's withdrawal is answered as None."""

    withdrawal_id: str
    client_id: str | None = None
    website: str | None = None


@dataclass(frozen=True, slots=True)
class ListWithdrawals(Query[Page]):
    """A page of WithdrawalViews, newest first; of one website where given."""

    filter: Filter = field(default_factory=Filter)
    limit: int = 50
    cursor: str | None = None
    website: str | None = None


@dataclass(frozen=True, slots=True)
class GetCase(Query[CaseView | None]):
    """One case of money that credits nobody, or is gone."""

    case_id: str


@dataclass(frozen=True, slots=True)
class ListCases(Query[Page]):
    """A page of CaseViews, newest first."""

    filter: Filter = field(default_factory=Filter)
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class ListEvents(Query[tuple[EventView, ...]]):
    """Events after a sequence in order, at most ``limit``; of one client where given."""

    after: int
    limit: int = 50
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class GetWatched(Query[tuple[Watched, ...]]):
    """All own scripts of one chain with their location; input of the reconciler."""

    chain: str


@dataclass(frozen=True, slots=True)
class GetScanned(Query[ScannedView]):
    """Blocks, receipts and spends of one chain from a height on, as they were booked; input of a rescan."""

    chain: str
    from_height: int


@dataclass(frozen=True, slots=True)
class GetColdChange(Query[ColdChangeView]):
    """How far the change addresses of the cold wallet that clients pay to are watched and used."""

    currency: str


@dataclass(frozen=True, slots=True)
class GetBooks(Query[BooksView]):
    """Every account of a currency at the block the ledger stands at."""

    currency: str


@dataclass(frozen=True, slots=True)
class GetOutputsAt(Query[tuple[OwnOutput, ...]]):
    """Outputs of ours on a chain that the books hold unspent at a height; none on chains with accounts.

    Errors: CurrencyUnavailableError for a height that the books do not cover.
    """

    chain: str
    height: int


@dataclass(frozen=True, slots=True)
class GetBooksAt(Query[tuple[BooksAt, ...] | None]):
    """The books of currencies of one chain at a block of it (:mod:`ledger.books_at`).

    None when that is not a block the ledger stands on. Errors: UnknownCurrencyError.
    """

    chain: str
    height: int
    block_hash: str
    currencies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GetLastAgreed(Query[tuple[int | None, int]]):
    """The highest block below a height at which chain and books of a currency were found to agree, and that
    the ledger still stands on (None: there is none), and the first block the books know."""

    chain: str
    currency: str
    below: int


@dataclass(frozen=True, slots=True)
class GetBlockBooks(Query[BlockBooks]):
    """What the books say a block did; ``txids`` are those whose senders are asked for besides."""

    chain: str
    currency: str
    height: int
    txids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GetStanding(Query[tuple[Standing, ...]]):
    """What of a currency waits for somebody or something, although chain and books agree."""

    currency: str


@dataclass(frozen=True, slots=True)
class GetGauges(Query[Gauges]):
    """What operators watch, of every currency in the configuration."""


@dataclass(frozen=True, slots=True)
class ListReconciliations(Query[Page]):
    """A page of ReconciliationViews, newest first; of one currency, or of all. Errors: InvalidCursorError."""

    currency: str | None = None
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class GetReconciliation(Query[ReconciliationView | None]):
    """One comparison by its id."""

    reconciliation_id: str
