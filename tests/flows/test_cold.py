"""Above the ceiling, on real nodes: proposed, approved, signed, mined; chain and books agree by location."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from coins.bitcoin.address import encode_bech32
from tests.demo.chains import WEI
from tests.demo.stage import Stage
from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.operator import Operator, appoint
from tests.flows.shop import Shop
from tests.flows.test_withdrawal_evm import hot_address
from tests.nodes.regtest import BitcoinNode

pytestmark = [pytest.mark.node, pytest.mark.timeout(180)]

COLD = {"BTC": encode_bech32("bcrt", 0, b"\x5a" * 19 + b"\x01"), "ETH": "0x" + "5a" * 19 + "01"}


@pytest.fixture(scope="module")
def stage(make_module_stage: MakeStage) -> Stage:
    extra: dict[str, str] = {}
    for currency, address in COLD.items():
        name = f"CASHIER__COINS__{currency}__"
        extra |= {f"{name}COLD_ADDRESS": address, f"{name}HOT_CEILING": "3", f"{name}HOT_TARGET": "2"}
    made = make_module_stage("BTC", "ETH", **extra)
    for name in ("ann", "bob"):  # a one-time code is good once
        appoint(made, name, "payments")
    return made


@pytest.fixture
async def operator(stage: Stage, request: pytest.FixtureRequest) -> AsyncIterator[Operator]:
    logged_in = Operator(stage, "ann" if request.node.callspec.params["currency"] == "BTC" else "bob")
    yield logged_in
    await logged_in.close()


def onchain(stage: Stage, currency: str) -> dict[str, int]:
    """Balances of the locations in the books."""
    path = stage.folder / "data" / "cashier.sqlite"
    with sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True) as db:
        rows = db.execute(
            "SELECT name, balance FROM account WHERE name LIKE ?", (f"onchain:{currency}:%",)
        ).fetchall()
    db.close()
    return {name.rpartition(":")[2]: int(balance) for name, balance in rows}


async def held(shop: Shop) -> int:
    """What the cold address owns by the node's word."""
    address = COLD[shop.currency]
    if shop.currency == "ETH":
        return await asyncio.to_thread(shop.anvil.balance, address)
    found = await asyncio.to_thread(shop.node.scan, address)
    return int(Decimal(str(found["total_amount"])).scaleb(8))


async def reconciled(stage: Stage, shop: Shop) -> None:
    """At a new block the chain's own answer is compared with the books, location by location."""
    mined_at = time.monotonic()
    await shop.mine()

    async def verdict() -> float | None:
        found = await stage.gauges(shop.currency)
        age_s = found.get("cashier_reconciliation_age_seconds")
        is_of_that_block = age_s is not None and age_s < time.monotonic() - mined_at
        return found.get("cashier_reconciliation_ok") if is_of_that_block else None

    assert await shop.until(verdict, lambda found: found is not None, mine=True) == 1


@pytest.mark.parametrize("currency", ["BTC", "ETH"])
async def test_what_is_above_the_ceiling_goes_to_cold_with_an_approval(
    stage: Stage, open_shop: OpenShop, operator: Operator, currency: str
) -> None:
    shop = await open_shop(stage, currency)
    await operator.login()
    if currency == "BTC":
        await shop.fund("alice", "5.00000000")
    else:
        shop.anvil.send(hot_address(stage), 5 * WEI)
        await shop.mine(6)

    async def movements() -> list[dict[str, Any]]:
        rows = (await operator.get(f"withdrawals?currency={currency}&limit=50"))["data"]
        return [row for row in rows if row["kind"] == "cold"]

    (view,) = await shop.until(movements, bool)
    assert (view["status"], view["address"].lower(), view["client_id"]) == ("held", COLD[currency], "house")
    assert view["amount"].rstrip("0") == "3."
    assert await held(shop) == 0
    await operator.post(f"withdrawals/{view['id']}/approve", digest=view["digest"])

    done = await shop.until(movements, lambda rows: rows[0]["status"] == "final", mine=True)
    assert len(done) == 1
    amount = 3 * 10**shop.chain.decimals
    assert await held(shop) == amount
    assert onchain(stage, currency)["cold"] == amount
    await asyncio.to_thread(shop.check_books)
    await reconciled(stage, shop)


