"""Many small deposits become one output on real nodes while fees are low: once, come a crash or a reorg."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

import pytest

from coins.failpoint import KILLED, VARIABLE
from tests.demo.stage import Stage
from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.shop import Shop

pytestmark = [pytest.mark.node, pytest.mark.timeout(420)]
COUNT, SMALL, RATE = 12, 2_000_000, 10
PATIENCE_S = 40.0
COMMITS = (
    "after-commit:ReserveAttempt",
    "before-commit:RecordSigned",
    "after-commit:RecordSigned",
    "before-commit:RecordBroadcast",
)


def low(currency: str, **more: str) -> dict[str, str]:
    """The environment of a cashier that finds the price of the day low."""
    values = {"FEE_RATE_MAX_SAT_VB": str(RATE), "COUNT": "8", "INTERVAL_S": "1", "BELOW": "0.05"} | more
    return {f"CASHIER__COINS__{currency}__CONSOLIDATE_{name}": text for name, text in values.items()}


def kept(stage: Stage, sql: str) -> list[Any]:
    """Rows of the books."""
    db = sqlite3.connect(stage.folder / "data" / "cashier.sqlite")
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


STATES = (
    "SELECT i.kind, i.status, a.state FROM attempt a JOIN intent i ON i.id = a.intent_id ORDER BY a.rowid"
)


TXIDS = "SELECT txid FROM attempt ORDER BY rowid"


async def with_deposits(stage: Stage, open_shop: OpenShop) -> Shop:
    """Twelve small final deposits of three clients and a large one, with nothing brought together yet."""
    shop = await open_shop(stage)
    for number in range(COUNT):
        address = await shop.address(f"small{number % 3}")
        await asyncio.to_thread(shop.pay, address, "0.02000000")
    await shop.fund("large", "1.00000000")
    bet = {"from": "large", "to": "house", "currency": shop.currency, "amount": "0.01000000"}
    await shop.website.post("/v1/transfers", bet | {"external_id": "bet", "reason": "a bet"})
    stage.kill()
    return shop


async def in_mempool(shop: Shop, count: int = 1) -> list[str]:
    """What waits at the node, once it is so many."""

    async def waiting() -> list[str]:
        return list(await shop.node.call("getrawmempool"))

    found: list[str] = await shop.until(waiting, lambda txids: len(txids) == count)
    return found


def check_tx(shop: Shop, txid: str) -> None:
    """It spends the small ones into one output at the price of the day, and nothing else."""
    made = shop.node.rpc("getrawtransaction", txid, True)
    assert (len(made["vin"]), len(made["vout"])) == (COUNT, 1)
    fees = COUNT * SMALL - round(float(made["vout"][0]["value"]) * 10**8)
    assert RATE * made["vsize"] <= fees <= RATE * (made["vsize"] + COUNT + 2)
    own = kept(shop.stage, "SELECT lower(hex(script)) FROM own_script WHERE branch = 'change'")
    assert (made["vout"][0]["scriptPubKey"]["hex"],) in own


@pytest.mark.parametrize("currency", ["BTC", "LTC"])
async def test_w01_w11_small_deposits_become_one_output_once_and_the_books_agree_at_each_block(
    make_stage: MakeStage, open_shop: OpenShop, currency: str
) -> None:
    stage = make_stage(currency)
    shop = await with_deposits(stage, open_shop)
    for point in COMMITS:
        stage.spawn(low(currency) | {VARIABLE: f"{point}:1"})
        assert stage.process is not None
        code = await asyncio.to_thread(stage.process.wait, PATIENCE_S)
        assert (point, code) == (point, KILLED)
    stage.spawn(low(currency))
    await stage.until_ready()
    (txid,) = await in_mempool(shop)
    assert kept(stage, "SELECT state, txid FROM attempt") == [("broadcast", txid)]
    check_tx(shop, txid)

    # A payout leaves beside it, out of what it left alone.
    payee = await shop.chain.foreign_address()
    order = await shop.withdraw("small0", "0.05000000", payee)
    await shop.until_withdrawal(order["id"], "broadcast")
    assert len(await in_mempool(shop, 2)) == 2
    await shop.mine(2)
    assert kept(stage, STATES) == [("consolidate", "open", "mined"), ("payout", "open", "mined")]

    await asyncio.to_thread(shop.node.reorg, 2)
    await shop.until_tip()
    assert sorted(await in_mempool(shop, 2)) == sorted(txid for (txid,) in kept(stage, TXIDS))
    assert kept(stage, "SELECT balance FROM account WHERE name LIKE 'network_fee:%'") == [("0",)]
    for _ in range(7):
        await shop.agree()
    assert kept(stage, STATES) == [("consolidate", "settled", "mined"), ("payout", "settled", "mined")]
    assert kept(stage, TXIDS)[0] == (txid,)
    ((paid,),) = kept(stage, "SELECT balance FROM account WHERE name LIKE 'network_fee:%'")
    assert int(paid) == sum(int(fee) for (fee,) in kept(stage, "SELECT fee FROM attempt"))
    assert (await shop.withdrawal(order["id"]))["status"] == "final"
    assert await shop.chain.received(payee) == 5_000_000
    assert (await shop.balance("small1"))["available"] == "0.08000000"
    shop.check_books()
