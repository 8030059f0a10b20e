"""The chain's own answer beside the books: agrees, differs, cannot be had; told, never repaired."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from actors.messages import ListReconciliations, Reconcile
from coins.errors import NodeUnavailableError
from ledger.errors import CurrencyUnavailableError, ReconciliationBusyError
from tests.actors.desk import Desk, open_desk
from tests.ledger.books import rows


async def results(desk: Desk) -> list[tuple[str, int]]:
    """(status, height) of what was kept, newest first."""
    views = await desk.ask("ledger_reader", ListReconciliations())
    return [(view.status, view.height) for view in views]


async def test_books_that_agree_are_told_so(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", 1_000_000)
        await desk.withdraw("alice", 100_000)
        await desk.rest()
        await desk.mine(1)
        (view,) = await desk.ask("reconciler", Reconcile("BTC"))
        assert (view.status, view.height) == ("ok", 107)
        assert sum(int(line["chain"]) for line in view.lines) > 0
        value = desk.metrics.registry.get_sample_value
        assert value("cashier_reconciliation_ok", {"currency": "BTC"}) == 1
        assert value("cashier_reconciliation_difference_units", {"currency": "BTC"}) == 0


async def test_a_difference_is_told_and_nothing_is_changed(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", 1_000_000)
        reader = desk.readers["BTC"]
        honest = reader.holdings

        async def missing(scripts: Any) -> Any:
            held = await honest(scripts)
            amounts = {place: amount // 2 for place, amount in held.amounts["BTC"].items()}
            return type(held)(held.at, {"BTC": amounts})

        reader.holdings = missing  # type: ignore[method-assign]
        (view,) = await desk.ask("reconciler", Reconcile("BTC"))
        assert view.status == "mismatch"
        assert sum(int(line["difference"]) for line in view.lines) == -500_000
        assert await desk.balance("alice") == (1_000_000, 0, 0)
        told = "SELECT count(*) FROM event WHERE type = 'reconciliation.mismatch'"
        assert rows(desk.path, told) == [(1,)]
        value = desk.metrics.registry.get_sample_value
        assert value("cashier_reconciliation_ok", {"currency": "BTC"}) == 0
        assert value("cashier_reconciliation_difference_units", {"currency": "BTC"}) == -0.005
        reader.holdings = honest  # type: ignore[method-assign]
        (view,) = await desk.ask("reconciler", Reconcile("BTC"))
        assert view.status == "ok"


async def test_opposite_differences_of_two_places_do_not_hide_each_other(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", 1_000_000)
        await desk.withdraw("alice", 100_000)
        await desk.rest()
        await desk.mine(1)
        reader = desk.readers["BTC"]
        honest = reader.holdings

        async def shifted(scripts: Any) -> Any:
            held = await honest(scripts)
            amounts = dict(held.amounts["BTC"])
            first, second = sorted(amounts)[:2]
            amounts[first] += 7
            amounts[second] -= 7
            return type(held)(held.at, {"BTC": amounts})

        reader.holdings = shifted  # type: ignore[method-assign]
        (view,) = await desk.ask("reconciler", Reconcile("BTC"))
        assert view.status == "mismatch"
        value = desk.metrics.registry.get_sample_value
        assert value("cashier_reconciliation_ok", {"currency": "BTC"}) == 0


async def test_a_block_that_comes_in_between_starts_it_anew(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", 1_000_000)
        reader = desk.readers["BTC"]
        honest = reader.holdings
        calls: list[int] = []

        async def late(scripts: Any) -> Any:
            held = await honest(scripts)
            calls.append(held.at.height)
            if len(calls) < 3:
                await desk.mine()
            return held

        reader.holdings = late  # type: ignore[method-assign]
        calls.clear()
        (view,) = await desk.ask("reconciler", Reconcile("BTC"))
        assert view.status == "ok"
        assert calls == [106, 107, 108]
        assert view.height == 108


async def test_a_chain_that_never_rests_is_busy(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        reader = desk.readers["BTC"]
        honest = reader.holdings

        async def always_late(scripts: Any) -> Any:
            held = await honest(scripts)
            await desk.mine()
            return held

        reader.holdings = always_late  # type: ignore[method-assign]
        with pytest.raises(ReconciliationBusyError):
            await desk.ask("reconciler", Reconcile("BTC"))
        assert await results(desk) == []


async def test_a_node_that_is_down_is_no_result_at_all(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", 1_000_000)
        before = await results(desk)
        desk.readers["BTC"].trouble = NodeUnavailableError("gone")
        with pytest.raises(CurrencyUnavailableError):
            await desk.ask("reconciler", Reconcile("BTC"))
        assert await results(desk) == before
        assert (await desk.tree_states())["reconciler"] == "up"


async def test_a_currency_that_does_not_run_is_refused(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        with pytest.raises(CurrencyUnavailableError):
            await desk.ask("reconciler", Reconcile("DOGE"))
        await desk.parts.slots["BTC"].close()
        with pytest.raises(CurrencyUnavailableError):
            await desk.ask("reconciler", Reconcile("BTC"))
        assert (await desk.tree_states())["reconciler"] == "up"


async def test_new_blocks_start_it_no_more_often_than_configured(tmp_path: Path) -> None:
    async with open_desk(tmp_path, environ={"CASHIER__ACTORS__RECONCILE_INTERVAL_S": "50"}) as desk:
        await desk.mine(5)
        assert [status for status, _ in await results(desk)] == ["ok"]
        await desk.pass_time(60, 10)
        await desk.mine(3)
        assert [status for status, _ in await results(desk)] == ["ok"] * 2


async def test_one_chain_is_asked_once_at_a_time(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        reader = desk.readers["BTC"]
        honest = reader.holdings
        under_way: list[int] = [0, 0]

        async def counting(scripts: Any) -> Any:
            under_way[0] += 1
            under_way[1] = max(under_way)
            for _ in range(20):
                await asyncio.sleep(0)
            under_way[0] -= 1
            return await honest(scripts)

        reader.holdings = counting  # type: ignore[method-assign]
        found = await asyncio.gather(*(desk.ask("reconciler", Reconcile("BTC")) for _ in range(5)))
        assert [each[0].status for each in found] == ["ok"] * 5
        assert under_way[1] == 1
