"""The words every room uses for what happens on a chain. Pure.

Amounts are ``int`` in the smallest unit of the currency (satoshi, litoshi, wei). Hashes and txids
are lower-case hex as the node prints them (``0x`` first on Ethereum). A *script* is the bytes that
own money: a scriptPubKey on Bitcoin-like chains, the 20-byte account on Ethereum.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from coins.place import CHANGE as CHANGE
from coins.place import DERIVED as DERIVED
from coins.place import LOCATION_OF as LOCATION_OF
from coins.place import Branch as Branch
from coins.place import Location as Location
from coins.place import booked_at as booked_at
from coins.place import location_of as location_of


@dataclass(frozen=True, slots=True)
class BlockRef:
    """A block's place: height, its hash, its parent's hash.

    ``work`` is the cumulative chain work up to this block on proof-of-work chains, else ``None``.
    ``time`` is the header's time in unix seconds.
    """

    height: int
    block_hash: str
    parent_hash: str
    time: int = 0
    work: int | None = None


@dataclass(frozen=True, slots=True)
class Outpoint:
    """One output of one chain tx."""

    txid: str
    index: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """An own script received money in a chain tx.

    ``position`` names the receipt inside its tx and never changes when the tx is mined again:
    the output index as decimal on Bitcoin-like chains; on Ethereum ``native``, ``log:{ordinal}`` (place of
    the event inside its tx) or ``trace:{path}`` (calls inside the tx, as ``trace:0.2``).
    ``currency`` is what is credited (the chain's own coin or a token). ``sender`` is the paying
    account on Ethereum, else ``None``. ``doubt`` says why nobody may be credited by this receipt alone
    (``internal``, ``unverified``); it is parked with that reason. Empty: none.
    """

    currency: str
    txid: str
    position: str
    script: bytes
    amount: int
    sender: bytes | None = None
    is_coinbase: bool = False
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Spend:
    """Chain tx ``txid`` consumed an outpoint of ours (Bitcoin-like chains).

    ``paid_out`` is what its outputs bring altogether, ours and those of others.
    """

    txid: str
    outpoint: Outpoint
    paid_out: int


@dataclass(frozen=True, slots=True)
class AccountTx:
    """A chain tx sent from an account of ours, mined with any status (Ethereum).

    ``amount`` is the native value asked for; it moved only if ``is_success``. ``gas_fee`` is
    gasUsed x effectiveGasPrice and was paid by ``sender`` in either case.
    """

    txid: str
    sender: bytes
    nonce: int
    recipient: bytes | None
    amount: int
    gas_fee: int
    is_success: bool


@dataclass(frozen=True, slots=True)
class TokenSend:
    """Token units left an own account, by the Transfer event of their contract (ERC-20).

    ``position`` as in :class:`Receipt`. ``txid`` may be of a chain tx that an account of ours did not send.
    """

    currency: str
    txid: str
    position: str
    sender: bytes
    recipient: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class Block:
    """What one block did to scripts of ours; everything else in it is left out."""

    ref: BlockRef
    receipts: tuple[Receipt, ...] = ()
    spends: tuple[Spend, ...] = ()
    sent: tuple[AccountTx, ...] = ()
    token_sends: tuple[TokenSend, ...] = ()


@dataclass(frozen=True, slots=True)
class ChainDelta:
    """The step from what the ledger knows to what the node says.

    ``disconnected`` newest first, ``connected`` oldest first. ``address_seq`` is the number of the
    last own script that the scan of ``connected`` knew of. ``safe_height`` and ``finalized_height``
    as in :class:`Head`, of the very chain that ``connected`` is a part of. ``credit_height`` is the
    highest block whose deposits may be credited now: above it the node is in doubt. None: no doubt.
    """

    chain: str
    disconnected: tuple[BlockRef, ...]
    connected: tuple[Block, ...]
    address_seq: int
    safe_height: int | None = None
    finalized_height: int | None = None
    credit_height: int | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """The node's best block. ``work`` as in :class:`BlockRef`.

    ``safe_height`` and ``finalized_height`` are the heights of the node's tags of that name (Ethereum),
    None where the currency's policy does not ask for them or the node has no such block yet. ``time`` is
    that of its header in unix seconds, None where the node does not tell it here.
    """

    height: int
    block_hash: str
    work: int | None = None
    safe_height: int | None = None
    finalized_height: int | None = None
    time: int | None = None


@dataclass(frozen=True, slots=True)
class MempoolView:
    """Unconfirmed receipts and spends of ours (Bitcoin-like), and all txids the node holds unconfirmed."""

    receipts: tuple[Receipt, ...]
    txids: frozenset[str]
    spends: tuple[Spend, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnScript:
    """A script of ours with what is needed to derive its key again."""

    script: bytes
    address: str
    branch: Branch
    index: int


@dataclass(frozen=True, slots=True)
class Utxo:
    """An unspent output of ours that a payout may spend."""

    outpoint: Outpoint
    amount: int
    own: OwnScript


@dataclass(frozen=True, slots=True)
class OwnOutput:
    """An output of one of our scripts (Bitcoin-like chains)."""

    outpoint: Outpoint
    script: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class TxOutput:
    """An output wanted in a chain tx: who gets how much."""

    script: bytes
    address: str
    amount: int


@dataclass(frozen=True, slots=True)
class Payee:
    """One more payout for a chain tx that pays several: its intent, and who gets how much."""

    intent_id: str
    output: TxOutput


@dataclass(frozen=True, slots=True)
class PayoutWork:
    """One intent that needs a chain tx, with everything planning may use.

    ``kind`` is ``payout``, ``cold`` (house money to the cold address), ``sweep`` or ``top_up`` (gas for a
    deposit account). ``source`` is the paying
    account on Ethereum (hot account, the deposit account for a sweep) and ``nonce`` the next free one of
    its lane. ``change`` is where the rest goes on Bitcoin-like chains. ``balance`` is what the ledger has
    ``onchain`` at the source (Ethereum), in ``currency``; ``gas_balance``, for a token only, what it has
    there to pay gas with, in wei. ``more`` are younger payouts, oldest first, that the same chain tx may
    pay too (Bitcoin-like); which of them it does is the plan's business, and never one out of turn.
    """

    intent_id: str
    kind: str
    currency: str
    output: TxOutput
    utxos: tuple[Utxo, ...] = ()
    change: OwnScript | None = None
    source: OwnScript | None = None
    nonce: int | None = None
    balance: int | None = None
    gas_balance: int | None = None
    more: tuple[Payee, ...] = ()


@dataclass(frozen=True, slots=True)
class ConsolidationTerms:
    """What may be brought together at the price of the day (Bitcoin-like), in base units.

    Only outputs above ``above`` bring more than they cost; those below ``below`` (None: all) count as small.
    More than ``count`` of them are too many; one chain tx spends at most ``inputs_max``.
    """

    above: int
    below: int | None
    count: int
    inputs_max: int


@dataclass(frozen=True, slots=True)
class ConsolidationWork:
    """Small outputs of ours, the smallest first, to be spent into one on the fresh script ``change``.

    The house has ``fee_max`` base units of its own, which is what the chain tx may cost.
    """

    intent_id: str
    currency: str
    utxos: tuple[Utxo, ...]
    fee_max: int
    change: OwnScript | None = None


@dataclass(frozen=True, slots=True)
class FeeQuote:
    """The price of a chain tx now, already inside the configured bounds.

    Bitcoin-like: ``fee_rate_sat_vb``. Ethereum: ``max_fee_wei`` and ``priority_fee_wei`` per gas, and
    the ``base_fee_wei`` they were made from.
    """

    fee_rate_sat_vb: int = 0
    max_fee_wei: int = 0
    priority_fee_wei: int = 0
    base_fee_wei: int = 0


CPFP = "cpfp"
"""Kind of the plan of a child: it spends the unconfirmed change of a payout and pays for both."""

CONSOLIDATE = "consolidate"
"""Kind of the plan that spends many small outputs of ours into one: its only output is its change."""


def child_intent(txid: str) -> str:
    """The intent of the one child that a chain tx of ours may have."""
    return f"{CPFP}_{txid}"


@dataclass(frozen=True, slots=True)
class AttemptPlan:
    """One candidate chain tx, planned but not signed.

    ``inputs`` (Bitcoin-like) or ``sender`` and ``nonce`` (Ethereum) are what makes two candidates
    of one intent conflict. ``outputs`` hold the payee first, then the payees of the intents ``more`` in
    their order, then the change if any; of a token they hold the payee and its units, never the contract.
    ``fee`` is exact on Bitcoin-like chains and the most that gas may cost on Ethereum, in the chain's own
    currency. ``payload`` is the canonical JSON of the unsigned tx that the signer is shown.
    """

    intent_id: str
    kind: str
    currency: str
    outputs: tuple[TxOutput, ...]
    fee: int
    payload: str
    inputs: tuple[Utxo, ...] = ()
    change: OwnScript | None = None
    sender: OwnScript | None = None
    nonce: int | None = None
    more: tuple[str, ...] = ()

    @property
    def payees(self) -> tuple[TxOutput, ...]:
        """The outputs without the change; nobody where money of ours is only brought together."""
        return self.outputs if self.change is None else self.outputs[:-1]


@dataclass(frozen=True, slots=True)
class StuckWork:
    """A payment that was sent and is not mined for long: it needs a further candidate.

    ``plan`` is the newest candidate's. Account chains: ``spare`` is what its sender has free for a higher
    fee, in wei, and ``is_next`` whether its nonce is the one the chain waits for (the others wait for
    theirs); with ``is_stopped`` an operator does not want it paid any more: the next candidate pays nobody.
    Bitcoin-like: ``utxos`` may be spent beside the inputs it has, ``change`` is its change script; ``txid``
    is the candidate's where the node holds it, empty where nobody can tell.
    """

    plan: AttemptPlan
    spare: int = 0
    is_next: bool = True
    is_stopped: bool = False
    utxos: tuple[Utxo, ...] = ()
    change: OwnScript | None = None
    txid: str = ""


@dataclass(frozen=True, slots=True)
class SignedTx:
    """Raw bytes (hex) ready to be sent, and the txid they will have."""

    txid: str
    raw: str


class BroadcastOutcome(StrEnum):
    """What the node's answer to a broadcast means for the attempt."""

    ACCEPTED = "accepted"  # in the mempool now
    KNOWN = "known"  # already in mempool or chain: as good as accepted
    UNKNOWN = "unknown"  # timeout, ambiguous or new error: only the chain can tell
    REJECTED = "rejected"  # certainly not in the mempool, and these bytes were never valid there


@dataclass(frozen=True, slots=True)
class BroadcastResult:
    """Outcome of sending raw bytes, with the node's own words for the operator."""

    outcome: BroadcastOutcome
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ForeignAddress:
    """A checked address of somebody else: canonical text and the script it stands for."""

    address: str
    script: bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """How a node was asked for holdings: its address, by which call, about how many scripts.

    ``from_height`` is the block the node answered at; from there the answer was taken back by raw blocks to
    the block it is about, where that is a lower one. ``node_ms`` is how long the node took.
    """

    node: str
    method: str
    scripts: int
    from_height: int
    node_ms: int = 0


@dataclass(frozen=True, slots=True)
class Holdings:
    """What the chain itself says our scripts own, at exactly one block.

    ``amounts`` maps currency to location to base units, ``scripts`` currency to script; what is not named
    there holds nothing.
    """

    at: BlockRef
    amounts: dict[str, dict[Location, int]] = field(default_factory=dict)
    scripts: dict[str, dict[bytes, int]] = field(default_factory=dict)
    asked: Asked | None = None
