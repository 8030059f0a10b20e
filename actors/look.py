"""One look of a watcher at its node: read only, from a snapshot of what is known.

The result is a message to the watcher; nothing here touches an actor's state.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from actors.doubt import CLEAR, Opinion
from coins.chain import NeedHeader, ReorgTooDeepError, Step, follow
from coins.errors import (
    NodeBehindError,
    NodeDataError,
    NodeSyncingError,
    NodeUnavailableError,
    WrongNetworkError,
)
from coins.family import Coin
from coins.types import Block, BlockRef, ChainDelta, Head, MempoolView
from ledger.currency_state import VERDICTS, Finding

NOT_THERE = "-"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Nothing usable was learnt. ``state`` is the currency's state because of it."""

    state: str
    detail: str


@dataclass(frozen=True, slots=True)
class FirstBlock:
    """No block is known yet: the node's best one becomes the anchor."""

    anchor: BlockRef


@dataclass(frozen=True, slots=True)
class Moved:
    """The chain moved; ``is_last`` when ``delta`` reaches the node's head."""

    delta: ChainDelta
    head: Head
    is_last: bool
    opinion: Opinion = CLEAR


@dataclass(frozen=True, slots=True)
class AtTip:
    """Nothing to apply. ``mempool`` is None when the head moved while it was read."""

    head: Head
    mempool: MempoolView | None
    opinion: Opinion = CLEAR


Seen = Trouble | FirstBlock | Moved | AtTip


Examine = Callable[[Sequence[BlockRef], Head], Awaitable[Opinion]]
"""What else speaks for or against the node, given its chain (newest first) and its head."""


async def nothing_else(line: Sequence[BlockRef], head: Head) -> Opinion:
    """The chain alone counts."""
    return CLEAR


async def look(
    coin: Coin,
    known: Sequence[BlockRef],
    address_seq: int,
    max_reorg: int,
    blocks_max: int,
    examine: Examine = nothing_else,
) -> Seen:
    """Compare the node with ``known`` (newest first), read at most ``blocks_max`` blocks, examine the node.

    Never raises for what a node may do: that is a Trouble with the currency's state. The node's
    identity is checked at every look, so that a swapped node is never believed. A delta carries the
    height up to which its deposits may be credited.
    """
    try:
        seen = await _seen(coin, known, address_seq, max_reorg, blocks_max)
        if isinstance(seen, AtTip):
            return replace(seen, opinion=await examine(known, seen.head))
        if not isinstance(seen, Moved):
            return seen
        delta = seen.delta
        line = [block.ref for block in reversed(delta.connected)] + list(known[len(delta.disconnected) :])
        opinion = await examine(line, seen.head)
        return replace(seen, delta=replace(delta, credit_height=opinion.credit_height), opinion=opinion)
    except (NodeSyncingError, NodeBehindError) as error:
        return _trouble(Finding.NODE_BEHIND, error)
    except NodeUnavailableError as error:
        return _trouble(Finding.NO_ANSWER, error)
    except (WrongNetworkError, NodeDataError, ReorgTooDeepError) as error:
        return _trouble(Finding.NONSENSE, error)


def _trouble(finding: Finding, error: Exception) -> Trouble:
    return Trouble(VERDICTS[finding].state, str(error))


async def _seen(
    coin: Coin, known: Sequence[BlockRef], address_seq: int, max_reorg: int, blocks_max: int
) -> Seen:
    """The look itself; raises what the node's answers raise."""
    await coin.reader.identify()
    head = await coin.reader.head()
    if not known:
        anchor = await coin.reader.block_ref(head.height)
        if anchor is None:
            raise NodeBehindError("the node has no best block yet")
        return FirstBlock(anchor)
    if head.block_hash == known[0].block_hash:
        return await _at_tip(coin, head)
    return await _moved(coin, known, head, address_seq, max_reorg, blocks_max)


async def _at_tip(coin: Coin, head: Head) -> AtTip:
    """The mempool counts only if no block came while it was read: a mined payment has left it."""
    mempool = await coin.reader.mempool(coin.index)
    after = await coin.reader.head()
    return AtTip(head, mempool if after.block_hash == head.block_hash else None)


async def _moved(
    coin: Coin, known: Sequence[BlockRef], head: Head, address_seq: int, max_reorg: int, blocks_max: int
) -> Seen:
    """Find the fork and read what comes after it."""
    tip = known[0]
    if tip.work is not None and head.work is not None:
        if head.work < tip.work:
            raise NodeBehindError(
                f"the node is at height {head.height} with less work than height {tip.height}"
            )
        if head.work == tip.work:
            # Two blocks of equal work: whoever comes first wins, as the nodes do it themselves.
            return AtTip(head, None)
    step, refs = await _next(coin, known, head, max_reorg, 2 * blocks_max)
    below = known[len(step.disconnected)].block_hash
    blocks: list[Block] = []
    last = min(head.height, step.next_height + blocks_max - 1)
    for height, ref in zip(range(step.next_height, last + 1), refs, strict=False):
        if ref.parent_hash != below:
            break  # the chain moved between two calls: take what is linked, look again for the rest
        block = await coin.reader.read_block(height, ref.block_hash, coin.index)
        if block.ref.block_hash != ref.block_hash or block.ref.parent_hash != below:
            raise NodeDataError(f"block {height} is not the one that was asked for")
        blocks.append(block)
        below = block.ref.block_hash
    if not blocks:
        return AtTip(head, None)
    is_last = blocks[-1].ref.block_hash == head.block_hash
    tags = (head.safe_height, head.finalized_height)
    if not is_last and tags != (None, None):
        # They were told with this head: of blocks that do not reach it they speak only if it still stands.
        now = await coin.reader.block_ref(head.height)
        tags = tags if now is not None and now.block_hash == head.block_hash else (None, None)
    return Moved(
        ChainDelta(coin.currency, step.disconnected, tuple(blocks), address_seq, *tags), head, is_last
    )


async def _next(
    coin: Coin, known: Sequence[BlockRef], head: Head, max_reorg: int, count: int
) -> tuple[Step, Sequence[BlockRef]]:
    """What comes next, and the places of at most ``count`` blocks from there on.

    Twice as many as one look reads: the others are fetched while the ledger applies the blocks of this one.
    A child of our tip on the node's chain shows that there is no fork, so it is asked first.
    """
    tip = known[0]
    if head.height > tip.height:
        refs = await coin.reader.block_refs(tip.height + 1, min(head.height, tip.height + count))
        if refs and refs[0].parent_hash == tip.block_hash:
            return Step((), tip.height + 1), refs
    step = await _fork(coin, known, head, max_reorg)
    last = min(head.height, step.next_height + count - 1)
    return step, await coin.reader.block_refs(step.next_height, last)


async def _fork(coin: Coin, known: Sequence[BlockRef], head: Head, max_reorg: int) -> Step:
    """Ask for the node's hashes one height at a time until the fork is found."""
    headers: dict[int, str] = {}
    while True:
        step = follow(known, headers, max_reorg)
        if not isinstance(step, NeedHeader):
            return step
        ref = await coin.reader.block_ref(step.height)
        if ref is None and head.work is None:
            # Without chain work a missing height means a node that lags, not another chain.
            raise NodeBehindError(f"the node no longer has height {step.height}")
        headers[step.height] = ref.block_hash if ref else NOT_THERE
