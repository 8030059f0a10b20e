"""One look at a node: which result each answer of the node leads to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from actors.look import AtTip, FirstBlock, Moved, Trouble, look
from coins.errors import (
    CoinError,
    NodeBehindError,
    NodeDataError,
    NodeSyncingError,
    NodeUnavailableError,
    WrongNetworkError,
)
from coins.family import Coin
from coins.types import Block, BlockRef, Head, MempoolView


class Script:
    """A reader over a list of blocks, oldest first, that says what it is told to."""

    def __init__(self, chain: Sequence[BlockRef]) -> None:
        self.chain = list(chain)
        self.error: CoinError | None = None
        self.identified = 0
        self.heads: list[Head] = []

    async def identify(self) -> None:
        self.identified += 1
        if self.error is not None:
            raise self.error

    async def head(self) -> Head:
        if self.heads:
            return self.heads.pop(0)
        tip = self.chain[-1]
        return Head(tip.height, tip.block_hash, tip.work)

    async def block_ref(self, height: int) -> BlockRef | None:
        return next((ref for ref in self.chain if ref.height == height), None)

    async def block_refs(self, first: int, last: int) -> Sequence[BlockRef]:
        return [ref for ref in self.chain if first <= ref.height <= last]

    async def read_block(self, height: int, block_hash: str, index: Any) -> Block:
        ref = await self.block_ref(height)
        assert ref is not None
        return Block(ref)

    async def mempool(self, index: Any) -> MempoolView:
        return MempoolView((), frozenset())


def line(*names: str, start: int = 10, work: bool = True, below: str = "root") -> list[BlockRef]:
    """Linked blocks called like this, oldest first."""
    refs = []
    for height, name in enumerate(names, start):
        refs.append(BlockRef(height, name, below, 0, height if work else None))
        below = name
    return refs


def coin_of(reader: Script) -> Coin:
    """A coin with this reader and nothing else."""
    return Coin("BTC", "bitcoin", reader, None, None, None)  # type: ignore[arg-type]


async def see(reader: Script, known: Sequence[BlockRef], max_reorg: int = 5, blocks_max: int = 10) -> Any:
    """Look with ``known`` oldest first."""
    return await look(coin_of(reader), tuple(reversed(known)), 7, max_reorg, blocks_max)


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (NodeUnavailableError("gone"), "down"),
        (NodeSyncingError("-28"), "behind"),
        (NodeBehindError("short"), "behind"),
        (WrongNetworkError("other"), "halted"),
        (NodeDataError("nonsense"), "halted"),
    ],
)
async def test_each_trouble_of_a_node_is_a_state(error: CoinError, state: str) -> None:
    reader = Script(line("a", "b"))
    reader.error = error
    assert await see(reader, line("a", "b")) == Trouble(state, str(error))


async def test_every_look_asks_first_whether_it_is_the_right_node() -> None:
    reader = Script(line("a", "b"))
    for _ in range(3):
        await see(reader, line("a", "b"))
    assert reader.identified == 3


async def test_the_first_look_takes_the_best_block_as_anchor() -> None:
    refs = line("a", "b")
    assert await see(Script(refs), []) == FirstBlock(refs[-1])


async def test_new_blocks_are_read_in_parent_order_and_in_steps() -> None:
    refs = line("a", "b", "c", "d", "e")
    seen = await see(Script(refs), refs[:1], blocks_max=3)
    assert isinstance(seen, Moved)
    assert [block.ref.block_hash for block in seen.delta.connected] == ["b", "c", "d"]
    assert (seen.delta.disconnected, seen.delta.address_seq, seen.is_last) == ((), 7, False)
    seen = await see(Script(refs), refs[:4], blocks_max=3)
    assert isinstance(seen, Moved)
    assert seen.is_last


async def test_a_heavier_branch_undoes_newest_first_down_to_the_fork() -> None:
    old = line("a", "b", "c")
    new = [*old[:1], *line("x", "y", "z", start=11, below="a")]
    seen = await see(Script(new), old)
    assert isinstance(seen, Moved)
    assert [ref.block_hash for ref in seen.delta.disconnected] == ["c", "b"]
    assert [block.ref.block_hash for block in seen.delta.connected] == ["x", "y", "z"]


async def test_a_branch_of_less_work_is_a_node_behind() -> None:
    seen = await see(Script(line("a", "b")), line("a", "b", "c"))
    assert isinstance(seen, Trouble)
    assert seen.state == "behind"


async def test_a_higher_branch_of_less_work_is_not_followed() -> None:
    known = [replace(ref, work=ref.work and ref.work * 10) for ref in line("a", "b", "c")]
    longer = [known[0], *line("x", "y", "z", start=11, below="a")]
    seen = await see(Script(longer), known)
    assert isinstance(seen, Trouble)
    assert seen.state == "behind"


async def test_of_two_branches_with_equal_work_the_known_one_stays() -> None:
    known = line("a", "b")
    other = [known[0], *line("x", start=11, below="a")]
    seen = await see(Script(other), known)
    assert isinstance(seen, AtTip)
    assert seen.mempool is None


async def test_without_work_a_height_that_is_gone_means_a_node_behind() -> None:
    known = line("a", "b", "c", work=False)
    seen = await see(Script(known[:2]), known)
    assert isinstance(seen, Trouble)
    assert seen.state == "behind"


async def test_a_fork_below_the_guard_is_halted() -> None:
    old = line("a", "b", "c", "d")
    new = [*old[:1], *line("w", "x", "y", "z", start=11, below="a")]
    seen = await see(Script(new), old, max_reorg=2)
    assert isinstance(seen, Trouble)
    assert seen.state == "halted"


async def test_blocks_that_do_not_link_are_left_for_the_next_look() -> None:
    refs = line("a", "b", "c")
    broken = [*refs[:2], replace(refs[2], parent_hash="elsewhere")]
    seen = await see(Script(broken), refs[:1])
    assert isinstance(seen, Moved)
    assert [block.ref.block_hash for block in seen.delta.connected] == ["b"]
    assert not seen.is_last


async def test_a_block_that_is_not_the_one_asked_for_is_nonsense() -> None:
    refs = line("a", "b")
    reader = Script(refs)

    async def another(height: int, block_hash: str, index: Any) -> Block:
        return Block(replace(refs[1], block_hash="other"))

    reader.read_block = another  # type: ignore[method-assign]
    seen = await see(reader, refs[:1])
    assert isinstance(seen, Trouble)
    assert seen.state == "halted"


@pytest.mark.parametrize(("above", "expected"), [("d", (12, 11)), ("other", (None, None))])
async def test_e20_tags_count_for_the_chain_of_the_head_they_were_told_with(
    above: str, expected: tuple[int | None, int | None]
) -> None:
    refs = line("a", "b", "c", "d", work=False)
    reader = Script(refs)
    reader.heads = [Head(13, "d", None, 12, 11)]
    reader.chain[-1] = replace(refs[-1], block_hash=above)
    seen = await see(reader, refs[:1], blocks_max=2)
    assert isinstance(seen, Moved)
    assert (seen.delta.safe_height, seen.delta.finalized_height) == expected
    reader = Script(refs)
    reader.heads = [Head(13, "d", None, 12, 11)]
    seen = await see(reader, refs[:1])
    assert isinstance(seen, Moved)
    assert (seen.is_last, seen.delta.safe_height, seen.delta.finalized_height) == (True, 12, 11)


async def test_the_mempool_counts_only_while_the_head_stays() -> None:
    refs = line("a", "b")
    reader = Script(refs)
    seen = await see(reader, refs)
    assert isinstance(seen, AtTip)
    assert seen.mempool is not None
    reader.heads = [Head(11, "b", 11), Head(12, "c", 12)]
    seen = await see(reader, refs)
    assert isinstance(seen, AtTip)
    assert seen.mempool is None


class MovingScript(Script):
    """A node whose chain becomes another one after so many bodies were read."""

    def __init__(self, chain: Sequence[BlockRef], after: int, then: Sequence[BlockRef]) -> None:
        super().__init__(chain)
        self.after, self.then, self.all = after, list(then), [*chain, *then]
        self.read: list[str] = []

    async def read_block(self, height: int, block_hash: str, index: Any) -> Block:
        ref = next(ref for ref in self.all if ref.block_hash == block_hash)
        self.read.append(block_hash)
        if len(self.read) == self.after:
            self.chain = self.then
        return Block(ref)


async def test_a_reorg_in_the_middle_of_a_window_is_followed_by_the_next_look() -> None:
    refs = line("a", "b", "c", "d", "e")
    other = [*refs[:3], *line("x", "y", "z", start=13, below="c")]
    reader = MovingScript(refs, 1, other)
    known = refs[:1]
    seen = await see(reader, known, blocks_max=10)
    assert isinstance(seen, Moved)
    assert [block.ref.block_hash for block in seen.delta.connected] == ["b", "c", "d", "e"]
    assert not seen.is_last or seen.head.block_hash == "e"
    known = [*known, *(block.ref for block in seen.delta.connected)]
    seen = await see(reader, known)
    assert isinstance(seen, Moved)
    assert [ref.block_hash for ref in seen.delta.disconnected] == ["e", "d"]
    assert [block.ref.block_hash for block in seen.delta.connected] == ["x", "y", "z"]
    assert seen.is_last


async def test_a_node_that_dies_in_the_middle_of_a_window_loses_nothing() -> None:
    refs = line("a", "b", "c", "d")
    reader = Script(refs)
    honest, reads = reader.read_block, 0

    async def dying(height: int, block_hash: str, index: Any) -> Block:
        nonlocal reads
        reads += 1
        if reads == 2:
            raise NodeUnavailableError("died")
        return await honest(height, block_hash, index)

    reader.read_block = dying  # type: ignore[method-assign]
    assert await see(reader, refs[:1]) == Trouble("down", "died")
    seen = await see(reader, refs[:1])
    assert isinstance(seen, Moved)
    assert [block.ref.block_hash for block in seen.delta.connected] == ["b", "c", "d"]


async def test_places_of_another_branch_or_in_wrong_order_are_not_read() -> None:
    refs = line("a", "b", "c")
    reader = Script(refs)

    async def shuffled(first: int, last: int) -> Sequence[BlockRef]:
        return [refs[2], refs[1]]

    reader.block_refs = shuffled  # type: ignore[method-assign]
    assert await see(reader, refs[:1]) == AtTip(Head(12, "c", 12), None)


async def test_the_places_of_the_next_look_are_asked_for_too_but_not_read() -> None:
    refs = line(*"abcdefgh")
    reader = Script(refs)
    asked: list[tuple[int, int]] = []
    honest = reader.block_refs

    async def noted(first: int, last: int) -> Sequence[BlockRef]:
        asked.append((first, last))
        return await honest(first, last)

    reader.block_refs = noted  # type: ignore[method-assign]
    seen = await see(reader, refs[:1], blocks_max=3)
    assert isinstance(seen, Moved)
    assert len(seen.delta.connected) == 3
    assert asked == [(11, 16)]


async def test_without_a_fork_no_single_place_is_asked_for() -> None:
    refs = line(*"abcd")
    reader = Script(refs)
    asked: list[int] = []
    honest = reader.block_ref

    async def noted(height: int) -> BlockRef | None:
        asked.append(height)
        return await honest(height)

    async def reading(height: int, block_hash: str, index: Any) -> Block:
        return Block(next(ref for ref in refs if ref.block_hash == block_hash))

    reader.block_ref, reader.read_block = noted, reading  # type: ignore[method-assign]
    assert isinstance(await see(reader, refs[:1]), Moved)
    assert asked == []
    other = [refs[0], *line("x", start=11, below="a")]
    seen = await see(reader, other)
    assert isinstance(seen, Moved)
    assert [ref.block_hash for ref in seen.delta.disconnected] == ["x"]
    assert [block.ref.block_hash for block in seen.delta.connected] == ["b", "c", "d"]
    assert asked == [11, 10]
