"""Any tree of blocks, told in any order and any number of times, over crashes: the winner's books."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ledger.tree import Tree

WEIGHTS = {
    "grow": 9, "tell": 6, "again": 4, "crash": 3, "skip": 2, "late_address": 1, "look": 2, "poison": 1,
    "overtake": 2,
}  # fmt: skip
STEPS = [step for step, weight in WEIGHTS.items() for _ in range(weight)]
SEEDS, LENGTH = 6, 40


def lead(folder: Path, currency: str, steps: list[str], pick: Any) -> Counter[str]:
    """One story, from the first block to the comparison with the winner."""
    tree = Tree(folder, currency)
    try:
        for step in steps:
            getattr(tree, step)(pick)
            tree.check()
        tree.finish(pick)
        tree.met.update(row[0] for row in tree.till.rows("SELECT type FROM event"))
    finally:
        tree.close()
    return tree.met


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
@given(
    currency=st.sampled_from(["BTC", "ETH"]),
    steps=st.lists(st.sampled_from(STEPS), min_size=4, max_size=30),
    data=st.data(),
)
def test_d08_d27_whatever_comes_the_books_are_the_winning_chains(
    currency: str, steps: list[str], data: Any
) -> None:
    with tempfile.TemporaryDirectory(prefix="cashier-tree-") as folder:
        lead(Path(folder), currency, steps, lambda choices: data.draw(st.sampled_from(list(choices))))


@pytest.mark.parametrize("currency", ["BTC", "ETH"])
def test_d08_d27_seeded_trees_meet_everything_and_end_as_the_winner(tmp_path: Path, currency: str) -> None:
    met: Counter[str] = Counter()
    for seed in range(SEEDS):
        met.update(_lead_seeded(tmp_path / str(seed), currency, seed, LENGTH))
    for needed in (
        "undone", "refused", "stale", "crash", "lost commits", "old refused", "old taken",
        "deposit.final", "deposit.orphaned", "deposit.reversed", "deposit.parked",
    ):  # fmt: skip
        assert met[needed], f"no tree met {needed}: {sorted(met.items())}"


@pytest.mark.long
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("currency", ["BTC", "ETH"])
def test_d08_d27_many_seeded_trees(tmp_path: Path, currency: str) -> None:
    for seed in range(100, 400):
        with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
            _lead_seeded(Path(folder), currency, seed, 80)


def _lead_seeded(folder: Path, currency: str, seed: int, length: int) -> Counter[str]:
    rng = random.Random(seed)
    steps = rng.choices(STEPS, k=length)
    try:
        return lead(folder, currency, steps, lambda choices: rng.choice(list(choices)))
    except Exception as error:
        raise AssertionError(f"{currency} seed {seed}, {length} steps: {error!r}") from error
