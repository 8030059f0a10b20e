"""The process ends at every point where ending hurts: what was answered stays, nothing is half done."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.verify import verify_file
from tests.fakes.oracle import check_books
from tests.ledger.books import NOW, balance, codes, fund, make_books, open_store, rows, transfer
from tests.ledger.killed import BATCHES, PARTIES, next_batch

POINTS = ("before-begin", "before-commit", "after-commit", "before-checkpoint")
"""Those of the store; the others lie on the way of a payout."""


def run_killed(folder: Path, seed: int, point: str) -> int:
    """Exit code of a run that is killed at ``point`` (``name:k``)."""
    environment = {**os.environ, "CASHIER_FAILPOINT": point}
    command = [sys.executable, "-m", "tests.ledger.killed", str(folder), str(seed)]
    return subprocess.run(command, env=environment, check=False, timeout=60).returncode


def acknowledged(folder: Path) -> list[str]:
    path = folder / "acknowledged"
    return path.read_text().split() if path.exists() else []


def prepare(folder: Path) -> Path:
    store = make_books(folder)
    fund(store, "alice", 2_000)
    fund(store, "house", 1_000)
    store.close()
    return store.path


@pytest.mark.parametrize("name", POINTS)
@pytest.mark.parametrize("passing", [1, 2, BATCHES])
def test_l05_killed_at_a_commit_nothing_answered_is_lost(tmp_path: Path, name: str, passing: int) -> None:
    path = prepare(tmp_path)
    assert run_killed(tmp_path, 1, f"{name}:{passing}") == 137
    told = acknowledged(tmp_path)
    assert check_books(path, {"transfer": told}) == []
    assert verify_file(path) == []
    kept = {row[0] for row in rows(path, "SELECT id FROM transfer")}
    if name in ("before-begin", "before-commit"):
        assert kept == set(told)
    # After the commit and before the answer: done and not told. The same keys must not do it twice.
    store = open_store(tmp_path)
    chance = random.Random(1)
    for batch_number in range(BATCHES):
        commands = next_batch(chance, 1, batch_number)
        store.apply_batch(commands, NOW)
    store.close()
    (total,) = rows(path, "SELECT count(*), count(DISTINCT id) FROM transfer")
    assert total[0] == total[1]
    assert check_books(path, {"transfer": told}) == []
    money = sum(balance(path, f"client:{party}:BTC:available") for party in PARTIES if party != "house")
    assert money + balance(path, "house:BTC") == 3_000


def test_l05_killed_again_and_again_the_books_stay_right(tmp_path: Path) -> None:
    path = prepare(tmp_path)
    chance = random.Random(5)
    for seed in range(2, 8):
        point = f"{chance.choice(POINTS)}:{chance.randint(1, BATCHES)}"
        assert run_killed(tmp_path, seed, point) == 137
        assert check_books(path, {"transfer": acknowledged(tmp_path)}) == []
        assert verify_file(path) == []


def test_without_the_variable_a_point_is_nothing(tmp_path: Path) -> None:
    prepare(tmp_path)
    assert run_killed(tmp_path, 1, "") == 0
    assert len(acknowledged(tmp_path)) > 0


@pytest.mark.parametrize("text", ["nowhere:1", "after-commit", "after-commit:0", "after-commit:x", ":1"])
def test_a_point_that_does_not_exist_is_refused(tmp_path: Path, text: str) -> None:
    prepare(tmp_path)
    assert run_killed(tmp_path, 1, text) == 1


def test_replayed_keys_answer_what_was_committed(tmp_path: Path) -> None:
    path = prepare(tmp_path)
    store = open_store(tmp_path)
    assert codes(store.apply_batch([transfer(1, "alice", "bob", 5)] * 2, NOW)) == [None, None]
    store.close()
    assert rows(path, "SELECT count(*) FROM transfer") == [(1,)]
