"""One short seed per family, and what a seed means."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from tests.fuzz.__main__ import SEEDS
from tests.fuzz.actions import OF_FAMILY, draw_actions, kinds_of
from tests.fuzz.run import play

FAMILIES = sorted(OF_FAMILY)
SHORT, STEPS = {"bitcoin": 131, "litecoin": 103, "evm": 120}, 14
"""Seeds whose first steps already kill both sides and undo blocks."""


@pytest.mark.parametrize("family", FAMILIES)
def test_a_seed_is_a_sequence(family: str) -> None:
    assert draw_actions(family, 7) == draw_actions(family, 7)
    assert draw_actions(family, 7) != draw_actions(family, 8)
    assert draw_actions(family, 7, 90)[:40] != []


@pytest.mark.parametrize("family", FAMILIES)
def test_every_kind_comes_often_in_a_whole_run(family: str) -> None:
    drawn = Counter(action.kind for seed in range(SEEDS) for action in draw_actions(family, seed))
    assert set(drawn) == set(kinds_of(family))
    assert min(drawn.values()) >= 10, drawn


@pytest.mark.node
@pytest.mark.timeout(240)
async def test_chain_and_books_agree_after_short_runs(tmp_path: Path) -> None:
    # Side by side: they wait for real processes most of their time.
    results = await asyncio.gather(
        *(play(tmp_path / family, family, seed, STEPS) for family, seed in SHORT.items())
    )
    for result in results:
        assert not result.wrong, "\n".join([result.replay, result.where, *result.wrong])
        assert result.met["withdrawal final"] + result.met["deposit final"] >= 4
