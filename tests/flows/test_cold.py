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
    found = await asyncio.to_thread(shop.node.rpc, "scantxoutset", "start", [f"addr({address})"])
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
