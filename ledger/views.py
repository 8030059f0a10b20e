"""What the ledger answers: frozen pictures of its rows. Pure.

Amounts are base units (int), times unix seconds UTC. The gateway renders them; nobody reads rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from coins.types import AttemptPlan, BlockRef, Branch, Location, OwnScript, SignedTx
from ledger.adjustment_view import AdjustmentsView as AdjustmentsView
from ledger.adjustment_view import AdjustmentView as AdjustmentView
from ledger.adjustment_view import PartyBalance as PartyBalance
from ledger.adjustment_view import TotalView as TotalView
from ledger.case_view import CaseEntry as CaseEntry
from ledger.case_view import CasesReleased as CasesReleased
from ledger.case_view import CaseView as CaseView
from ledger.case_view import ClientBlock as ClientBlock
from ledger.delivery_view import DeliveryView as DeliveryView
from ledger.gauge_view import CurrencyGauges as CurrencyGauges
from ledger.gauge_view import Gauges as Gauges
from ledger.house_view import ColdChangeView as ColdChangeView
from ledger.house_view import HouseAddressView as HouseAddressView
from ledger.house_view import HouseMovementView as HouseMovementView
from ledger.operator_view import AuditView as AuditView
from ledger.operator_view import OperatorCredentials as OperatorCredentials
from ledger.operator_view import OperatorSessionView as OperatorSessionView
from ledger.operator_view import OperatorView as OperatorView
from ledger.operator_view import StopView as StopView
from ledger.period_view import ClosingView as ClosingView
from ledger.period_view import PeriodsClosed as PeriodsClosed
from ledger.period_view import PeriodView as PeriodView
from ledger.period_view import ProofView as ProofView
from ledger.reconciliation_view import BlockBooks as BlockBooks
from ledger.reconciliation_view import BooksAt as BooksAt
from ledger.reconciliation_view import ReconciliationView as ReconciliationView
from ledger.reconciliation_view import Standing as Standing
from ledger.withdrawal_view import ApprovalView as ApprovalView
from ledger.withdrawal_view import AttemptView as AttemptView
from ledger.withdrawal_view import ChildAttempt as ChildAttempt
from ledger.withdrawal_view import HistoryEntry as HistoryEntry

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AddressView:
    """An address issued to a client. ``sequence`` numbers own scripts in order of issue."""

    client_id: str
    currency: str
    address: str
    index: int
    sequence: int
    created_at: int


@dataclass(frozen=True, slots=True)
class ReservedScript:
    """An index of a branch, reserved under a purpose."""

    branch: Branch
    index: int
    purpose: str


@dataclass(frozen=True, slots=True)
class BalanceView:
    """One client's balance in one currency.

    ``withdrawable`` is ``available`` less credits that are not deep enough to leave; 0 while a deficit
    is owed.
    """

    client_id: str
    currency: str
    available: int
    withdrawable: int
    reserved: int
    pending: int
    deficit: int


@dataclass(frozen=True, slots=True)
class DepositView:
    """One receipt of a client. ``output_index`` is None on account chains."""

    id: str
    client_id: str
    currency: str
    address: str
    amount: int
    txid: str
    position: str
    output_index: int | None
    block_height: int | None
    block_hash: str | None
    confirmations: int
    confirmations_required: int
    status: str
    seen_at: int
    credited_at: int | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class WithdrawalView:
    """A withdrawal with its whole story.

    ``kind`` is ``payout``, or ``cold`` for house money on its way to the cold address.
    ``digest`` stands for exactly this payment: what operators approve. ``approvals_needed`` of them must,
    each another one; 0 when it leaves without. An address that is new to the client waits ``cooling_until``.
    ``block_at`` is the time of the block it is in, as the block tells it.
    """

    id: str
    external_id: str
    client_id: str
    currency: str
    amount: int
    fee: int
    address: str
    txid: str | None
    status: str
    waiting_for: str | None
    attention: bool
    confirmations: int
    confirmations_required: int
    block_height: int | None
    created_at: int
    history: tuple[HistoryEntry, ...] = ()
    attempts: tuple[AttemptView, ...] = ()
    digest: str = ""
    approvals_needed: int = 0
    approvals: tuple[ApprovalView, ...] = ()
    cooling_until: int | None = None
    website: str = ""
    block_hash: str | None = None
    kind: str = "payout"
    block_at: int | None = None


@dataclass(frozen=True, slots=True)
class TransferView:
    """Money moved inside the books between clients and the house."""

    id: str
    external_id: str
    source: str
    target: str
    currency: str
    amount: int
    reason: str
    created_at: int


@dataclass(frozen=True, slots=True)
class EventView:
    """One line of the gap-free feed. ``data`` is the object as a view's dict (base units)."""

    id: str
    sequence: int
    type: str
    occurred_at: int
    client_id: str | None
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CurrencyView:
    """A currency as configured, with its state and the height applied."""

    currency: str
    chain: str
    name: str
    family: str
    network: str
    decimals: int
    confirmations_required: int
    final_depth: int
    minimum_deposit: int
    minimum_withdrawal: int
    maximum_withdrawal: int
    withdrawal_fee: int
    deposits: str
    withdrawals: str
    state: str
    state_detail: str
    height: int | None
    destination_cooling_s: int = 0


