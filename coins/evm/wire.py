"""The parts of a node's answers that are read, as typed structs. Pure but for msgspec.

A required field that is missing or of another type makes msgspec refuse the answer whole; numbers
stay text here and are parsed by :mod:`coins.evm.quantity` where they are used.
"""

from __future__ import annotations

from typing import Any

import msgspec

from coins.errors import NodeDataError
from coins.evm.quantity import parse_hash, parse_small
from coins.types import BlockRef


class Header(msgspec.Struct, rename="camel"):
    """A block without its transactions."""

    number: str
    hash: str
    parent_hash: str
    timestamp: str
    base_fee_per_gas: str | None = None


class Tx(msgspec.Struct, rename="camel"):
    """A native transfer or call inside a block."""

    hash: str
    sender: str = msgspec.field(name="from")
    value: str
    nonce: str
    to: str | None = None


class PendingTx(Tx, kw_only=True):
    """A transaction that waits, with what it calls."""

    input: str = "0x"


class FullBlock(Header, kw_only=True):
    """A block with its transactions."""

    transactions: list[Tx]


class PendingBlock(msgspec.Struct, rename="camel"):
    """The block a node would build now; its hash does not exist yet."""

    transactions: list[PendingTx]
    number: str | None = None


class Log(msgspec.Struct, rename="camel"):
    """An event of a contract. ``log_index`` counts within the block."""

    address: str
    topics: list[str]
    data: str
    transaction_hash: str
    log_index: str
    block_hash: str | None = None
    removed: bool = False


class TxReceipt(msgspec.Struct, rename="camel"):
    """What became of a mined transaction."""

    transaction_hash: str
    block_hash: str
    status: str
    gas_used: str
    effective_gas_price: str
    blob_gas_used: str | None = None
    blob_gas_price: str | None = None
    logs: list[Log] = []


class TxByHash(msgspec.Struct, rename="camel"):
    """That the node knows a transaction, and the height it was mined at, None while it waits."""

    hash: str
    block_number: str | None = None


class TraceAction(msgspec.Struct, rename="camel"):
    """What a frame of ``trace_block`` does; which fields are there depends on its type."""

    sender: str | None = msgspec.field(name="from", default=None)
    to: str | None = None
    value: str | None = None
    call_type: str | None = None
    address: str | None = None
    refund_address: str | None = None
    balance: str | None = None


class TraceResult(msgspec.Struct):
    """What a frame of ``trace_block`` gave: the address of a new contract."""

    address: str | None = None


class Trace(msgspec.Struct, rename="camel"):
    """One frame of ``trace_block``; without ``transaction_hash`` it belongs to the block (a reward)."""

    type: str
    action: TraceAction
    trace_address: list[int]
    block_hash: str
    transaction_hash: str | None = None
    error: str | None = None
    result: TraceResult | None = None


class CallFrame(msgspec.Struct):
    """One frame of the ``callTracer``, with the frames below it."""

    type: str
    sender: str = msgspec.field(name="from")
    to: str | None = None
    value: str | None = None
    error: str | None = None
    calls: list[CallFrame] = []


class TracedTx(msgspec.Struct, rename="camel"):
    """The ``callTracer``'s answer for one transaction of a block."""

    result: CallFrame | None = None
    tx_hash: str | None = None
    error: str | None = None


Syncing = bool | dict[str, Any]


def block_ref_of(header: Header) -> BlockRef:
    """Checked BlockRef of a header. Raises NodeDataError."""
    return BlockRef(
        height=parse_small(header.number, "block.number"),
        block_hash=parse_hash(header.hash, "block.hash"),
        parent_hash=parse_hash(header.parent_hash, "block.parentHash"),
        time=parse_small(header.timestamp, "block.timestamp"),
    )


def check_place(ref: BlockRef, height: int) -> None:
    """Raise NodeDataError if a block is not the one of ``height`` that was asked for."""
    if ref.height != height:
        raise NodeDataError(f"block.number is {ref.height}, asked was {height}")
