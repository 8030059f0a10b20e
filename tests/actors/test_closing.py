"""A month closed by the actors of a whole cashier: what the chain says of its last block decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actors.closing import close_month
from actors.messages import ClosePeriod, ListPeriods
from coins.errors import StateGoneError
from ledger.errors import CurrencyUnavailableError, PeriodNotClosableError
from ledger.month import end_of
from ledger.verify import verify_file
from tests.actors.desk import TOKEN, Desk, open_desk

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
