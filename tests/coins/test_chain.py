"""Fork finding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coins.chain import NeedHeader, ReorgTooDeepError, Step, follow
from coins.types import BlockRef


def ours(top: int, count: int, branch: str = "a") -> list[BlockRef]:
    """``count`` blocks below and with height ``top``, newest first."""
    return [BlockRef(h, f"{branch}{h}", f"{branch}{h - 1}") for h in range(top, top - count, -1)]


def test_on_the_same_chain_the_next_block_is_read() -> None:
    assert follow(ours(9, 5), {9: "a9"}, 3) == Step((), 10)


def test_headers_are_asked_one_by_one() -> None:
    known = ours(9, 5)
    assert follow(known, {}, 3) == NeedHeader(9)
    assert follow(known, {9: "b9"}, 3) == NeedHeader(8)
    assert follow(known, {9: "b9", 8: "b8"}, 3) == NeedHeader(7)
    assert follow(known, {9: "b9", 8: "b8", 7: "a7"}, 3) == Step(tuple(known[:2]), 8)


def test_a_fork_below_the_guard_or_the_anchor_halts() -> None:
    known = ours(9, 3)
    headers = {h: f"b{h}" for h in range(10)}
    with pytest.raises(ReorgTooDeepError, match="more than 2 blocks"):
        follow(known, headers, 2)
    with pytest.raises(ReorgTooDeepError, match="within the 3 known"):
        follow(known, headers, 100)
    with pytest.raises(ReorgTooDeepError, match="within the 0 known"):
        follow([], headers, 100)


@given(st.integers(1, 40), st.integers(0, 40), st.integers(1, 50))
def test_the_fork_is_found_for_every_depth(count: int, depth: int, guard: int) -> None:
    known = ours(100, count)
    headers = {ref.height: ref.block_hash for ref in known}
    headers |= {height: f"b{height}" for height in range(100, 100 - depth, -1)}
    if depth > guard or depth >= count:
        with pytest.raises(ReorgTooDeepError):
            follow(known, headers, guard)
    else:
        assert follow(known, headers, guard) == Step(tuple(known[:depth]), 101 - depth)
