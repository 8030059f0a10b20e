"""A full inbox refuses others; what an actor says to itself is taken, so that nothing stops in the middle."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.actors.desk import open_desk
from tests.actors.test_withdrawal import AMOUNT, FUNDS, settle_withdrawal
from tests.fakes.clock import until


async def test_w15_a_full_inbox_keeps_no_payout_from_leaving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.fund("alice", FUNDS)
        await desk.rest()
        inbox: Any = desk.directory._entries["withdrawal:BTC"].inbox
        actor = inbox.actor
        monkeypatch.setattr(inbox, "limit", 1)
        asked = asyncio.create_task(desk.withdraw("alice", AMOUNT))
        await until(lambda: actor._answering == 1)
        monkeypatch.setattr(inbox, "limit", 0)  # as if others filled it before the answer
        view = await asked
        assert view.status == "approved"
        await desk.rest()
        assert (await desk.withdrawal(view.id)).status == "broadcast"
        monkeypatch.undo()
        assert await settle_withdrawal(desk, view.id) == "final"
        assert desk.directory._entries["withdrawal:BTC"].incarnation == 1  # it was not restarted
