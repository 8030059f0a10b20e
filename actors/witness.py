"""Examines the node that is followed: its peers, the age of its tip, and what a second node says.

The second node, the witness, is asked for its head and for block hashes only. They are compared at the
depth at which deposits are credited, because nodes may well differ at the tip for a while. Where they
differ there, the fork is looked for; credits above it and all payouts wait until they agree again. A
disagreement ends by agreement alone: a witness that goes away after it has settled nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from actors.clock import Clock
from actors.doubt import NOTHING, Doubt, Opinion
from actors.slot import CoinSlot
from coins.errors import CoinError, NodeBehindError
from coins.family import ChainReader
from coins.types import BlockRef, Head
from ledger.currency_state import Finding

ANSWER_MAX_S = 5.0
"""A look never waits longer for the witness: new blocks would come late because of it."""


@dataclass(frozen=True, slots=True)
class _Hashes:
    """What both nodes say, height by height; ``line`` is the followed chain, newest first."""

    reader: ChainReader
    witness: ChainReader
    line: Sequence[BlockRef]

    async def at(self, height: int) -> tuple[str, str]:
        """The hash at the followed node and at the witness. Raises NodeBehindError when one has none."""
        place = self.line[0].height - height
        ours = self.line[place] if 0 <= place < len(self.line) else await self.reader.block_ref(height)
        theirs = await self.witness.block_ref(height)
        if ours is None or theirs is None:
            raise NodeBehindError(f"a node has lost height {height} while it was asked")
        return ours.block_hash, theirs.block_hash

    async def last_common(self, below: int) -> int:
        """The highest height below ``below`` where both agree; block 0 was compared by ``identify``."""
        high, low, step = below - 1, below - 1, 1
        while low > 0 and not await self.agree(low):
            high, low, step = low - 1, max(0, low - step), step * 2
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if await self.agree(middle) else (low, middle - 1)
        return max(0, low)

    async def agree(self, height: int) -> bool:
        """Whether both have the same block at ``height``, and so the same below."""
        ours, theirs = await self.at(height)
        return ours == theirs


class Examiner:
    """Forms an opinion at each look. One look runs at a time, and nobody else touches it."""

    def __init__(self, slot: CoinSlot, clock: Clock) -> None:
        """Nothing is known of either node yet."""
        self._slot = slot
        self._clock = clock
        self._fork: Doubt | None = None
        self._away = ""
        self._ask_again_at = 0.0

    @property
    def fork(self) -> Doubt | None:
        """The disagreement that is not settled, None when there is none."""
        return self._fork

    def distrust(self, detail: str) -> None:
        """The nodes disagreed before this start: nothing is credited until they were compared."""
        if self._slot.settings.witness is not None:
            self._fork = Doubt(Finding.FORK, detail)

    async def examine(self, line: Sequence[BlockRef], head: Head) -> Opinion:
        """Look at the node that told ``head``; ``line`` is its chain as far as it is known, newest first.

        Raises CoinError when the node itself does not answer; what the witness does is never raised.
        """
        doubts: list[Doubt] = []
        node = self._slot.settings.node
        if node.peers_min:
            peers = await self._slot.coin.reader.peers()
            if peers < node.peers_min:
                doubts.append(
                    Doubt(Finding.FEW_PEERS, f"the node has {peers} peers, peers_min is {node.peers_min}")
                )
        tip_at = line[0].time if line[0].block_hash == head.block_hash else head.time
        if tip_at is not None and self._clock.now_s() - tip_at > node.stalled_after_s:
            doubts.append(
                Doubt(Finding.OLD_TIP, "no block came for long: is the node still connected to others?")
            )
        if self._slot.coin.witness is None:
            return Opinion(tuple(doubts))
        opinion = await self._hear(self._slot.coin.witness, line, head)
        return replace(opinion, doubts=(*doubts, *opinion.doubts))

    async def _hear(self, witness: ChainReader, line: Sequence[BlockRef], head: Head) -> Opinion:
        """The witness's part of the opinion; one that did not answer is left alone for a while."""
        settings = self._slot.settings.witness
        if settings is None or self._clock.monotonic() < self._ask_again_at:
            return self._without(self._away)
        try:
            async with asyncio.timeout(min(settings.timeout_s, ANSWER_MAX_S)):
                return await self._compare(witness, line, head)
        except NodeBehindError as error:
            return self._without(f"the second node: {error}", is_up=True)
        except (CoinError, TimeoutError) as error:
            self._away = f"the second node: {str(error) or 'no answer in time'}"
            self._ask_again_at = self._clock.monotonic() + settings.retry_max_s
            return self._without(self._away)

    async def _compare(self, witness: ChainReader, line: Sequence[BlockRef], head: Head) -> Opinion:
        """Compare at the depth that is credited, or at the witness's head where that is lower."""
        settings, hashes = self._slot.settings, _Hashes(self._slot.coin.reader, witness, line)
        await witness.identify()
        theirs = await witness.head()
        depth = min(each.confirmations for each in (settings, *self._slot.tokens))
        credited = max(0, line[0].height - depth + 1)
        height = min(credited, theirs.height)
        ours_hash, their_hash = await hashes.at(height)
        if ours_hash != their_hash:
            # Should a node stop answering while the fork is looked for, everything is held.
            self._fork = _parted(height, ours_hash, their_hash, NOTHING)
            fork = await hashes.last_common(height)
            self._fork = _parted(fork + 1, *await hashes.at(fork + 1), fork)
            return Opinion((self._fork,), is_witness_up=True)
        self._fork = None
        if theirs.height < credited:
            note = f"the second node is behind: it stands at {theirs.height}, the node at {head.height}"
            doubt = Doubt(Finding.WITNESS_BEHIND, note, theirs.height)
            return Opinion((doubt,) if settings.witness_required else (), note, is_witness_up=True)
        if theirs.height > head.height + settings.max_reorg:
            detail = f"the node stands at {head.height}, the second node at {theirs.height}"
            return Opinion((Doubt(Finding.NODE_BEHIND, detail),), is_witness_up=True)
        return Opinion(is_witness_up=True)

    def _without(self, detail: str, *, is_up: bool = False) -> Opinion:
        """The witness was not heard: a disagreement stays, and who requires it waits."""
        doubts = [self._fork] if self._fork is not None else []
        if self._slot.settings.witness_required:
            doubts.append(Doubt(Finding.WITNESS_AWAY, detail))
        return Opinion(tuple(doubts), detail, is_up)


def _parted(height: int, ours: str, theirs: str, credit_height: int) -> Doubt:
    """The nodes have different blocks at ``height``."""
    detail = f"at height {height} the node has {ours}, the second node has {theirs}"
    return Doubt(Finding.FORK, detail, credit_height)