@dataclass(frozen=True, slots=True)
class SessionView:
    """A client session (handshake). ``state`` is ``open``, ``ended`` or ``expired``."""

    id: str
    client_id: str
    website: str
    actions: tuple[str, ...]
    currencies: tuple[str, ...] | None
    locale: str | None
    return_url: str | None
    withdrawal_limit: str | None
    code_expires_at: int
    expires_at: int
    state: str


@dataclass(frozen=True, slots=True)
class KeyView:
    """A website key; neither its secret nor its signing secret is kept anywhere."""

    id: str
    website: str
    scopes: tuple[str, ...]
    created_at: int
    revoked_at: int | None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, newest first; ``next_cursor`` is opaque, None at the end."""

    data: tuple[Any, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class WatchState:
    """What a watcher needs to go on: anchor and recent blocks (newest first) and own scripts.

    ``outpoints`` are (txid, index) of outputs of ours that are unspent, or whose spend is not final.
    ``state`` and ``state_detail`` are what the watcher reported last; ``seen`` the txids that clients see.
    """

    blocks: tuple[BlockRef, ...]
    scripts: tuple[bytes, ...]
    outpoints: tuple[tuple[str, int], ...]
    address_seq: int
    state: str = ""
    state_detail: str = ""
    seen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeltaApplied:
    """The ledger's tip after a delta. ``is_replay`` when it was already held."""

    tip: BlockRef
    is_replay: bool
    credited: int = 0


@dataclass(frozen=True, slots=True)
class AttemptWork:
    """An attempt that is not settled: resume it. ``signed`` is None until it was signed.

    While ``is_stopped`` it is not sent for the first time.
    """

    attempt_id: str
    intent_id: str
    state: str
    plan: AttemptPlan
    signed: SignedTx | None
    is_stopped: bool = False


@dataclass(frozen=True, slots=True)
class Watched:
    """One own script and where its money is booked; input of the reconciler. ``sequence`` numbers them in
    order of issue."""

    own: OwnScript
    location: Location
    sequence: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Movement:
    """Money of ours that came (``amount`` above zero) or went at one place of a chain tx.

    ``position`` is ``out:{index}``, ``native`` or ``log:{ordinal}`` for what came, ``in:{txid}:{index}``
    for an output that was spent; ``nonce`` with the amount 0 for a chain tx that an account of ours sent.
    ``script`` is whose money it was, as hex.
    """

    height: int
    txid: str
    position: str
    currency: str
    script: str
    amount: int


@dataclass(frozen=True, slots=True)
class ScannedView:
    """What scanning a chain from a height on has brought so far.

    ``tip`` is None before the anchor; ``begins_at`` is the first height that was scanned at all.
    ``hashes`` are those of the blocks from the height asked for, oldest first. ``outpoints`` are (txid,
    index, script, amount) of outputs of ours that were unspent right below that height. ``issued`` says how
    many indices of each branch were ever reserved.
    """

    chain: str
    tip: BlockRef | None
    begins_at: int
    hashes: tuple[str, ...]
    scripts: tuple[bytes, ...]
    outpoints: tuple[tuple[str, int, bytes, int], ...]
    movements: tuple[Movement, ...]
    issued: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class BooksView:
    """All account balances of one currency at the block the ledger stands at.

    ``accounts`` maps account name (clients summed as ``client:*:{currency}:{part}``) to amount.
    """

    currency: str
    at: BlockRef | None
    accounts: dict[str, int]
    onchain: dict[str, int]


@dataclass(frozen=True, slots=True)
class DeliveryWork:
    """A webhook to send now: the event, its attempt number from 1, and the delivery row's id."""

    delivery_id: int
    event: EventView
    attempt: int
    webhook_url: str


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """Reply of a command that carries an idempotency key.

    ``is_replayed`` tells that ``value`` is the first success of that key, given once more;
    ``is_new`` that the command made something (an address) rather than found it.
    """

    value: T
    is_replayed: bool = False
    is_new: bool = True
