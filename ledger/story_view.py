"""What operators are told of one payment from end to end, and what a search finds. Pure.

Amounts are base units, times unix seconds UTC.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.journal_query import JournalView
from ledger.views import (
    AuditView,
    BalanceView,
    CaseView,
    DepositView,
    HouseMovementView,
    TransferView,
    WithdrawalView,
)


@dataclass(frozen=True, slots=True)
class OutputView:
    """What a chain tx of ours pays to an address, change included."""

    address: str
    amount: int


@dataclass(frozen=True, slots=True)
class ChainTxView:
    """One chain tx of ours (an attempt), whatever it is for.

    ``kind`` is that of its plan: ``payout``, ``cold``, ``cancel``, ``sweep``, ``top_up``, ``cpfp``.
    ``outputs`` are in ``currency``; ``fee`` and ``fee_paid`` (once it is in a block) in ``fee_currency``.
    ``sender`` and ``nonce`` on account chains, the number of ``inputs`` on the others. ``detail`` is what
    was last said of its state. ``withdrawals`` are those it pays.
    """

    id: str
    intent_id: str
    intent_status: str
    kind: str
    currency: str
    txid: str | None
    state: str
    detail: str
    fee: int
    fee_paid: int | None
    fee_currency: str
    sender: str | None
    nonce: int | None
    inputs: int | None
    outputs: tuple[OutputView, ...]
    withdrawals: tuple[str, ...]
    block_height: int | None
    block_hash: str | None
    block_at: int | None
    created_at: int


@dataclass(frozen=True, slots=True)
class PayoutStory:
    """All there is to know of a withdrawal.

    ``decisions`` are the audit's lines about it, ``chain_txs`` everything that was planned, signed or sent
    for it, ``entries`` its journal. ``names`` are the login names of the operators it mentions, by
    ``operator:…``.
    """

    withdrawal: WithdrawalView
    requested_by: str
    session_id: str | None
    case_id: str | None
    decisions: tuple[AuditView, ...]
    chain_txs: tuple[ChainTxView, ...]
    entries: tuple[JournalView, ...]
    names: dict[str, str]


@dataclass(frozen=True, slots=True)
class AddressMatch:
    """An address of ours; nobody's where ``client_id`` is None."""

    currency: str
    address: str
    client_id: str | None
    location: str
    branch: str
    index: int
    created_at: int


@dataclass(frozen=True, slots=True)
class ClientMatch:
    """A client with the balances the books hold of him."""

    client_id: str
    balances: tuple[BalanceView, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, newest first; ``truncated`` names the lists that are longer than shown."""

    clients: tuple[ClientMatch, ...]
    addresses: tuple[AddressMatch, ...]
    deposits: tuple[DepositView, ...]
    withdrawals: tuple[WithdrawalView, ...]
    transfers: tuple[TransferView, ...]
    cases: tuple[CaseView, ...]
    house_movements: tuple[HouseMovementView, ...]
    chain_txs: tuple[ChainTxView, ...]
    entries: tuple[JournalView, ...]
    truncated: tuple[str, ...]
