"""Where our chain and the node's part: the only fork-finding code. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coins.types import BlockRef


class ReorgTooDeepError(Exception):
    """The fork lies below the anchor or deeper than the guard: halt and call a human."""


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next: undo ``disconnected`` (newest first), then read ``next_height``."""

    disconnected: tuple[BlockRef, ...]
    next_height: int


@dataclass(frozen=True, slots=True)
class NeedHeader:
    """The fork is not found yet: the node's hash at ``height`` is needed to go on."""

    height: int


def follow(known: Sequence[BlockRef], headers: Mapping[int, str], max_reorg: int) -> Step | NeedHeader:
    """Find the fork between ``known`` (ours, newest first) and ``headers`` (node's hash by height).

    ``max_reorg`` is the most blocks that may be undone. Returns a Step when the fork is found,
    a NeedHeader when a header must be asked first. Raises ReorgTooDeepError when the fork is not
    within the guard or below the last known block (the anchor is never undone).
    """
    disconnected: list[BlockRef] = []
    for block in known:
        node_hash = headers.get(block.height)
        if node_hash is None:
            return NeedHeader(block.height)
        if node_hash == block.block_hash:
            return Step(tuple(disconnected), block.height + 1)
        disconnected.append(block)
        if len(disconnected) > max_reorg:
            raise ReorgTooDeepError(
                f"the fork is more than {max_reorg} blocks below height {known[0].height}"
            )
    raise ReorgTooDeepError(f"no common block within the {len(known)} known blocks")
