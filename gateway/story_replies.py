"""What operators are answered who look into a payment, member by member."""

from __future__ import annotations

from gateway.journal import JournalEntryReply
from gateway.model import Model
from gateway.operator_replies import HouseMovementReply, OperatorWithdrawalReply
from gateway.replies import AuditReply, BalanceReply, CaseReply, DepositReply, TransferReply


class OutputReply(Model):
    """What a chain tx pays to an address, change included."""

    address: str
    amount: str


class ChainTxReply(Model):
    """A chain tx of ours: a ``payout``, ``cold``, ``cancel``, ``sweep``, ``top_up`` or ``cpfp``.

    ``outputs`` are in ``currency``, ``fee`` (the most it may cost) and ``fee_paid`` (once it is in a block)
    in ``fee_currency``. It uses up the ``nonce`` of ``sender``, or a number of ``inputs``.
    """

    id: str
    intent_id: str
    intent_status: str
    kind: str
    currency: str
    txid: str | None
    explorer_url: str | None
    state: str
    detail: str
    fee: str
    fee_paid: str | None
    fee_currency: str
    sender: str | None
    nonce: int | None
    inputs: int | None
    outputs: list[OutputReply]
    withdrawals: list[str]
    block_height: int | None
    block_hash: str | None
    block_at: str | None
    created_at: str


class WithdrawalStoryReply(OperatorWithdrawalReply):
    """A withdrawal from the request to the block: who decided, all that was sent for it, its journal.

    ``names`` are the login names of the operators it mentions.
    """

    requested_by: str
    session_id: str | None
    case_id: str | None
    decisions: list[AuditReply]
    chain_txs: list[ChainTxReply]
    journal: list[JournalEntryReply]
    names: dict[str, str]


class AddressMatchReply(Model):
    """An address of ours; nobody's where ``client_id`` is null."""

    currency: str
    address: str
    client_id: str | None
    location: str
    branch: str
    index: int
    created_at: str


class ClientMatchReply(Model):
    """A client with what the books hold of him."""

    client_id: str
    balances: list[BalanceReply]


class SearchReply(Model):
    """Everything that was found, newest first; ``truncated`` names the lists that are longer than shown."""

    q: str
    clients: list[ClientMatchReply]
    addresses: list[AddressMatchReply]
    deposits: list[DepositReply]
    withdrawals: list[OperatorWithdrawalReply]
    transfers: list[TransferReply]
    cases: list[CaseReply]
    house_movements: list[HouseMovementReply]
    chain_txs: list[ChainTxReply]
    journal: list[JournalEntryReply]
    truncated: list[str]
