"""A payout of a coin without replacement, left out by miners, is taken with its child on a real litecoind."""

from __future__ import annotations

import asyncio
import sqlite3
from decimal import Decimal
from typing import Any

import pytest

from coins.failpoint import KILLED, STEPS, VARIABLE
from tests.demo.stage import Stage
from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.shop import Shop
from tests.nodes.regtest import BitcoinNode

pytestmark = [pytest.mark.node, pytest.mark.timeout(180)]
PREFIX = "CASHIER__COINS__LTC__"
DEAR = {f"{PREFIX}FEE_RATE__FALLBACK": "40"}
COUNT = 3


def choosy(stage: Stage) -> None:
    """Blocks take nothing below 3 base units a virtual byte, by itself or with its descendants."""
    for chain in stage.chains:
        assert isinstance(chain.node, BitcoinNode)
        chain.node.extra = ("-blockmintxfee=0.00003",)


@pytest.fixture(scope="module", params=["seed", "node"])
def stage(request: pytest.FixtureRequest, make_module_stage: MakeStage) -> Stage:
    cheap = {"BUMP_AFTER_S": "10", "FEE_RATE__FALLBACK": "2", "BATCH_INTERVAL_S": "2"}
    if request.param == "node":
        cheap |= {"CUSTODY": "node", "WALLET": "cashier"}
    extra = {f"{PREFIX}{name}": value for name, value in cheap.items()}
    made = make_module_stage("LTC", before_start=choosy, **extra)
    if request.param == "node":
        for chain in made.chains:
            assert isinstance(chain.node, BitcoinNode)
            chain.node.rpc("createwallet", "cashier")
    return made


def kept(stage: Stage, sql: str) -> list[Any]:
    """Rows of the books."""
    db = sqlite3.connect(stage.folder / "data" / "cashier.sqlite")
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


async def start_again(stage: Stage) -> None:
    """The cashier killed, and started where the price of the day is high."""
    stage.kill()
    stage.spawn(DEAR)
    await stage.until_ready()


async def test_w07_a_stuck_payout_is_mined_with_its_child_and_paid_once(
    stage: Stage, open_shop: OpenShop
) -> None:
    shop = await open_shop(stage)
    await shop.fund("w07", "1.00000000")
    payees = [await shop.chain.foreign_address() for _ in range(COUNT)]
    orders = await asyncio.gather(*(shop.withdraw("w07", "0.10000000", payee) for payee in payees))
    views = [await shop.until_withdrawal(order["id"], "broadcast") for order in orders]
    (parent,) = {view["txid"] for view in views}
    await shop.mine(3)
    assert shop.node.rpc("getrawmempool") == [parent]
    await start_again(stage)

    async def waiting() -> list[str]:
        return list(await shop.node.call("getrawmempool"))

    await shop.until(waiting, lambda txids: len(txids) == 2)
    await start_again(stage)
    (child,) = set(await waiting()) - {parent}
    check_package(shop, parent, child)
    await shop.until_withdrawal(orders[0]["id"], "broadcast")
    await shop.mine(1)
    assert shop.node.rpc("getrawmempool") == []
    for order in orders:
        done = await shop.until_withdrawal(order["id"], "final", mine=True)
        assert done["txid"] == parent
        assert [attempt["state"] for attempt in done["attempts"]] == ["mined"]
    assert [await shop.chain.received(payee) for payee in payees] == [10_000_000] * COUNT
    states = kept(
        stage, "SELECT i.kind, i.status, a.state FROM attempt a JOIN intent i ON i.id = a.intent_id"
    )
    assert sorted(states) == [("cpfp", "settled", "mined"), ("payout", "settled", "mined")]
    assert shop.node.rpc("gettxout", child, 0) is not None
    shop.check_books()


def check_package(shop: Shop, parent: str, child: str) -> None:
    """Both together pay the rate of the day, and the child moves the parent's change and nothing else."""
    held = shop.node.rpc("getmempoolentry", parent)
    assert held["descendantcount"] == 2
    fees, size = Decimal(str(held["fees"]["descendant"])) * 10**8, held["descendantsize"]
    assert 40 * size <= fees <= 42 * size
    spent, made = (shop.node.rpc("getrawtransaction", txid, True) for txid in (parent, child))
    change = spent["vout"][COUNT]["scriptPubKey"]["hex"]
    assert [(each["txid"], each["vout"]) for each in made["vin"]] == [(parent, COUNT)]
    assert [each["scriptPubKey"]["hex"] for each in made["vout"]] == [change]


PATIENCE_S = 40.0


async def test_w01_w07_killed_at_each_step_of_a_child_there_is_one(
    make_stage: MakeStage, open_shop: OpenShop
) -> None:
    cheap = {f"{PREFIX}BUMP_AFTER_S": "10", f"{PREFIX}FEE_RATE__FALLBACK": "2"}
    stage = make_stage("LTC", before_start=choosy, **cheap)
    shop = await open_shop(stage)
    await shop.fund("kills", "1.00000000")
    payee = await shop.chain.foreign_address()
    order = await shop.withdraw("kills", "0.10000000", payee)
    parent = (await shop.until_withdrawal(order["id"], "broadcast"))["txid"]
    stage.kill()
    for step in STEPS:
        stage.spawn(DEAR | {VARIABLE: f"cpfp.{step}:1"})
        assert stage.process is not None
        code = await asyncio.to_thread(stage.process.wait, PATIENCE_S)
        assert (step, code) == (step, KILLED)
    await start_again(stage)
    assert [state for (state,) in kept(stage, "SELECT state FROM attempt ORDER BY rowid")] == [
        "broadcast"
    ] * 2
    assert len(shop.node.rpc("getrawmempool")) == 2
    done = await shop.until_withdrawal(order["id"], "final", mine=True)
    assert done["txid"] == parent
    assert await shop.chain.received(payee) == 10_000_000
    assert [state for (state,) in kept(stage, "SELECT state FROM attempt ORDER BY rowid")] == ["mined"] * 2
    shop.check_books()
