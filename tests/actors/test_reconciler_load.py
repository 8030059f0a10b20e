"""The reconciler under impatient operators and a node that goes away: bounded, and alive."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from actors.messages import Reconcile
from actors.reconciler import WAITING_MAX
from coins.errors import NodeUnavailableError
from coins.types import Holdings, Location
from ledger.errors import ReconciliationBusyError
from tests.actors.desk import open_desk


async def test_only_a_few_comparisons_wait_for_the_one_under_way(tmp_path: Path) -> None:
    """Each may take the node minutes, also when whoever asked for it has gone."""
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", 1_000_000)
        reader, go, begun = desk.readers["BTC"], asyncio.Event(), 0
        honest = reader.holdings

        async def slow(scripts: Any) -> Any:
            nonlocal begun
            begun += 1
            await go.wait()
            return await honest(scripts)

        reader.holdings = slow  # type: ignore[method-assign]
        asked = [asyncio.ensure_future(desk.ask("reconciler", Reconcile("BTC"))) for _ in range(30)]
        await desk.rest(lambda: sum(each.done() for each in asked) == 29 - WAITING_MAX)
        assert begun == 1
        go.set()
        found = await asyncio.gather(*asked, return_exceptions=True)
        busy = [each for each in found if isinstance(each, ReconciliationBusyError)]
        assert len(busy) == 29 - WAITING_MAX
        assert [each[0].status for each in found if isinstance(each, tuple)] == ["ok"] * (1 + WAITING_MAX)
        (view,) = await desk.ask("reconciler", Reconcile("BTC"))
        assert view.status == "ok"


async def test_two_differences_that_the_node_cannot_explain_end_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", 1_000_000)
        reader, told, explained = desk.readers["BTC"], 0, 0
        honest = reader.holdings

        async def poorer(scripts: Any) -> Any:
            nonlocal told
            told += 1  # a difference counts once it was told twice: two answers for each comparison
            held = await honest(scripts)
            return Holdings(held.at, {"BTC": {Location.DEPOSIT: 1_000_000 - (told + 1) // 2}})

        async def gone(*_: Any) -> Any:
            nonlocal explained
            explained += 1
            raise NodeUnavailableError("gone")

        reader.holdings, reader.history = poorer, gone  # type: ignore[assignment,method-assign]
        found = await asyncio.gather(*(desk.ask("reconciler", Reconcile("BTC")) for _ in range(2)))
        assert [[line["difference"] for line in view.lines if line["difference"]] for (view,) in found] == [
            [-1],
            [-2],
        ]
        await desk.rest(lambda: explained == 2)
        await desk.rest()
        assert (await desk.tree_states())["reconciler"] == "up"
    assert not [record for record in caplog.records if "crashed" in record.getMessage()]
