"""The chain's own answer beside the books: agrees, differs, cannot be had; told, never repaired."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from actors.messages import GetHoldingsAt, ListReconciliations, Reconcile
from coins.errors import NodeUnavailableError
from coins.types import BlockRef, Holdings, Location
from ledger.connection import connect
from ledger.errors import CurrencyUnavailableError, ReconciliationBusyError
from tests.actors.desk import Desk, open_desk
from tests.ledger.books import rows


async def results(desk: Desk) -> list[tuple[str, int]]:
    """(status, height) of what was kept, newest first."""
    page = await desk.ask("ledger_reader", ListReconciliations())
    return [(view.status, view.height) for view in page.data]


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


async def test_books_that_do_not_add_up_are_not_ok_though_chain_and_books_agree(tmp_path: Path) -> None:
    async with open_desk(tmp_path, is_checked=False) as desk:
        await desk.fund("alice", 1_000_000)
        db = connect(desk.path)
        db.execute("UPDATE account SET balance = '1000007' WHERE name LIKE 'client:alice:%:available'")
        db.close()
        (view,) = await desk.ask("reconciler", Reconcile("BTC"))
        assert (view.status, {line["difference"] for line in view.lines}) == ("mismatch", {0})
        value = desk.metrics.registry.get_sample_value
        assert value("cashier_reconciliation_ok", {"currency": "BTC"}) == 0


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


async def test_blocks_that_come_in_between_change_nothing_of_what_is_compared(tmp_path: Path) -> None:
    """The answer is of one block, and so are the books it is held against: those at that block."""
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", 1_000_000)
        await desk.pay("bob", 70_000)
        reader = desk.readers["BTC"]
        honest = reader.holdings

        async def late(scripts: Any) -> Any:
            held = await honest(scripts)
            await desk.mine(3)
            return held

        reader.holdings = late  # type: ignore[method-assign]
        (view,) = await desk.ask("reconciler", Reconcile("BTC"))
        assert (view.status, view.height) == ("ok", 106)
        assert view.totals["onchain"] == view.totals["liabilities"] == 1_000_000


async def test_a_reorg_between_the_answers_is_no_difference(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", 1_000_000)
        await desk.pay("bob", 70_000)
        await desk.mine()
        reader = desk.readers["BTC"]
        honest = reader.holdings
        heights: list[int] = []

        async def undone(scripts: Any) -> Any:
            held = await honest(scripts)
            heights.append(held.at.height)
            if len(heights) == 1:
                desk.chains["BTC"].reorg(1, [[], []])
                await desk.poke()
            return held

        reader.holdings = undone  # type: ignore[method-assign]
        asked = asyncio.ensure_future(desk.ask("reconciler", Reconcile("BTC")))
        await desk.rest(lambda: heights)
        await desk.pass_time(5)
        (view,) = await asked
        assert heights == [107, 108]
        assert (view.status, view.height) == ("ok", 108)


async def test_a_node_on_another_branch_is_never_a_difference(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", 1_000_000)
        before = await results(desk)
        reader = desk.readers["BTC"]
        asks: list[int] = []

        async def elsewhere(scripts: Any) -> Any:
            asks.append(len(scripts))
            at = BlockRef(106, "ee" * 32, "ed" * 32)
            return Holdings(at, {"BTC": {Location.DEPOSIT: 1}})

        reader.holdings = elsewhere  # type: ignore[method-assign]
        asked = asyncio.ensure_future(desk.ask("reconciler", Reconcile("BTC")))
        await desk.pass_time(10)
        with pytest.raises(ReconciliationBusyError):
            await asked
        assert len(asks) == 5
        assert await results(desk) == before


async def test_l11_an_address_issued_while_the_node_was_asked_is_no_difference(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", 1_000_000)
        reader = desk.readers["BTC"]
        honest = reader.holdings
        asks: list[int] = []

        async def meanwhile(scripts: Any) -> Any:
            if not asks:
                await desk.pay("bob", 70_000)
                await desk.mine()
            asks.append(len(scripts))
            return await honest(scripts)

        reader.holdings = meanwhile  # type: ignore[method-assign]
        (view,) = await desk.ask("reconciler", Reconcile("BTC"))
        assert asks == [asks[0], asks[0] + 1]
        assert (view.status, view.height) == ("ok", 107)


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


async def test_g13_a_block_that_came_too_soon_is_compared_when_the_pause_is_over(tmp_path: Path) -> None:
    async with open_desk(tmp_path, environ={"CASHIER__ACTORS__RECONCILE_INTERVAL_S": "50"}) as desk:
        await desk.mine(3)
        assert [height for _, height in await results(desk)] == [101]
        await desk.pass_time(60, 10)
        assert [height for _, height in await results(desk)] == [103, 101]
        await desk.pass_time(200, 10)
        assert len(await results(desk)) == 2


async def test_blocks_that_come_while_the_node_is_asked_queue_no_questions(tmp_path: Path) -> None:
    async with open_desk(tmp_path, environ={"CASHIER__ACTORS__RECONCILE_INTERVAL_S": "0"}) as desk:
        reader = desk.readers["BTC"]
        honest, heights = reader.holdings, list[int]()

        async def slowly(scripts: Any) -> Any:
            held = await honest(scripts)
            heights.append(held.at.height)
            await desk.clock.sleep(100)
            return held

        reader.holdings = slowly  # type: ignore[method-assign]
        await desk.mine(7)
        await desk.pass_time(500, 10)
        assert heights == [101, 107]
        assert [height for _, height in await results(desk)] == [107, 101]


async def test_so_many_blocks_lie_between_two_on_schedule(tmp_path: Path) -> None:
    environ = {"CASHIER__ACTORS__RECONCILE_INTERVAL_S": "0", "CASHIER__ACTORS__RECONCILE_EVERY_BLOCKS": "4"}
    async with open_desk(tmp_path, environ=environ) as desk:
        await desk.mine(9)
        heights = [height for _, height in await results(desk)]
        assert [after - before for before, after in zip(heights[::-1], heights[-2::-1], strict=False)] == [
            4,
            4,
        ]


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


async def test_l11_a_past_height_is_compared_with_the_books_of_then(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", 1_000_000)
        await desk.withdraw("alice", 100_000)
        await desk.rest()
        await desk.mine(3)
        await desk.pay("bob", 5_000)
        await desk.mine(2)
        tip = desk.chains["BTC"].tip.ref.height
        before = await results(desk)
        for height in range(100, tip + 1):
            (view,) = await desk.ask("reconciler", Reconcile("BTC", height))
            assert (view.status, view.height, view.cause) == ("ok", height, "height")
        held = await desk.ask("reconciler", GetHoldingsAt("BTC", 106))
        assert (held.at.height, sum(held.amounts["BTC"].values())) == (106, 1_000_000)
        (view,) = await desk.ask("reconciler", Reconcile("BTC", 106, "period"))
        assert view.cause == "period"
        assert (await results(desk))[-len(before) :] == before
        for height in (99, tip + 1):
            with pytest.raises(CurrencyUnavailableError, match="hold the blocks"):
                await desk.ask("reconciler", Reconcile("BTC", height))


async def test_a_past_difference_is_kept_and_is_no_news_of_now(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", 1_000_000)
        await desk.ask("reconciler", Reconcile("BTC"))
        reader = desk.readers["BTC"]

        async def nothing(*_: Any) -> Any:
            class Nothing:
                async def at(self, height: int) -> Holdings:
                    ref = await reader.block_ref(height)
                    assert ref is not None
                    return Holdings(ref, {"BTC": {}})

            return Nothing()

        reader.history = nothing  # type: ignore[assignment,method-assign]
        (view,) = await desk.ask("reconciler", Reconcile("BTC", 106))
        assert view.status == "mismatch"
        assert desk.metrics.registry.get_sample_value("cashier_reconciliation_ok", {"currency": "BTC"}) == 1
        assert rows(desk.path, "SELECT count(*) FROM event WHERE type = 'reconciliation.mismatch'") == [(0,)]


async def test_l11_what_the_node_says_once_and_not_again_is_no_difference(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", 1_000_000)
        before = await results(desk)
        reader = desk.readers["BTC"]
        honest = reader.holdings
        told: list[int] = []

        async def wavering(scripts: Any) -> Any:
            held = await honest(scripts)
            told.append(1)
            if len(told) > 2:
                return held
            return Holdings(held.at, {"BTC": {Location.DEPOSIT: 1_000_000 - len(told)}})

        reader.holdings = wavering  # type: ignore[method-assign]
        with pytest.raises(CurrencyUnavailableError, match="contradicts itself about block 106"):
            await desk.ask("reconciler", Reconcile("BTC"))
        assert (len(told), await results(desk)) == (2, before)
        (view,) = await desk.ask("reconciler", Reconcile("BTC"))
        assert (view.status, len(told)) == ("ok", 3)
        assert rows(desk.path, "SELECT count(*) FROM event WHERE type = 'reconciliation.mismatch'") == [(0,)]
