"""A comparison asked for from the command line, of the running cashier."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.comparer import TRIES_MAX
from actors.reconcile_now import compare_now, compare_offline
from actors.reconciler_messages import Reconcile
from coins.errors import NodeUnavailableError
from ledger.errors import StoreOpenError
from tests.actors.desk import desk_settings, open_desk
from tests.ledger.books import rows


async def test_the_running_cashier_compares_and_tells_why_it_cannot(tmp_path: Path) -> None:
    assert TRIES_MAX > 1
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", 1_000_000)
        found = await compare_now(desk.directory, "BTC", None)
        (view,) = found["comparisons"]
        assert (view["status"], view["cause"], found["explained"]) == ("ok", "demand", [])
        assert (await compare_now(desk.directory, "BTC", 103))["comparisons"][0]["height"] == 103
        assert "hold the blocks" in (await compare_now(desk.directory, "BTC", 9_999))["refused"]
        assert "not running" in (await compare_now(desk.directory, "XMR", None))["refused"]
        desk.readers["BTC"].trouble = NodeUnavailableError("gone")
        assert "gone" in (await compare_now(desk.directory, "BTC", None))["refused"]
        desk.readers["BTC"].trouble = None
        assert [view.status for view in await desk.ask("reconciler", Reconcile("BTC"))] == ["ok"]
        stored = rows(desk.path, "SELECT count(*) FROM reconciliation WHERE cause IN ('demand', 'height')")
        assert stored == [(3,)]


async def test_without_a_database_there_is_nothing_to_compare(tmp_path: Path) -> None:
    with pytest.raises(StoreOpenError, match="no database"):
        await compare_offline(desk_settings(tmp_path, ("BTC",)), "BTC", None, 1)
