"""The rules are read as shipped, and fire when they should and no sooner."""

from __future__ import annotations

import asyncio

import pytest

from monitoring.metrics import Metrics
from tests.simulation.alarms import Alarms, read_rules
from tests.simulation.loop import LoopClock, NothingEverHappensError, run_virtually

ABOUT_REQUESTS = {"CashierRequestsFail", "CashierRequestsSlow"}
"""Rules about more than one metric: nobody asks over HTTP in a simulated day."""
NOW = 1_000


def fired(alarms: Alarms) -> list[tuple[str, str, int]]:
    return [(each.name, each.currency, each.fired_at) for each in alarms.fired]


def look(alarms: Alarms, metrics: Metrics, *at: int) -> None:
    for moment in at:
        alarms.look(moment, metrics.registry)


def test_every_rule_is_read_but_those_about_requests() -> None:
    rules, others = read_rules()
    assert set(others) == ABOUT_REQUESTS
    assert len({rule.name for rule in rules}) == len(rules) > 15
    old = next(rule for rule in rules if rule.name == "CashierReconciliationOld")
    assert (old.bound, old.for_s) == (6 * 3600, 600)


def test_a_difference_fires_at_once_and_once_until_it_is_over() -> None:
    alarms, metrics = Alarms(), Metrics()
    coin = metrics.currency("BTC", 8)
    look(alarms, metrics, NOW)
    coin.reconciled(-1, NOW, is_ok=False)
    look(alarms, metrics, NOW + 60, NOW + 120)
    coin.reconciled(0, NOW, is_ok=True)
    look(alarms, metrics, NOW + 180)
    coin.reconciled(-1, NOW, is_ok=False)
    look(alarms, metrics, NOW + 240)
    name = "CashierUnexplainedDifference"
    assert fired(alarms) == [(name, "BTC", NOW + 60), (name, "BTC", NOW + 240)]


def test_what_has_to_last_fires_when_it_lasted() -> None:
    alarms, metrics = Alarms(), Metrics()
    metrics.currency("BTC", 8).state("down")
    look(alarms, metrics, *range(NOW, NOW + 900, 60))
    assert fired(alarms) == []
    look(alarms, metrics, NOW + 900)
    assert fired(alarms) == [("CashierCurrencyNotWorking", "BTC", NOW + 900)]


def test_a_case_fires_when_it_is_new_and_not_after_a_restart() -> None:
    alarms, first, second = Alarms(), Metrics(), Metrics()
    first.currency("BTC", 8).open_work(0, 1)
    look(alarms, first, *range(NOW, NOW + 600, 60))
    second.currency("BTC", 8)
    look(alarms, second, NOW + 600)
    second.currency("BTC", 8).open_work(0, 1)
    look(alarms, second, *range(NOW + 660, NOW + 9_000, 60))
    assert fired(alarms) == []
    second.currency("BTC", 8).open_work(0, 2)
    look(alarms, second, NOW + 9_000)
    assert fired(alarms) == [("CashierCaseOpened", "BTC", NOW + 9_000)]


def test_a_counter_that_began_anew_did_not_fall() -> None:
    alarms, first, second = Alarms(), Metrics(), Metrics()
    for _ in range(3):
        first.currency("BTC", 8).deposit("reversed", 1)
    look(alarms, first, NOW)
    second.currency("BTC", 8)
    look(alarms, second, NOW + 60)
    assert fired(alarms) == []
    second.currency("BTC", 8).deposit("reversed", 1)
    look(alarms, second, NOW + 120)
    assert fired(alarms) == [("CashierDepositsReversed", "BTC", NOW + 120)]


def test_a_day_on_the_virtual_loop_takes_no_time() -> None:
    async def main() -> list[float]:
        clock = LoopClock(asyncio.get_running_loop(), NOW)
        woken: list[float] = []
        timer = clock.timer(50_000, lambda: woken.append(-1))
        clock.timer(60_000, lambda: woken.append(clock.monotonic()))
        timer.cancel()
        await clock.sleep(86_400)
        clock.set_by(-100)
        return [*woken, clock.monotonic(), clock.now_s() - NOW]

    assert run_virtually(main) == pytest.approx([60_000, 86_400, 86_300])


def test_a_loop_that_nothing_will_wake_says_so() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(NothingEverHappensError):
        run_virtually(main)
