"""What is under way and in no block yet, and what the books will hold when it is mined. Pure.

Amounts are base units of the currency asked for, where nothing else is said.
"""

from __future__ import annotations

from dataclasses import dataclass

from coins.types import BlockRef, MempoolView, Outpoint
from ledger.queries import Query


@dataclass(frozen=True, slots=True)
class Span:
    """From ``low`` to ``high``, both included; equal where only one thing can come of it."""

    low: int = 0
    high: int = 0

    def plus(self, other: Span) -> Span:
        """Both together, whichever end each of them comes to."""
        return Span(self.low + other.low, self.high + other.high)


@dataclass(frozen=True, slots=True)
class IncomingView:
    """A payment to a script of ours that is in no block.

    ``reason`` says why it would be parked now, None where it would be credited. It counts unless ``is_own``:
    then a chain tx of ours brings it, and it counts there. What the books do not know (money of
    the house, a payment that a reorg undid) the node tells. ``is_announced``: an operator told of it.
    """

    deposit_id: str | None
    txid: str
    position: str
    address: str
    client_id: str | None
    location: str
    amount: int
    reason: str | None = None
    is_own: bool = False
    is_announced: bool = False


@dataclass(frozen=True, slots=True)
class InputView:
    """An output of ours that a chain tx spends; ``location`` is where it lies."""

    outpoint: Outpoint
    location: str
    amount: int


@dataclass(frozen=True, slots=True)
class CandidateView:
    """A signed chain tx of ours that may still be mined.

    ``leaves`` goes to others, ``returns`` to scripts of ours. ``fee`` (in the view's ``fee_currency``) is
    exact where money lies in outputs; of an account it is between nothing and what was signed for, as the
    gas used is known when it is mined. It uses up ``inputs``, or the ``nonce`` of ``sender``. ``change`` is
    what it does to each location. ``parents`` are chain txs in no block whose outputs it spends. ``is_held``
    is whether the node has it unconfirmed (None: nobody can tell now). It does not count where it cannot be
    mined as things stand: it spends what is not there, or what ``lost_to`` spends, a chain tx in the node's
    mempool that is not ours.
    """

    attempt_id: str
    kind: str
    txid: str
    state: str
    leaves: int
    returns: int
    fee: Span
    change: dict[str, Span]
    inputs: tuple[InputView, ...] = ()
    sender: str | None = None
    nonce: int | None = None
    parents: tuple[str, ...] = ()
    withdrawals: tuple[str, ...] = ()
    paid: int = 0
    is_held: bool | None = None
    lost_to: str | None = None
    is_counted: bool = True


@dataclass(frozen=True, slots=True)
class MovementView:
    """One thing under way: at most one of its ``candidates`` can be mined, for they exclude each other.

    ``change`` and ``paid`` (what clients have reserved for it, our fee included) span those that count, and
    nothing at all where what it builds on may yet be another chain tx.
    """

    intent_id: str
    kind: str
    currency: str
    candidates: tuple[CandidateView, ...]
    change: dict[str, Span]
    paid: Span


@dataclass(frozen=True, slots=True)
class ForeignSpendView:
    """An output of ours that a chain tx not of ours spends in the node's mempool."""

    txid: str
    outpoint: Outpoint
    location: str
    amount: int


@dataclass(frozen=True, slots=True)
class LocationLine:
    """onchain + incoming - foreign + moving = expected, when all is mined; ``moving`` is what our own chain
    txs change: what comes back to us less what they spend."""

    location: str
    onchain: int
    incoming: int
    foreign: int
    moving: Span
    expected: Span


@dataclass(frozen=True, slots=True)
class ClientsLine:
    """What clients are owed: available + reserved + pending - deficit, now, and when all is mined:
    ``credits`` more, ``paid`` less."""

    available: int
    reserved: int
    pending: int
    deficit: int
    credits: int
    paid: Span
    expected: Span


@dataclass(frozen=True, slots=True)
class InFlightView:
    """All that is under way in a currency, at one state of the books.

    ``is_node_known`` when the node's own mempool, at the very block ``at``, is part of it: payments and
    spends that the books cannot know of, and which of our chain txs the node holds.
    """

    currency: str
    fee_currency: str
    at: BlockRef | None
    is_node_known: bool
    incoming: tuple[IncomingView, ...]
    movements: tuple[MovementView, ...]
    foreign: tuple[ForeignSpendView, ...]
    locations: tuple[LocationLine, ...]
    clients: ClientsLine


@dataclass(frozen=True, slots=True)
class GetInFlight(Query[InFlightView]):
    """All that is under way in a currency, and what the books will hold when it is mined.

    ``mempool`` is what the node held unconfirmed while its tip was ``block_hash``; it counts when the books
    stand at that block. Errors: UnknownCurrencyError.
    """

    currency: str
    mempool: MempoolView | None = None
    block_hash: str = ""
