"""Random lives of a till: whatever happens, the books are those of the winning chain."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ledger.chain_delta import HANDLERS
from ledger.commands import ApplyChainDelta
from tests.ledger.life import STEPS, Life

SEEDS, LENGTH = 7, 80


@pytest.mark.parametrize("currency", ["BTC", "ETH"])
def test_seeded_lives_end_with_the_books_of_the_winning_chain(tmp_path: Path, currency: str) -> None:
    met: Counter[str] = Counter()
    for seed in range(SEEDS):
        _live(tmp_path / str(seed), currency, seed, LENGTH, met)
    # What a life must have met to mean anything: else the run is too short or too tame.
    for needed in (
        "deposit.final",
        "deposit.orphaned",
        "deposit.reversed",
        "withdrawal.final",
        "withdrawal.attention",
        "withdrawal.cancelled",
        "deposit.conflicted",
        "payout_undone",
        "unexplained",
        "deposit_released",
        "deposit_parked_again",
        "case_kept",
        "loss_admitted",
    ):
        assert met[needed], f"no run met {needed}: {sorted(met)}"


@pytest.mark.long
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("currency", ["BTC", "ETH"])
def test_many_seeded_lives(tmp_path: Path, currency: str) -> None:
    for seed in range(100, 400):
        _live(tmp_path / str(seed), currency, seed, 200, Counter())
        shutil.rmtree(tmp_path / str(seed))


def _live(folder: Path, currency: str, seed: int, length: int, met: Counter[str]) -> None:
    """One life; a failure says which seed and step to look at."""
    folder.mkdir()
    chance = random.Random(seed)
    life = Life(folder, currency)
    for number in range(length):
        step = chance.choice(STEPS)
        try:
            getattr(life, step)(chance.choice)
            life.check()
        except Exception as error:
            raise AssertionError(f"{currency} seed {seed} step {number} ({step}): {error!r}") from error
    met.update(life.till.events())
    met.update(row[0] for row in life.till.rows("SELECT kind FROM journal"))
    life.close()


class TillLife(RuleBasedStateMachine):
    """The same life led by hypothesis, which looks for the shortest way to break it."""

    currency = "BTC"

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cashier-till-"))
        self.life = Life(self.folder, self.currency)

    def teardown(self) -> None:
        if hasattr(self, "life"):
            self.life.close()
            shutil.rmtree(self.folder)

    @rule(steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=6), data=st.data())
    def live(self, steps: list[str], data: Any) -> None:
        for step in steps:
            getattr(self.life, step)(lambda choices: data.draw(st.sampled_from(list(choices))))

    @invariant()
    def the_books_are_right(self) -> None:
        if hasattr(self, "life"):
            self.life.check()


class AccountTillLife(TillLife):
    """The same on an account chain."""

    currency = "ETH"


_SETTINGS = settings(
    max_examples=8,
    stateful_step_count=12,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestTillLife = TillLife.TestCase
TestTillLife.settings = _SETTINGS
TestAccountTillLife = AccountTillLife.TestCase
TestAccountTillLife.settings = _SETTINGS


def test_the_delta_is_the_only_command_here() -> None:
    assert set(HANDLERS) == {ApplyChainDelta}
