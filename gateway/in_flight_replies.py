"""What is under way in a currency, member by member."""

from __future__ import annotations

from gateway.bodies import Currency, Query
from gateway.model import Model


class InFlightQuery(Query):
    """Of which currency."""

    currency: Currency


class SpanReply(Model):
    """From ``low`` to ``high``; equal where only one thing can come of it."""

    low: str
    high: str


class IncomingReply(Model):
    """A payment to us that is in no block.

    ``reason`` says why it would be parked now, null where its client would be credited or the house
    announced it. ``own``: a chain tx of ours brings it, and it counts there.
    """

    deposit_id: str | None
    txid: str
    explorer_url: str | None
    position: str
    address: str
    client_id: str | None
    location: str
    amount: str
    reason: str | None
    own: bool
    announced: bool


class SpentReply(Model):
    """An output of ours that is spent."""

    txid: str
    index: int
    location: str
    amount: str


class CandidateReply(Model):
    """A signed chain tx of ours that may still be mined.

    ``leaves`` goes to others, ``returns`` to ourselves; ``change`` by location is what it does to what we
    hold, fee included. ``in_mempool`` is the node's word, null without it. ``counted`` is false where it
    cannot be mined as things stand: what it spends is not there, or ``lost_to`` spends it.
    """

    attempt_id: str
    kind: str
    txid: str
    explorer_url: str | None
    state: str
    leaves: str
    returns: str
    fee: SpanReply
    change: dict[str, SpanReply]
    inputs: list[SpentReply]
    sender: str | None
    nonce: int | None
    parents: list[str]
    withdrawals: list[str]
    in_mempool: bool | None
    lost_to: str | None
    counted: bool


class MovementReply(Model):
    """One thing under way: of its ``candidates`` one is mined, for they exclude each other."""

    intent_id: str
    kind: str
    currency: str
    change: dict[str, SpanReply]
    paid: SpanReply
    candidates: list[CandidateReply]


class ForeignSpendReply(Model):
    """A chain tx in the node's mempool that spends an output of ours and is not ours."""

    txid: str
    explorer_url: str | None
    spends: SpentReply


class LocationReply(Model):
    """onchain + incoming - foreign + moving = expected, when all is mined."""

    location: str
    onchain: str
    incoming: str
    foreign: str
    moving: SpanReply
    expected: SpanReply


class ClientsReply(Model):
    """available + reserved + pending - deficit + credits - paid = expected, when all is mined."""

    available: str
    reserved: str
    pending: str
    deficit: str
    credits: str
    paid: SpanReply
    expected: SpanReply


class InFlightReply(Model):
    """All that is in no block, at one state of the books; fees in ``fee_currency``.

    ``node_looked_at`` is when the node's mempool was read, null when its word at this very block is not
    known: then only what the books know is told.
    """

    currency: str
    fee_currency: str
    block_height: int | None
    block_hash: str | None
    node_looked_at: str | None
    incoming: list[IncomingReply]
    movements: list[MovementReply]
    foreign: list[ForeignSpendReply]
    locations: list[LocationReply]
    clients: ClientsReply
