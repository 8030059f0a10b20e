"""Looks for money on scripts of our keys that the books never gave out: a lost database, a kept seed.

The books know every index they gave out, so serving needs no gap. Only what they cannot know is searched
with one, as wallets do it (BIP 44): so many indices beyond the last known one, and beyond each that is found.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace

from coins.errors import NodeUnavailableError
from coins.family import AddressDeriver, ChainReader, WatchIndex
from coins.types import Block, Branch, Outpoint, OwnScript

STEP = 20


@dataclass(frozen=True, slots=True)
class Unissued:
    """A receipt on a script whose index the books never gave out; ``is_spent`` in a later block."""

    branch: Branch
    index: int
    address: str
    currency: str
    amount: int
    height: int
    txid: str
    position: str
    is_spent: bool

    def __str__(self) -> str:
        """One line for people."""
        place = f"unissued {self.branch.value} index {self.index} at height {self.height}"
        receipt = f"{self.txid} {self.position} {self.amount} {self.currency} to {self.address}"
        return f"{place}: {receipt}, {'spent since' if self.is_spent else 'unspent'}"


async def find_unissued(
    reader: ChainReader,
    make_index: Callable[[], WatchIndex],
    deriver: AddressDeriver,
    issued: Mapping[Branch, int],
    from_height: int,
    gap: int,
) -> tuple[Unissued, ...]:
    """Every receipt beyond the ``issued`` numbers of indices, from a height to the node's head.

    The chain is read once more for each widening of the search. Raises CoinError.
    """
    found: list[Unissued] = []
    windows = {branch: range(first, first + gap) for branch, first in issued.items()}
    while any(windows.values()):
        scripts = [await deriver.derive(branch, at) for branch, window in windows.items() for at in window]
        receipts = await _scan(reader, make_index(), scripts, from_height)
        found += receipts
        for branch, window in windows.items():
            last = max((each.index for each in receipts if each.branch is branch), default=-1)
            windows[branch] = range(window.stop, last + 1 + gap)
    return tuple(sorted(found, key=lambda each: (each.height, each.branch, each.index, each.position)))


async def _scan(
    reader: ChainReader, index: WatchIndex, scripts: list[OwnScript], from_height: int
) -> list[Unissued]:
    """Receipts of these scripts, and whether they are spent."""
    owned = {own.script: own for own in scripts}
    index.add_scripts(owned)
    held: dict[Outpoint, Unissued] = {}
    others: list[Unissued] = []
    async for block in _blocks(reader, index, from_height):
        for each in block.receipts:
            own = owned[each.script]
            receipt = Unissued(
                own.branch, own.index, own.address, each.currency, each.amount, block.ref.height, each.txid,
                each.position, is_spent=False,
            )  # fmt: skip
            if each.position.isdecimal():
                held[Outpoint(each.txid, int(each.position))] = receipt
            else:
                others.append(receipt)
        for spend in block.spends:
            gone = held.get(spend.outpoint)
            if gone is not None:
                held[spend.outpoint] = replace(gone, is_spent=True)
    return [*held.values(), *others]


async def _blocks(reader: ChainReader, index: WatchIndex, from_height: int) -> AsyncIterator[Block]:
    """Blocks up to the node's head, each the child of the one before. Raises NodeUnavailableError."""
    head = await reader.head()
    parent: str | None = None
    for first in range(from_height, head.height + 1, STEP):
        last = min(head.height, first + STEP - 1)
        refs = await reader.block_refs(first, last)
        for ref in refs:
            if parent is not None and ref.parent_hash != parent:
                raise NodeUnavailableError("the node's chain moved while it was read: try again")
            parent = ref.block_hash
            yield await reader.read_block(ref.height, ref.block_hash, index)
        if len(refs) != last - first + 1:
            raise NodeUnavailableError("the node's chain moved while it was read: try again")
