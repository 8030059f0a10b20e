"""Nodes that restart, warm up, lose blocks or turn into another chain: never read as "no money"."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.demo.stage import Stage
from tests.fakes.proxy import NodeProxy
from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.shop import Shop
from tests.nodes.regtest import AnvilNode, BitcoinNode, free_port

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]

WARMING_UP = {"code": -28, "message": "Loading block index…"}


@pytest.fixture(scope="module")
def proxies() -> Iterator[dict[str, NodeProxy]]:
    with NodeProxy() as bitcoin, NodeProxy() as ethereum:
        yield {"BTC": bitcoin, "ETH": ethereum}


@pytest.fixture(scope="module")
def stage(make_module_stage: MakeStage, proxies: dict[str, NodeProxy]) -> Stage:
    urls = {f"CASHIER__COINS__{currency}__NODE__URL": proxy.url for currency, proxy in proxies.items()}
    # Comparing the books makes bitcoind write its chain to the disk: a kill would lose nothing.
    stage = make_module_stage("BTC", "ETH", CASHIER__ACTORS__RECONCILE_INTERVAL_S="3600", **urls)
    for chain in stage.chains:
        proxies[chain.currency].target = chain.node.port
    return stage


async def test_d28_node_that_lost_its_blocks_uncredits_nothing(stage: Stage, open_shop: OpenShop) -> None:
    shop, other = await open_shop(stage, "BTC"), await open_shop(stage, "ETH")
    node = shop.node
    node.flush()
    kept = node.height
    await shop.fund("d28", "0.50000000")
    await asyncio.to_thread(shop.pay, await shop.address("d28-young"), "0.20000000")
    await shop.mine(2)
    height = node.height
    lost = [str(node.rpc("getblock", node.rpc("getblockhash", at), 0)) for at in range(kept + 1, height + 1)]

    node.kill()
    await shop.until_state("down")
    # Everything that needs no node goes on, and the other currency does not notice.
    assert await shop.address("d28-later")
    assert (await shop.balance("d28"))["available"] == "0.50000000"
    await other.fund("d28", "1", blocks=3)

    node.start()
    assert node.height < height, "the node was to lose its newest blocks"
    behind = await shop.until_state("behind")
    assert behind["height"] == height
    order = await shop.withdraw("d28", "0.10000000", await shop.chain.foreign_address())
    assert [row["status"] for row in await shop.deposits("d28")] == ["final"]
    assert [row["status"] for row in await shop.deposits("d28-young")] == ["confirming"]
    assert (await shop.withdrawal(order["id"]))["attempts"] == []

    for raw in lost:
        node.rpc("submitblock", raw)
    await shop.until_state("open")
    await shop.mine()
    await shop.until_deposit("d28-young", "credited")
    await shop.until_withdrawal(order["id"], "final", mine=True)
    shop.check_books()


def restarts(view: dict[str, Any]) -> dict[str, int]:
    """Restarts of every actor by its name."""
    found = {str(view["name"]): int(view["restarts"])}
    for child in view["children"]:
        found |= restarts(child)
    return found


async def test_d28_plain_restart_under_load(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage, "BTC")
    clients = [f"d28-load{number}" for number in range(6)]
    addresses = [await shop.address(client) for client in clients]
    for number, address in enumerate(addresses):
        await asyncio.to_thread(shop.pay, address, "0.01000000")
        await shop.chain.mine()
        if number in (1, 3):
            await asyncio.to_thread(shop.node.stop)
            await asyncio.to_thread(shop.node.start)
            shop.node.create_wallet()
    await shop.mine(2)
    for client in clients:
        rows = await shop.until(partial(shop.deposits, client), _is_credited)
        assert len(rows) == 1
        assert (await shop.balance(client))["available"] == "0.01000000"
    # A node that goes away is a state of the currency, no actor dies of it.
    tree = json.loads(await asyncio.to_thread(stage.cli, "tree", "--json"))
    assert set(restarts(tree).values()) == {0}, restarts(tree)
    shop.check_books()


def _is_credited(rows: list[dict[str, Any]]) -> bool:
    return bool(rows) and rows[0]["status"] in ("credited", "final")


async def test_d29_warm_up_and_first_download(
    stage: Stage, open_shop: OpenShop, proxies: dict[str, NodeProxy]
) -> None:
    shop, proxy = await open_shop(stage, "BTC"), proxies["BTC"]
    await shop.fund("d29", "0.50000000")
    address = await shop.address("d29")

    def refuse(method: str, reply: dict[str, Any]) -> dict[str, Any]:
        return {"id": reply["id"], "result": None, "error": WARMING_UP}

    def download(method: str, reply: dict[str, Any]) -> dict[str, Any]:
        if method == "getblockchaininfo":
            reply["result"]["initialblockdownload"] = True
        return reply

    sent_before = len(proxy.sent("sendrawtransaction"))
    proxy.rewrite = refuse
    await shop.until_state("behind")
    await asyncio.to_thread(shop.pay, address, "0.30000000")
    await shop.chain.mine(3)
    order = await shop.withdraw("d29", "0.10000000", await shop.chain.foreign_address())
    proxy.rewrite = download
    calls = len(proxy.calls)

    async def calls_since() -> int:
        return len(proxy.calls) - calls

    await shop.until(calls_since, lambda count: count > 4)
    assert (await shop.currency_row())["state"] == "behind"
    assert len(await shop.deposits("d29")) == 1
    assert (await shop.withdrawal(order["id"]))["attempts"] == []
    assert len(proxy.sent("sendrawtransaction")) == sent_before

    proxy.rewrite = None
    await shop.until_state("open")
    await shop.until_deposit("d29", "credited")
    await shop.until_withdrawal(order["id"], "final", mine=True)
    assert (await shop.balance("d29"))["available"] == "0.69990000"
    shop.check_books()


async def test_e22_chain_id_swapped_while_reconnecting(
    stage: Stage, open_shop: OpenShop, proxies: dict[str, NodeProxy]
) -> None:
    shop, proxy = await open_shop(stage, "ETH"), proxies["ETH"]
    await shop.fund("e22", "3")
    await shop.until_currency(lambda row: row["state"] == "open")
    payee = await shop.chain.foreign_address()
    with AnvilNode(stage.folder / "other-chain", chain_id=56) as other:
        other.mine(shop.anvil.height + 5)
        address = await shop.address("e22-other")
        other.send(address, 10**18)
        other.mine(5)
        proxy.target = free_port()  # nobody there
        await shop.until_state("down")
        order = await shop.withdraw("e22", "1", payee)
        calls = len(proxy.calls)
        proxy.target = other.port
        await shop.until_state("halted")

        async def calls_since() -> int:
            return len(proxy.calls) - calls

        await shop.until(calls_since, lambda count: count > 5)
        again = shop.order("e22", "0.5", payee)
        refused = await shop.send("POST", "/v1/withdrawals", again, key="e22-halted")
        assert (refused.status, refused.code) == (503, "currency_unavailable")
        assert await shop.deposits("e22-other") == []
        found = await shop.withdrawal(order["id"])
        assert (found["status"], found["attempts"]) == ("approved", [])
        assert not any(method == "eth_sendRawTransaction" for method, _ in proxy.calls[calls:])
        proxy.target = shop.anvil.port
    await shop.until_state("open")
    done = await shop.until_withdrawal(order["id"], "final", mine=True)
    assert done["address"].lower() == payee
    assert shop.anvil.balance(payee) == 10**18
    assert await shop.deposits("e22-other") == []
    shop.check_books()


async def test_d34_e22_wrong_network_at_start(make_stage: MakeStage, open_shop: OpenShop) -> None:
    wrong = make_stage_with_wrong_nodes(make_stage)
    wrong.spawn()
    shops = {currency: Shop(wrong, currency) for currency in ("BTC", "LTC", "ETH")}
    try:
        await shops["LTC"].until_state("open")
        for currency in ("BTC", "ETH"):
            await shops[currency].until_state("halted")
        details = (await asyncio.to_thread(wrong.readiness))["currencies"]
        assert "genesis" in details["BTC"]["reason"]
        assert "chain id" in details["ETH"]["reason"]
        # The one with the right node serves as if nothing were wrong.
        await shops["LTC"].fund("d34", "1.00000000", blocks=3)
        assert (await shops["LTC"].balance("d34"))["available"] == "1.00000000"
        shops["LTC"].check_books()
    finally:
        for shop in shops.values():
            await shop.close()


def make_stage_with_wrong_nodes(make_stage: MakeStage) -> Stage:
    """litecoind where bitcoind should be, and an Ethereum chain with another chain id."""

    def exchange(stage: Stage) -> None:
        bitcoin, _, ethereum = stage.chains
        bitcoin.node = BitcoinNode("litecoind", stage.folder / "no-bitcoind")
        ethereum.node = AnvilNode(stage.folder / "no-anvil", chain_id=56)

    return make_stage(before_start=exchange)
