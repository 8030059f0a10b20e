"""The roles a coin family must fill, split by what their holder is trusted with. Pure.

ChainReader      watcher, reconciler    reads blocks, knows no client and no balance
AddressDeriver   address, withdrawal    public keys only
Spender          withdrawal, sweep      plans, has signed and sends; holds no key
Signer           its own process        the only holder of seeds (``coins/signer``)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from coins.turns import Turns
from coins.types import (
    AttemptPlan,
    Block,
    BlockRef,
    Branch,
    BroadcastResult,
    ConsolidationTerms,
    ConsolidationWork,
    FeeQuote,
    ForeignAddress,
    Head,
    Holdings,
    Location,
    MempoolView,
    Outpoint,
    OwnOutput,
    OwnScript,
    PayoutWork,
    SignedTx,
    StuckWork,
)


class WatchIndex(Protocol):
    """Own scripts and own outpoints in memory; a lookup costs the same for ten or a million."""

    def add_script(self, script: bytes) -> None:
        """Watch a script; again is fine."""

    def add_scripts(self, scripts: Iterable[bytes]) -> None:
        """Watch many scripts."""

    def add_outpoint(self, outpoint: Outpoint) -> None:
        """Watch for the spending of an own output."""

    def discard_outpoint(self, outpoint: Outpoint) -> None:
        """Forget an own output; an unknown one is fine."""

    def __len__(self) -> int: ...


class History(Protocol):
    """What some scripts owned at past blocks of a chain, from some height up to the node's head."""

    async def at(self, height: int) -> Holdings:
        """Holdings at the block of a height. Raises ValueError for one outside, StateGoneError where the node
        keeps no state of it, NodeUnavailableError, NodeDataError."""


class ChainReader(Protocol):
    """Reads one chain from one node. Every method may raise NodeUnavailableError or NodeDataError."""

    async def identify(self) -> None:
        """Check genesis hash or chain id against the configuration; raise WrongNetworkError.

        Called at start and after every reconnect, before anything else is believed. Raises
        NodeSyncingError while the node warms up or downloads blocks.
        """

    async def head(self) -> Head:
        """The node's best block now. Raises NodeSyncingError while nothing it says counts."""

    async def block_ref(self, height: int) -> BlockRef | None:
        """The block at ``height`` on the node's best chain, None if it has none there."""

    async def block_refs(self, first: int, last: int) -> Sequence[BlockRef]:
        """The blocks from height ``first`` to ``last`` on the node's best chain, each one linked to the last.

        Ends early where the node has no more, or where its chain moved between two answers. They will be
        read in this order, so their bodies may be fetched ahead, within the configured bounds.
        """

    async def read_block(self, height: int, block_hash: str, index: WatchIndex) -> Block:
        """Movements of our scripts in that block; also adds its new own outpoints to ``index``."""

    async def wait_change(self, after: Head, timeout_s: float) -> None:
        """Return when the head may differ from ``after``, when the node hints at something new, or after
        ``timeout_s``; earlier is fine, a missed hint costs no more than the rest of that time."""

    async def mempool(self, index: WatchIndex) -> MempoolView:
        """Unconfirmed receipts of ours now; chain tx already looked at are not fetched again."""

    async def holdings(self, scripts: Sequence[tuple[bytes, Location]]) -> Holdings:
        """What the node's own state says these scripts own, at one block (height and hash)."""

    async def history(
        self, scripts: Sequence[tuple[bytes, Location]], low: int, known: Sequence[OwnOutput]
    ) -> History:
        """What these scripts owned from height ``low`` on, by the node's own state or its raw blocks.

        ``known`` are outputs of ours that were unspent at ``low``; chains with accounts need none. May take
        as long as reading all blocks above ``low``.
        """

    def recall(self, txids: Collection[str]) -> None:
        """Payments to us that were shown as unconfirmed before this reader was opened.

        Where a mempool is not told whole they are asked for by their txid, or they would look gone.
        """

    async def is_in_chain_or_mempool(self, txid: str) -> bool | None:
        """True if the node holds it, False if it surely does not, None if it cannot tell."""

    async def sent_count(self, script: bytes) -> int:
        """How many chain tx an account has sent at the node's head; 0 on chains without accounts."""

    async def peers(self) -> int:
        """How many other nodes the node is connected to; without any it hears of no block."""

    async def close(self) -> None:
        """Close the connections to the node."""


