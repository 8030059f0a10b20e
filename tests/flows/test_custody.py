"""The node's wallet holds the keys: addresses, payouts, and a wallet that is not there after a restart."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from tests.demo.stage import Stage
from tests.flows.conftest import MakeStage, OpenShop
from tests.nodes.regtest import BitcoinNode

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]
WALLET = "cashier"


@pytest.fixture(scope="module")
def stage(make_module_stage: MakeStage) -> Stage:
    extra: dict[str, str] = {}
    for currency in ("BTC", "LTC"):
        extra |= {
            f"CASHIER__COINS__{currency}__CUSTODY": "node",
            f"CASHIER__COINS__{currency}__WALLET": WALLET,
        }
    stage = make_module_stage("BTC", "LTC", **extra)
    for chain in stage.chains:
        assert isinstance(chain.node, BitcoinNode)
        # Not loaded again by the node itself when it restarts.
        chain.node.rpc("createwallet", WALLET)
    return stage


@pytest.mark.parametrize("currency", ["BTC", "LTC"])
async def test_node_custody_deposit_and_payout(stage: Stage, open_shop: OpenShop, currency: str) -> None:
    shop = await open_shop(stage, currency)
    address = await shop.fund("wallet", "1.00000000")
    assert shop.node.rpc("getaddressinfo", address, wallet=WALLET)["ismine"]
    assert await shop.address("wallet") == address
    assert await shop.address("other") != address
    payees = [await shop.chain.foreign_address() for _ in range(2)]
    for payee in payees:
        order = await shop.withdraw("wallet", "0.20000000", payee)
        await shop.until_withdrawal(order["id"], "final", mine=True)
        assert await shop.chain.received(payee) == 20_000_000
    # Change came back to the wallet, is known as ours, and was nobody's deposit.
    assert len(await shop.deposits("wallet")) == 1
    assert (await shop.balance("wallet"))["reserved"] == "0.00000000"
    shop.check_books()


async def test_d28_wallet_that_is_not_loaded_after_a_restart(stage: Stage, open_shop: OpenShop) -> None:
    shop, other = await open_shop(stage, "LTC"), await open_shop(stage, "BTC")
    address = await shop.fund("d28", "1.00000000")
    payee = await shop.chain.foreign_address()
    node = shop.node
    await asyncio.to_thread(node.stop)
    await shop.until_state("down")
    await asyncio.to_thread(node.start)
    assert WALLET not in node.rpc("listwallets")
    node.create_wallet()
    await asyncio.to_thread(shop.pay, address, "0.50000000")
    await shop.mine(3)
    # Deposits are read from the blocks, the wallet is not needed for that.
    await shop.until_deposit("d28", "credited")
    assert (await shop.balance("d28"))["available"] == "1.50000000"

    order = await shop.withdraw("d28", "0.30000000", payee)
    waiting = await shop.until(
        lambda: shop.withdrawal(order["id"]), lambda row: row["waiting_for"] is not None
    )
    assert (waiting["status"], waiting["waiting_for"]) == ("approved", "node")
    missing = await shop.send("PUT", "/v1/clients/d28-new/addresses/LTC", key=secrets.token_hex(8))
    assert (missing.status, missing.code) == (503, "currency_unavailable")
    await other.fund("d28", "0.10000000", blocks=3)

    node.rpc("loadwallet", WALLET)
    assert await shop.address("d28-new")
    done = await shop.until_withdrawal(order["id"], "final", mine=True)
    assert await shop.chain.received(payee) == 30_000_000
    assert [attempt["state"] for attempt in done["attempts"]] == ["mined"]
    shop.check_books()
