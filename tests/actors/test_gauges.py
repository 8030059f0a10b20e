"""Metrics of the books and the actors: what an operator sees is what is there."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pykka import ActorRegistry

from coins.errors import NodeUnavailableError
from coins.types import BroadcastOutcome, BroadcastResult
from tests.actors.desk import Desk, open_desk
from tests.actors.doors import UNAVAILABLE
from tests.actors.house import actor_of

BTC = {"currency": "BTC"}


def value(desk: Desk, name: str, **labels: str) -> Any:
    """A sample as it would be scraped now."""
    return desk.metrics.registry.get_sample_value(f"cashier_{name}", labels)


async def test_waiting_withdrawals_and_the_hot_wallet_are_measured(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", 1_000_000)
        await desk.pass_time(6)
        assert value(desk, "hot_balance_units", **BTC) == 0.01
        assert value(desk, "hot_float_seconds", **BTC) == float("inf")
        assert value(desk, "withdrawal_oldest_unsigned_seconds", **BTC) == 0
        desk.readers["BTC"].trouble = NodeUnavailableError("gone")
        await desk.withdraw("alice", 100_000)
        await desk.pass_time(10)
        assert value(desk, "withdrawal_oldest_unsigned_seconds", **BTC) == 10
        desk.readers["BTC"].trouble = None
        await desk.pass_time(10)
        assert value(desk, "withdrawal_oldest_unsigned_seconds", **BTC) == 0
        assert value(desk, "withdrawal_oldest_unconfirmed_seconds", **BTC) == 20
        await desk.mine(6)
        await desk.pass_time(6)
        assert value(desk, "withdrawal_oldest_unconfirmed_seconds", **BTC) == 0
        hot = 1_000_000 - 100_000 - 100
        assert value(desk, "hot_balance_units", **BTC) == hot / 10**8
        assert value(desk, "hot_float_seconds", **BTC) == hot * 604_800 / 100_000
        assert value(desk, "network_fees_units_total", **BTC) == 100 / 10**8


async def test_w13_what_the_hot_wallet_lacks_is_told_until_it_is_funded(tmp_path: Path) -> None:
    bounds = {"HOT_FLOOR": "0.02", "HOT_TARGET": "0.03", "HOT_CEILING": "0.05"}
    environ = {f"CASHIER__COINS__BTC__{name}": amount for name, amount in bounds.items()}
    async with open_desk(tmp_path, environ=environ) as desk:
        await desk.fund("alice", 1_000_000)
        await desk.pass_time(6)
        assert value(desk, "hot_missing_units", **BTC) == 0.02
        assert value(desk, "hot_excess_units", **BTC) == 0
        await desk.fund("alice", 5_000_000)
        await desk.pass_time(6)
        assert value(desk, "hot_missing_units", **BTC) == 0
        assert value(desk, "hot_excess_units", **BTC) == 0.03


async def test_deposits_and_withdrawals_are_counted_by_state_once(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.pass_time(6)
        await desk.fund("alice", 1_000_000)
        await desk.withdraw("alice", 100_000)
        await desk.rest()
        await desk.mine(6)
        await desk.pass_time(20, 5)
        for state in ("confirming", "credited", "final"):
            assert value(desk, "deposits_total", state=state, **BTC) == 1
            assert value(desk, "deposits_amount_units_total", state=state, **BTC) == 0.01
        for state in ("approved", "signed", "broadcast", "confirmed", "final"):
            assert value(desk, "withdrawals_total", state=state, **BTC) == 1
        assert value(desk, "withdrawals_total", state="failed", **BTC) == 0


async def test_what_happens_before_the_first_look_or_between_two_lives_is_counted(tmp_path: Path) -> None:
    """A deposit that a reorganisation took back while the process was down must ring as any other."""
    async with open_desk(tmp_path) as desk:
        await desk.pay("alice", 1_000_000)
        await desk.mine(3)
        await desk.pass_time(6)
        assert value(desk, "deposits_total", state="credited", **BTC) == 1
        gauges = next(actor_of(ref) for ref in ActorRegistry.get_all() if actor_of(ref).address == "gauges")
        gauges.kill()
        await desk.mine(3)
        await desk.pass_time(20, 5)
        assert value(desk, "deposits_total", state="final", **BTC) == 1
        assert value(desk, "deposits_total", state="credited", **BTC) == 1
        chains = desk.chains
    async with open_desk(tmp_path, is_started=False) as desk:
        desk.chains = chains
        await desk.start()
        await desk.pay("alice", 1_000_000)
        await desk.mine(3)
        await desk.pass_time(6)
        assert value(desk, "deposits_total", state="credited", **BTC) == 1
        assert value(desk, "deposits_total", state="final", **BTC) == 0


async def test_attention_and_open_cases_are_measured(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", 1_000_000)
        await desk.pay("bob", 1_000)  # below the minimum: parked, a case
        await desk.mine()

        async def no_answer(_: Any) -> BroadcastResult:
            return BroadcastResult(BroadcastOutcome.UNKNOWN, "no answer")

        desk.spenders["BTC"].broadcast = no_answer  # type: ignore[method-assign,assignment]
        await desk.withdraw("alice", 100_000)
        await desk.pass_time(6)
        assert value(desk, "withdrawals_attention", **BTC) == 1
        assert value(desk, "cases_open", **BTC) == 1


async def test_actors_and_the_log_of_the_database_are_measured(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.pass_time(6)
        for name in ("ledger", "ledger_reader", "watcher:BTC", "notifier", "gateway"):
            assert value(desk, "actor_up", actor=name) == 1
            assert value(desk, "actor_inbox_messages", actor=name) is not None
        assert value(desk, "ledger_wal_bytes") > 0


async def test_a_loop_that_comes_late_is_measured(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.pass_time(1)
        assert value(desk, "event_loop_lag_seconds") == 0
        honest = desk.clock.sleep

        async def late(seconds: float) -> None:
            await honest(seconds + 0.5)

        desk.clock.sleep = late  # type: ignore[method-assign]
        await desk.clock.advance(1)
        assert value(desk, "event_loop_lag_seconds") == 0.5
        desk.clock.sleep = honest  # type: ignore[method-assign]


async def test_books_that_do_not_answer_are_measured_later(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        assert desk.loop_reader is not None
        desk.loop_reader.fault = UNAVAILABLE
        await desk.clock.advance(6)
        desk.loop_reader.fault = None
        assert (await desk.tree_states())["gauges"] == "up"
        await desk.fund("alice", 1_000_000)
        await desk.pass_time(6)
        assert value(desk, "hot_balance_units", **BTC) == 0.01


async def test_a_coin_that_gave_up_while_the_ledger_was_away_is_shown_halted(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        desk.directory.gone("coin:BTC")
        await desk.pass_time(6)
        assert await desk.state() == "halted"


async def test_the_age_of_a_rate_is_told_and_whether_it_still_gives_values(tmp_path: Path) -> None:
    table = tmp_path / "rates.json"
    source = {
        "CASHIER__RATES__FILE": str(table),
        "CASHIER__RATES__POLL_S": "10",
        "CASHIER__RATES__MAX_AGE_S": "60",
    }
    async with open_desk(tmp_path, environ=source) as desk:
        await desk.pass_time(6)
        assert (value(desk, "rate_usable", **BTC), value(desk, "rate_age_seconds", **BTC)) == (0, 0)
        at = datetime.fromtimestamp(desk.clock.now_s(), UTC).isoformat()
        table.write_text(json.dumps({"at": at, "rates": {"BTC": "61234.5"}}))
        await until(desk, "rate_usable", 1)
        young = value(desk, "rate_age_seconds", **BTC)
        assert 0 <= young <= 60
        table.write_text("{")
        await until(desk, "rate_usable", 0)
        assert value(desk, "rate_age_seconds", **BTC) > 60


async def until(desk: Desk, name: str, wanted: float) -> None:
    """Let time pass until a gauge of BTC is so."""
    for _ in range(30):
        if value(desk, name, **BTC) == wanted:
            return
        await desk.pass_time(6)
    raise AssertionError(f"{name} is {value(desk, name, **BTC)}")


async def test_without_a_source_nothing_is_told_of_rates(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.pass_time(6)
        assert value(desk, "rate_usable", **BTC) is None
        assert value(desk, "rate_age_seconds", **BTC) is None