class AddressDeriver(Protocol):
    """Own addresses from public keys (or the node's wallet), and the check of foreign ones."""

    async def derive(self, branch: Branch, index: int) -> OwnScript:
        """The script at ``index``. Same arguments, same answer, also after a restart."""

    def parse(self, text: str) -> ForeignAddress:
        """Strict check for exactly this network. Raises InvalidAddressError."""

    def uri(self, address: str, currency: str = "") -> str:
        """Payment URI for a QR code (BIP21 or EIP-681); of a token on this chain with its ``currency``."""


class Spender(Protocol):
    """Plans, has signed, sends. Holds no key. May raise NodeUnavailableError."""

    async def quote(self) -> FeeQuote:
        """Fee now, from the node within the configured bounds, else the configured fallback."""

    def plan(self, work: PayoutWork, quote: FeeQuote) -> AttemptPlan:
        """Pure. Raises PlanError when it cannot be done now."""

    async def vet(self, plan: AttemptPlan) -> None:
        """Ask the node, before anything is reserved or signed, whether it would relay what a plan pays.

        Raises PayeeRefusedError for payees it never relays, PlanError when it refuses the chain tx as a
        whole, or its price for now, NodeUnavailableError.
        """

    async def sign(self, plan: AttemptPlan) -> SignedTx:
        """Signed by the signer (or the node's wallet), decoded and compared with the plan.

        Same plan, same bytes. Raises SignerError; nothing has left the house then.
        """

    async def broadcast(self, signed: SignedTx) -> BroadcastResult:
        """Send the bytes; sending the same bytes again is safe. Never raises for node trouble:
        a lost answer is ``UNKNOWN``."""


class Bumper(Protocol):
    """What a family does about a payment that is not mined."""

    def bump(self, work: StuckWork, quote: FeeQuote) -> AttemptPlan | None:
        """The same payment with the same nonce or inputs at a higher price, or nothing in its place where it
        was stopped (kind ``cancel``); where the network's nodes replace nothing, a child that pays for both
        (kind ``cpfp``). None when its price is not what it waits for. Pure. Raises PlanError when it may not,
        or cannot, be paid more for now."""


class Consolidator(Protocol):
    """What a family with outputs does about many small ones, while chain tx are cheap."""

    def consolidation(self, quote: FeeQuote) -> ConsolidationTerms | None:
        """What may be brought together at this price; None above the configured one, or without one."""

    def consolidate(self, work: ConsolidationWork, quote: FeeQuote) -> AttemptPlan:
        """One chain tx of kind ``consolidate``. Pure. Raises PlanError when it is not worth its price now."""


class Signer(Protocol):
    """The rest of the process's view of the signer process."""

    async def account_xpub(self, currency: str, account: int) -> str:
        """Extended public key of hardened account ``account`` (0 deposits, 1 hot) of a currency."""

    async def sign(self, plan: AttemptPlan) -> SignedTx:
        """Sign exactly this plan. Same plan, same bytes. Raises SignerError."""


@dataclass(frozen=True, slots=True)
class Coin:
    """The bundle that ``open_coin`` gives for one currency.

    ``witness`` reads a second node of the same chain, where one is configured: its word is compared with
    the first one's, nothing is ever booked from it. ``bumper`` is there where more can be paid
    for what was sent, ``consolidator`` where money lies in outputs.
    Catching up gives way by ``turns``.
    """

    currency: str
    family: str
    reader: ChainReader
    deriver: AddressDeriver
    spender: Spender
    index: WatchIndex
    witness: ChainReader | None = None
    bumper: Bumper | None = None
    consolidator: Consolidator | None = None
    turns: Turns = field(default_factory=Turns)
