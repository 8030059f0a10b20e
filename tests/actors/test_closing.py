"""A month closed by the actors of a whole cashier: what the chain says of its last block decides."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from actors.closing import close_month
from actors.messages import ClosePeriod, ListPeriods, ListReconciliations
from coins.errors import StateGoneError
from ledger.errors import CurrencyUnavailableError, PeriodNotClosableError, ReconciliationBusyError
from ledger.month import end_of
from ledger.verify import verify_file
from tests.actors.desk import TOKEN, Desk, open_desk
from tests.actors.planting import Blind, compared
from tests.ledger.books import rows

MONTH = "2023-11"  # the chains in memory begin on 14 November 2023


async def into_december(desk: Desk, currency: str = "BTC") -> None:
    """The month ends, and its last block is deep enough."""
    chain = desk.chains[currency]
    chain.block_time_s = end_of(MONTH) - chain.tip.ref.time
    await desk.mine(1, currency)
    chain.block_time_s = 1
    await desk.mine(6, currency)


async def test_a_month_is_closed_with_what_the_chain_held_then(tmp_path: Path) -> None:
    assert close_month.__doc__
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", 1_000_000)
        with pytest.raises(PeriodNotClosableError, match="no block after"):
            await desk.ask("reconciler", ClosePeriod("BTC", MONTH, "operator:ann"))
        await into_december(desk)
        await desk.fund("alice", 500_000)
        closed = await desk.ask("reconciler", ClosePeriod("BTC", MONTH, "operator:ann"))
        (period,) = closed.periods
        assert sum(int(line["chain"]) for line in period.report["chain"]) == 1_000_000
        assert (period.report["owed"]["total"], period.closed_by) == ("1000000", "operator:ann")
        assert await desk.ask("reconciler", ClosePeriod("BTC", MONTH, "operator:bob")) == closed
        assert await desk.ask("ledger_reader", ListPeriods()) == (period,)
        assert verify_file(desk.path) == []


async def test_a_chain_that_says_something_else_of_the_last_block_closes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", 1_000_000)
        await into_december(desk)
        reader = desk.readers["BTC"]
        honest = reader.history

        async def poorer(scripts: Any, height: int, known: Any) -> Any:
            return await honest([], height, known)

        monkeypatch.setattr(reader, "history", poorer)
        with pytest.raises(PeriodNotClosableError, match="deposit -1000000"):
            await desk.ask("reconciler", ClosePeriod("BTC", MONTH, "operator:ann"))

        async def forgetful(scripts: Any, height: int, known: Any) -> Any:
            raise StateGoneError("an archive node is needed")

        monkeypatch.setattr(reader, "history", forgetful)
        with pytest.raises(CurrencyUnavailableError, match="archive"):
            await desk.ask("reconciler", ClosePeriod("BTC", MONTH, "operator:ann"))
        assert await desk.ask("ledger_reader", ListPeriods()) == ()
        monkeypatch.setattr(reader, "history", honest)
        assert (await desk.ask("reconciler", ClosePeriod("BTC", MONTH, "operator:ann"))).periods


async def test_tokens_are_closed_with_their_chain(tmp_path: Path) -> None:
    async with open_desk(tmp_path, "ETH", TOKEN) as desk:
        await desk.fund("alice", 10**18, "ETH")
        await desk.fund("alice", 7_000_000, TOKEN)
        await into_december(desk, "ETH")
        closed = await desk.ask("reconciler", ClosePeriod("ETH", MONTH, "operator:ann"))
        owed = {period.currency: int(period.report["owed"]["total"]) for period in closed.periods}
        assert owed == {"ETH": 10**18, TOKEN: 7_000_000}


def asks(desk: Desk, currency: str = "BTC") -> ClosePeriod:
    return ClosePeriod(currency, MONTH, "operator:ann")


async def runs(desk: Desk, currency: str = "BTC") -> list[tuple[str, str, int]]:
    """Comparisons made for a month, the newest first: verdict, block and number."""
    page = await desk.ask("ledger_reader", ListReconciliations(currency, 50))
    return [(each.status, each.block_hash, each.number) for each in page.data if each.cause == "period"]


async def test_the_comparison_at_a_months_end_is_a_run_in_the_list(tmp_path: Path) -> None:
    async with open_desk(tmp_path, "ETH", TOKEN) as desk:
        await desk.fund("alice", 10**18, "ETH")
        await into_december(desk, "ETH")
        closed = await desk.ask("reconciler", asks(desk, "ETH"))
        for period in closed.periods:
            ((status, block_hash, number),) = await runs(desk, period.currency)
            assert (status, block_hash, number) == ("ok", period.block_hash, number)
        await desk.ask("reconciler", asks(desk, "ETH"))
        assert len(await runs(desk, "ETH")) == 1
        assert verify_file(desk.path) == []


async def test_l11_a_deposit_that_the_books_missed_is_in_the_closing_report_with_its_case(
    tmp_path: Path,
) -> None:
    environ = {"CASHIER__ACTORS__RECONCILE_INTERVAL_S": "600000"}
    async with open_desk(tmp_path, environ=environ, is_checked=False) as desk:
        await desk.fund("alice", 1_000_000)
        assert (await compared(desk)).status == "ok"
        with Blind(desk, "BTC"):
            paid = desk.chains["BTC"].pay((await desk.script_of("alice"), 77_777))
            await desk.mine()
        height = desk.height()
        await into_december(desk)
        with pytest.raises(PeriodNotClosableError, match=r"deposit 77777 .* explain nothing"):
            await desk.ask("reconciler", asks(desk))
        ((status, block_hash, _),) = await runs(desk)
        assert (status, len(block_hash)) == ("mismatch", 64)
        assert (await compared(desk)).status == "mismatch"
        (period,) = (await desk.ask("reconciler", asks(desk))).periods
        (part,) = period.report["differences"]
        assert (part["kind"], part["amount"], part["height"], part["txid"]) == (
            "surplus", "77777", height, paid.txid,
        )  # fmt: skip
        lines = {line["location"]: line for line in period.report["chain"]}
        assert (lines["deposit"]["chain"], lines["deposit"]["books"]) == ("1077777", "1000000")


async def test_l11_a_node_that_says_two_things_of_a_months_end_is_no_difference_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", 1_000_000)
        await into_december(desk)
        reader = desk.readers["BTC"]
        honest, asked = reader.history, []

        async def poorer_at_first(scripts: Any, height: int, known: Any) -> Any:
            asked.append(height)
            return await honest([] if len(asked) == 1 else scripts, height, known)

        monkeypatch.setattr(reader, "history", poorer_at_first)
        with pytest.raises(CurrencyUnavailableError, match="contradicts itself about block"):
            await desk.ask("reconciler", asks(desk))
        ((kind, status, amount),) = rows(desk.path, "SELECT kind, status, amount FROM unclaimed_case")
        assert (kind, status, amount) == ("node_doubt", "open", "1000000")
        assert (len(asked), await runs(desk)) == (2, [])  # no answer, no comparison
        (period,) = (await desk.ask("reconciler", asks(desk))).periods
        assert period.report["differences"] == []
        assert [status for status, _, _ in await runs(desk)] == ["ok"]


async def test_a_month_that_is_being_closed_is_not_asked_for_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever lost patience asks again; the node scans once all the same."""
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", 1_000_000)
        await into_december(desk)
        reader, go, begun = desk.readers["BTC"], asyncio.Event(), asyncio.Event()
        honest, scans = reader.history, 0

        async def slow(*arguments: Any) -> Any:
            nonlocal scans
            scans += 1
            begun.set()
            await go.wait()
            return await honest(*arguments)

        monkeypatch.setattr(reader, "history", slow)
        first = asyncio.ensure_future(desk.ask("reconciler", asks(desk)))
        await desk.rest(begun.is_set)
        again = asyncio.ensure_future(desk.ask("reconciler", asks(desk)))
        await desk.rest(again.done)
        go.set()
        with pytest.raises(ReconciliationBusyError, match="is being closed"):
            await again
        assert (await first).periods
        assert scans == 1
        assert await desk.ask("reconciler", asks(desk)) == await first
