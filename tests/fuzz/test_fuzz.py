"""One short seed per family, and what a seed means."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.fuzz.__main__ import SEEDS
from tests.fuzz.actions import OF_FAMILY, draw_actions, kinds_of
from tests.fuzz.run import play

FAMILIES = sorted(OF_FAMILY)


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
@pytest.mark.parametrize(("family", "seed"), [("bitcoin", 131), ("litecoin", 103), ("evm", 120)])
async def test_chain_and_books_agree_after_a_short_run(tmp_path: Path, family: str, seed: int) -> None:
    result = await play(tmp_path / "run", family, seed, 14)
    assert not result.wrong, "\n".join([result.replay, result.where, *result.wrong])
