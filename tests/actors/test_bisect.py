"""The first bad block by halving, with few questions."""

from __future__ import annotations

import random

import pytest

from actors.bisect import first_bad


@pytest.mark.parametrize("bad", [1, 2, 4_999, 5_000, 5_001, 9_999, 10_000])
async def test_l11_ten_thousand_blocks_take_fewer_than_twenty_comparisons(bad: int) -> None:
    asked: list[int] = []

    async def is_bad(height: int) -> bool:
        asked.append(height)
        return height >= bad

    assert await first_bad(0, 10_000, is_bad) == bad
    assert len(asked) < 20
    assert len(set(asked)) == len(asked)


async def test_where_it_turns_bad_and_good_again_one_turn_is_found() -> None:
    rng = random.Random(1)
    for _ in range(50):
        states = [False, *(rng.random() < 0.5 for _ in range(98)), True]

        async def is_bad(height: int, states: list[bool] = states) -> bool:
            return states[height]

        found = await first_bad(0, 99, is_bad)
        assert states[found]
        assert not states[found - 1]


async def test_nothing_lies_between_a_height_and_itself() -> None:
    async def never(height: int) -> bool:
        raise AssertionError(height)

    assert await first_bad(4, 5, never) == 5
    with pytest.raises(ValueError, match="not below"):
        await first_bad(5, 5, never)
