"""A month ends on real nodes, and an accountant closes it on the command line beside the running cashier."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest

from gateway.closing_commands import closing_app
from ledger.month import end_of, month_of, next_month
from tests.demo.stage import Stage
from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.shop import Shop
from tests.flows.test_catchup import run

pytestmark = [pytest.mark.node, pytest.mark.timeout(240)]


async def close(stage: Stage, month: str, *more: str) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, closed months, and what was said on stderr."""
    done = await asyncio.to_thread(run, stage, "close", month, "--json", *more)
    return done.returncode, json.loads(done.stdout), done.stderr


async def into_next_month(shop: Shop) -> str:
    """The node's clock jumps over the end of the month of its tip; the month that is over."""
    node: Any = shop.chain.node
    month = month_of(await asyncio.to_thread(lambda: node.tip_time))
    await asyncio.to_thread(node.set_clock, end_of(month) + 5)
    await asyncio.to_thread(node.mine, 8)
    await shop.until_tip()
    return month


@pytest.mark.parametrize(("currency", "paid", "out"), [("BTC", "1.5", "0.5"), ("ETH", "2", "0.5")])
async def test_l13_the_month_is_closed_and_its_totals_agree(
    make_stage: MakeStage, open_shop: OpenShop, currency: str, paid: str, out: str
) -> None:
    assert [command.name for command in closing_app.registered_commands] == ["close"]
    stage = make_stage(currency)
    shop = await open_shop(stage)
    await shop.fund("alice", paid, blocks=6)
    order = await shop.withdraw("alice", out, await shop.chain.foreign_address())
    await shop.until_withdrawal(order["id"], "final", mine=True)
    month = await into_next_month(shop)
    code, closed, said = await close(stage, month)
    assert (code, said) == (0, ""), said
    (period,) = closed
    report = period["report"]
    owed = (await shop.balance("alice"))["available"]
    chain = sum(int(line["chain"]) for line in report["chain"])
    assert chain == sum(int(line["books"]) for line in report["chain"])
    assert int(report["totals"]["difference"]) == 0
    assert int(report["owed"]["total"]) == int(Decimal(owed).scaleb(18 if currency == "ETH" else 8))
    again = await close(stage, month)
    assert again == (0, closed, "")
    no_month = await asyncio.to_thread(run, stage, "close", "2020-13")
    assert (no_month.returncode, no_month.stderr) == (2, "a month is written YYYY-MM, not '2020-13'\n")
    code, closed, said = await close(stage, next_month(month))
    assert (code, closed) == (1, [])
    assert said == f"{currency} has no block after {next_month(month)} yet\n"
    shown = (await asyncio.to_thread(run, stage, "close", month)).stdout.splitlines()
    assert shown[0] == f"{currency} {month} is closed"
    on_chain, in_books, owed_shown = (line.split()[-1] for line in shown[1:4])
    assert (on_chain, owed_shown) == (in_books, owed)
    audit = await asyncio.to_thread(run, stage, "verify", "--json")
    assert json.loads(audit.stdout)["is_well"], audit.stdout
