"""A sheet is read in steps: whatever it holds, nobody waits for all of it."""

from __future__ import annotations

import asyncio

import pytest

from gateway.adjustment_csv import COLUMNS, read_sheet
from gateway.coins import Coins
from tests.gateway.fake import load_settings

HEADER = ",".join(COLUMNS) + "\n"


@pytest.mark.parametrize(
    "line",
    ["", "alice,bob,BTC,0.001,{},bonus", "al ice,,XYZ,-1,,", ",,"],
    ids=["empty", "good", "bad", "short"],
)
async def test_s24_others_are_let_in_while_a_sheet_is_read(line: str) -> None:
    lines = [line.format(number) for number in range(2_000)]
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    sheet = await read_sheet(HEADER + "\n".join(lines), Coins(load_settings().currencies))
    task.cancel()
    assert turns >= 2_000 // 50
    assert len(sheet.rows) == (2_000 if line.startswith("alice") else 0)