async def test_an_announced_way_back_of_clients_money_costs_its_fee_and_holds_nobody(
    make_stage: MakeStage, open_shop: OpenShop
) -> None:
    """The cold key is the node's: what we move is spent in its own block, then in the next one."""
    stage = make_stage("BTC", CASHIER__COINS__BTC__HOT_CEILING="3", CASHIER__COINS__BTC__HOT_TARGET="2")
    appoint(stage, "ann", "admin")
    node = stage.chains[0].node
    assert isinstance(node, BitcoinNode)
    node.rpc("createwallet", "cold")
    cold = str(node.rpc("getnewaddress", "", "bech32", wallet="cold"))
    stage.spawn({"CASHIER__COINS__BTC__COLD_ADDRESS": cold})
    await stage.until_ready()
    shop, ann = await open_shop(stage), Operator(stage, "ann")
    try:
        await ann.login()
        await shop.fund("alice", "5.00000000")

        async def movements() -> list[dict[str, Any]]:
            rows = (await ann.get("withdrawals?currency=BTC&limit=50"))["data"]
            return [row for row in rows if row["kind"] == "cold"]

        (view,) = await shop.until(movements, bool)
        await ann.post(f"withdrawals/{view['id']}/approve", digest=view["digest"])
        ((sent,)) = await shop.until(movements, lambda rows: rows[0]["status"] == "broadcast")
        ours = str(node.rpc("getrawtransaction", sent["txid"]))
        fees = await asyncio.to_thread(mempool_fee, node, sent["txid"])
        back = spent_by_owner(node, ours, cold, hot_of(stage))
        txid = str(node.rpc("decoderawtransaction", back)["txid"])
        status, told = await ann._send(
            "POST", "/v1/admin/house-movements",
            {"kind": "announce", "currency": "BTC", "txid": txid, "reason": "back to hot"},
        )  # fmt: skip
        assert status == 201, told
        nobody = await shop.chain.foreign_address()
        for blocks in ([[ours, back]], [[ours], [back]], [[], [ours, back], []]):
            for each in blocks:
                node.rpc("generateblock", nobody, each)
            await shop.until_tip()
            assert balance_of(stage, "network_fee:BTC") == fees + OWNERS_FEE
            assert (balance_of(stage, "unexplained:BTC"), balance_of(stage, "house:BTC")) == (0, 0)
            assert sum(onchain(stage, "BTC").values()) == 5 * 10**8 - fees - OWNERS_FEE
            await asyncio.to_thread(shop.check_books)
            first = node.rpc("getblockhash", node.height - len(blocks) + 1)
            if len(blocks) < 3:
                node.rpc("invalidateblock", first)
        order = await shop.withdraw("alice", "0.50000000", nobody)
        await shop.until_withdrawal(order["id"], "final", mine=True)
        await reconciled(stage, shop)
    finally:
        await ann.close()


OWNERS_FEE = 1_234


def spent_by_owner(node: BitcoinNode, ours: str, cold: str, hot: str) -> str:
    """Raw bytes of the cold wallet that pay one coin of our movement to the hot address, the rest back."""
    outputs = node.rpc("decoderawtransaction", ours)
    (out,) = [each for each in outputs["vout"] if each["scriptPubKey"].get("address") == cold]
    rest = Decimal(str(out["value"])) - 1 - Decimal(OWNERS_FEE) / 10**8
    spent = {"txid": outputs["txid"], "vout": out["n"]}
    bare = node.rpc("createrawtransaction", [spent], [{hot: "1.00000000"}, {cold: f"{rest:.8f}"}])
    return str(node.rpc("signrawtransactionwithwallet", bare, wallet="cold")["hex"])


def mempool_fee(node: BitcoinNode, txid: str) -> int:
    return int(Decimal(str(node.rpc("getmempoolentry", txid)["fees"]["base"])).scaleb(8))


def kept(stage: Stage, sql: str, *arguments: str) -> list[Any]:
    db = sqlite3.connect(stage.folder / "data" / "cashier.sqlite")
    try:
        return db.execute(sql, arguments).fetchall()
    finally:
        db.close()


def hot_of(stage: Stage) -> str:
    return str(kept(stage, "SELECT address FROM own_script WHERE branch = 'hot' ORDER BY sequence")[0][0])


def balance_of(stage: Stage, name: str) -> int:
    rows = kept(stage, "SELECT balance FROM account WHERE name = ?", name)
    return int(rows[0][0]) if rows else 0
