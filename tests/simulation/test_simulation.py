"""A day of the cashier without a false alarm; and the same day with one base unit missing, which is found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.ledger.books import rows
from tests.simulation.judge import judge, scheduled
from tests.simulation.loop import run_virtually
from tests.simulation.planted import PLANTS, Planted, simulate_planted
from tests.simulation.simulation import SCRAPE_S, Simulation, simulate
from tests.simulation.world import CURRENCIES, World
from tests.source import REPOSITORY

DAY_H = 24.0
SEED = 24
PLANTED_SEED = 3
LEAST = {"BTC": 100, "LTC": 200, "ETH": 220, "USDT-ETH": 220}
"""Comparisons on schedule in a day: at most one in five minutes, and one for each block."""


DENSE = {"BTC": 100, "LTC": 400, "ETH": 4000, "USDT-ETH": 4000}
"""The same where every block is compared."""


def run(work: Callable[[], Awaitable[Simulation]]) -> World:
    """A simulated day in a few seconds."""
    simulation = run_virtually(work)
    assert isinstance(simulation, Simulation)
    return simulation.world


def check(world: World, least: dict[str, int]) -> None:
    """Nothing is wrong, everything planned came to pass, and it was looked at."""
    assert judge(world) == []
    counts = scheduled(world)
    assert {name: counts[name] >= least[name] for name in CURRENCIES} == dict.fromkeys(CURRENCIES, True)
    assert world.alarms.looks > 1000
    assert "CashierCaseOpened" in fired(world)


def fired(world: World) -> set[str]:
    """Alarms that something planned had for its reason."""
    return {alarm.name for alarm in world.alarms.fired}


@pytest.mark.timeout(600)
def test_g13_g14_a_day_of_operation_without_a_false_alarm(tmp_path: Path) -> None:
    world = run(lambda: simulate(tmp_path, SEED, DAY_H))
    check(world, LEAST)
    assert {"CashierCurrencyNotWorking", "CashierDepositsReversed"} <= fired(world)
    done = world.done
    for kind in ("reorg", "payments taken back", "node_down", "node_lags", "crash", "kill", "unmined"):
        assert done[kind], kind
    for what in ("withdraw", "approve payout", "approve cold", "from_cold", "adjust", "blocks undone"):
        assert done[what], what


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("how", "currency"), [("booked", "BTC"), ("read", "LTC"), ("taken", "ETH"), ("taken", "USDT-ETH")]
)
def test_g13_one_unit_missing_is_reported_by_the_next_comparison_and_holds_payouts(
    tmp_path: Path, how: str, currency: str
) -> None:
    simulation, planted = run_virtually(lambda: simulate_planted(tmp_path, PLANTED_SEED, how, currency))
    check_planted(simulation.world, planted)


def check_planted(world: World, planted: Planted) -> None:
    """Reported at once, at its block, as what it is; its currency pays nobody, no other one is touched."""
    path, currency = world.cashier.path, planted.currency
    sql = (
        "SELECT status, height, created_at, lines FROM reconciliation WHERE cause = 'schedule'"
        " AND currency = ? AND height >= ? AND created_at >= ? ORDER BY number"
    )
    told = rows(path, sql, currency, planted.height, planted.at_s)
    assert {status for status, *_ in told} == {"mismatch"}
    assert {sum(line["difference"] for line in json.loads(lines)) for *_, lines in told} == {-1}
    others = "SELECT count(*) FROM reconciliation WHERE status <> 'ok' AND (currency <> ? OR created_at < ?)"
    assert rows(path, others, currency, planted.at_s) == [(0,)]
    cases = (
        "SELECT currency, kind, amount, block_height, status, reason FROM unclaimed_case"
        " WHERE kind IN ('short', 'surplus', 'unexplained')"
    )
    ((*case, reason),) = rows(path, cases)
    assert case == [currency, "short", "1", planted.height, "open"]
    assert reason.startswith(f"{PLANTS[planted.how][1]}:")
    found_at = told[0][2]
    alarms = [each for each in world.alarms.fired if each.name == "CashierUnexplainedDifference"]
    assert {each.currency for each in alarms} == {currency}  # again after a restart of the process
    assert found_at <= alarms[0].fired_at <= found_at + 2 * SCRAPE_S
    held = "SELECT status, waiting_for FROM withdrawal WHERE id = ?"
    assert rows(path, held, planted.withdrawal_id) == [("approved", "funds")]
    attempts = (
        "SELECT count(*) FROM attempt a JOIN intent i ON i.id = a.intent_id"
        " WHERE i.currency = ? AND i.kind = 'payout' AND a.created_at > ?"
    )
    assert rows(path, attempts, currency, found_at) == [(0,)]


@pytest.mark.timeout(300)
def test_the_same_seed_gives_the_same_journal_in_another_process(tmp_path: Path) -> None:
    hashes = set()
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        command = [sys.executable, "-m", "tests.simulation", "--seed", "5", "--hours", "2", "--json"]
        told = subprocess.run(
            [*command, "--folder", str(folder)],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONHASHSEED": str(number)},
            capture_output=True,
            check=True,
        )
        report = json.loads(told.stdout)
        assert report["wrong"] == []
        hashes.add(report["journal"])
    assert len(hashes) == 1


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(101, 105))
def test_g13_g14_dense_days_without_a_false_alarm(tmp_path: Path, seed: int) -> None:
    """Ethereum's pace, four times the clients, a comparison after every block."""
    world = run(lambda: simulate(tmp_path, seed, DAY_H, is_dense=True))
    check(world, DENSE)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("how", PLANTS)
@pytest.mark.parametrize("currency", CURRENCIES)
@pytest.mark.parametrize("seed", [7, 8])
def test_g13_one_unit_missing_of_any_currency(tmp_path: Path, how: str, currency: str, seed: int) -> None:
    simulation, planted = run_virtually(lambda: simulate_planted(tmp_path, seed, how, currency))
    check_planted(simulation.world, planted)
