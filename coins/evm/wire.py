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


class FullBlock(Header, kw_only=True):
    """A block with its transactions."""

    transactions: list[Tx]


class PendingBlock(msgspec.Struct, rename="camel"):
    """The block a node would build now; its hash does not exist yet."""

    transactions: list[Tx]
    number: str | None = None


class TxReceipt(msgspec.Struct, rename="camel"):
    """What became of a mined transaction."""

    transaction_hash: str
    block_hash: str
    status: str
    gas_used: str
    effective_gas_price: str
    blob_gas_used: str | None = None
    blob_gas_price: str | None = None


class TxByHash(msgspec.Struct, rename="camel"):
    """That the node knows a transaction, and the height it was mined at, None while it waits."""

    hash: str
    block_number: str | None = None


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
