"""A payout below the price of the day is replaced on a real bitcoind, and paid once whichever is mined."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

import pytest

from tests.demo.stage import Stage
from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.shop import Shop

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]
PREFIX = "CASHIER__COINS__BTC__"
DEAR = {f"{PREFIX}FEE_RATE__FALLBACK": "40"}


@pytest.fixture(scope="module")
def stage(make_module_stage: MakeStage) -> Stage:
    cheap = {"BUMP_AFTER_S": "10", "FEE_RATE__FALLBACK": "2", "BATCH_INTERVAL_S": "2"}
    return make_module_stage("BTC", **{f"{PREFIX}{name}": value for name, value in cheap.items()})


async def bumped(stage: Stage, shop: Shop, client: str, payees: list[str]) -> list[dict[str, Any]]:
    """Withdrawals sent in one chain tx at a low rate, after their replacement at a high one."""
    await shop.fund(client, "1.00000000")
    orders = await asyncio.gather(*(shop.withdraw(client, "0.10000000", payee) for payee in payees))
    for order in orders:
        await shop.until_withdrawal(order["id"], "broadcast")
    stage.kill()
    stage.spawn(DEAR)
    await stage.until_ready()

    async def read() -> list[dict[str, Any]]:
        return [await shop.withdrawal(order["id"]) for order in orders]

    views: list[dict[str, Any]] = await shop.until(
        read, lambda rows: all([a["state"] for a in row["attempts"]] == ["broadcast"] * 2 for row in rows)
    )
    return views


async def test_w07_a_stuck_batch_is_replaced_and_paid_once(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage)
    payees = [await shop.chain.foreign_address() for _ in range(3)]
    views = await bumped(stage, shop, "w07", payees)
    first, second = (attempt["txid"] for attempt in views[0]["attempts"])
    assert shop.node.rpc("getrawmempool") == [second]
    assert {view["txid"] for view in views} == {second}
    assert not any(view["attention"] for view in views)
    spent = [{(i["txid"], i["vout"]) for i in decoded(shop, stage, each)["vin"]} for each in (first, second)]
    assert spent[0] <= spent[1]
    for view in views:
        done = await shop.until_withdrawal(view["id"], "final", mine=True)
        assert done["txid"] == second
        assert [attempt["state"] for attempt in done["attempts"]] == ["replaced", "mined"]
    assert [await shop.chain.received(payee) for payee in payees] == [10_000_000] * 3
    shop.check_books()
    stage.kill()


async def test_w08_the_original_mined_after_the_bump_is_the_payment(
    stage: Stage, open_shop: OpenShop
) -> None:
    shop = await open_shop(stage)
    payees = [await shop.chain.foreign_address() for _ in range(2)]
    views = await bumped(stage, shop, "w08", payees)
    first = views[0]["attempts"][0]
    await asyncio.to_thread(
        shop.node.rpc, "generateblock", await shop.chain.foreign_address(), [raw_of(stage, first["txid"])]
    )
    await shop.until_tip()
    for view in views:
        done = await shop.until_withdrawal(view["id"], "final", mine=True)
        assert done["txid"] == first["txid"]
        assert [attempt["state"] for attempt in done["attempts"]] == ["mined", "replaced"]
        assert done["attempts"][0]["fee"] == first["fee"]
    assert [await shop.chain.received(payee) for payee in payees] == [10_000_000] * 2
    shop.check_books()


def raw_of(stage: Stage, txid: str) -> str:
    """The bytes of a candidate as the books keep them."""
    db = sqlite3.connect(stage.folder / "data" / "cashier.sqlite")
    try:
        ((raw,),) = db.execute("SELECT raw FROM attempt WHERE txid = ?", (txid,)).fetchall()
        return str(raw)
    finally:
        db.close()


def decoded(shop: Shop, stage: Stage, txid: str) -> dict[str, Any]:
    """A candidate as the node reads it."""
    return dict(shop.node.rpc("decoderawtransaction", raw_of(stage, txid)))
