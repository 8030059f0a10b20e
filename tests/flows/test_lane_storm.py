"""The account chain's node is away, or loses what it answers: asked little, sent once, paid once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from tests.demo.chains import WEI
from tests.demo.stage import Stage
from tests.fakes.proxy import NodeProxy
from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.test_lane import in_flight, raws
from tests.nodes.regtest import free_port

pytestmark = [pytest.mark.node, pytest.mark.timeout(240)]

QUEUED, AMOUNT = 200, "0.005"
CALLS, CALLS_PER_S = 12, 5.0


@pytest.fixture(scope="module")
def proxy() -> Iterator[NodeProxy]:
    with NodeProxy() as running:
        yield running


@pytest.fixture(scope="module")
def stage(make_module_stage: MakeStage, proxy: NodeProxy) -> Stage:
    stage = make_module_stage("ETH", CASHIER__COINS__ETH__NODE__URL=proxy.url)
    proxy.target = stage.chains[0].node.port
    return stage


async def test_w02_a_lost_reply_of_any_call_pays_once(
    stage: Stage, open_shop: OpenShop, proxy: NodeProxy
) -> None:
    shop = await open_shop(stage)
    await shop.fund("w02", "3")
    payee = await shop.chain.foreign_address()
    order = await shop.withdraw("w02", "0.1", payee)
    await shop.until_withdrawal(order["id"], "final", mine=True)
    assert await asyncio.to_thread(in_flight, stage) == 0
    methods = sorted({method for method, _ in list(proxy.calls)})
    assert {"eth_sendRawTransaction", "eth_getBlockByNumber", "eth_chainId"} <= set(methods)
    for method in methods:
        payee = await shop.chain.foreign_address()
        proxy.drop_replies(method, 2)
        order = await shop.withdraw("w02", "0.1", payee)
        done = await shop.until_withdrawal(order["id"], "final", mine=True)
        proxy.drop_replies(method, 0)
        assert shop.anvil.balance(payee) == WEI // 10, method
        assert [txid for txid, _ in raws(stage, order["id"])] == [done["txid"]], method
        assert not done["attention"], method
    assert "eth_sendRawTransaction" in proxy.dropped
    shop.check_books()


async def test_w45_a_node_that_is_away_is_asked_little_and_two_hundred_payouts_drain_once(
    stage: Stage, open_shop: OpenShop, proxy: NodeProxy
) -> None:
    shop = await open_shop(stage)
    await shop.fund("w45", "9")
    port, proxy.target = proxy.target, free_port()
    await shop.until_currency(lambda row: row["state"] != "open")
    payees = [await shop.chain.foreign_address() for _ in range(QUEUED)]
    orders = []
    for payee in payees:
        orders.append(await shop.withdraw("w45", AMOUNT, payee))
    asked, began = len(proxy.calls), time.monotonic()

    async def calls() -> int:
        return len(proxy.calls) - asked

    count = await shop.until(calls, lambda count: count >= CALLS)
    assert count / (time.monotonic() - began) <= CALLS_PER_S
    proxy.target = port
    await shop.until_state("open")
    sent = len(proxy.sent("eth_sendRawTransaction"))
    for order in orders:
        await shop.until_withdrawal(order["id"], "broadcast")
    assert len(proxy.sent("eth_sendRawTransaction")) - sent <= QUEUED
    await shop.mine(7)
    for order, payee in zip(orders, payees, strict=True):
        done = await shop.until_withdrawal(order["id"], "final", mine=True)
        assert len(done["attempts"]) == 1
        assert shop.anvil.balance(payee) == 5 * WEI // 1000
    shop.check_books()
