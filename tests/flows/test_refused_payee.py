"""A payee that the node does not relay is given back before anything is signed; the others are paid once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.demo.stage import Stage
from tests.flows.conftest import MakeStage, OpenShop
from tests.nodes.regtest import FAUCET, BitcoinNode

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]
COUNT = 20
AMOUNT = "0.02500000"
RELAY_FEE = "0.2"
"""Coins per 1,000 bytes at which the nodes call an output dust: more than 0.025 for the older form of
addresses (P2PKH), and less for the newer one (P2WPKH)."""


def choosy(stage: Stage) -> None:
    for chain in stage.chains:
        assert isinstance(chain.node, BitcoinNode)
        chain.node.extra = (f"-dustrelayfee={RELAY_FEE}",)


@pytest.fixture(scope="module")
def stage(make_module_stage: MakeStage) -> Stage:
    extra = {f"CASHIER__COINS__{currency}__BATCH_INTERVAL_S": "5" for currency in ("BTC", "LTC")}
    return make_module_stage("BTC", "LTC", before_start=choosy, **extra)


@pytest.mark.parametrize("currency", ["BTC", "LTC"])
async def test_w49_nineteen_are_paid_once_and_one_is_given_back(
    stage: Stage, open_shop: OpenShop, currency: str
) -> None:
    shop = await open_shop(stage, currency)
    await shop.fund("many", "1.00000000")
    before = await shop.balance("many")
    payees = [await shop.chain.foreign_address() for _ in range(COUNT)]
    payees[7] = str(await shop.node.call("getnewaddress", "", "legacy", wallet=FAUCET))
    ids = [
        order["id"]
        for order in await asyncio.gather(*(shop.withdraw("many", AMOUNT, payee) for payee in payees))
    ]
    failed = await shop.until_withdrawal(ids.pop(7), "rejected")
    assert failed["attempts"] == []
    views = [await shop.until_withdrawal(each, "final", mine=True) for each in ids]
    assert {len(view["attempts"]) for view in views} == {1}
    assert len({view["txid"] for view in views}) == 1
    assert not any(view["attention"] for view in views)
    for number, payee in enumerate(payees):
        assert await shop.chain.received(payee) == (0 if number == 7 else 2_500_000)
    after = await shop.balance("many")
    assert after["reserved"] == "0.00000000"
    spent = sum(units(view["amount"]) + units(view["fee"]) for view in views)
    assert units(before["available"]) - units(after["available"]) == spent
    shop.check_books()


def units(amount: str) -> int:
    """Base units of a decimal text with eight places."""
    return int(amount.replace(".", ""))


async def test_w02_what_the_node_would_not_take_at_its_price_waits_unsigned(
    make_stage: MakeStage, open_shop: OpenShop
) -> None:
    stage = make_stage("LTC", CASHIER__COINS__LTC__BATCH_INTERVAL_S="0")
    shop = await open_shop(stage)
    await shop.fund("alice", "1.00000000")
    await restarted(shop.node, "-minrelaytxfee=0.002")
    await shop.until_state("open")
    payee = await shop.chain.foreign_address()
    order = await shop.withdraw("alice", "0.10000000", payee)

    async def read() -> dict[str, Any]:
        return await shop.withdrawal(order["id"])

    view = await shop.until(read, lambda seen: seen["waiting_for"] == "node" or bool(seen["attempts"]))
    assert (view["status"], view["attempts"], view["attention"]) == ("approved", [], False)
    await restarted(shop.node)
    view = await shop.until_withdrawal(order["id"], "final", mine=True)
    assert [attempt["state"] for attempt in view["attempts"]] == ["mined"]
    assert await shop.chain.received(payee) == 10_000_000
    shop.check_books()


async def restarted(node: BitcoinNode, *extra: str) -> None:
    """The node again, with these options."""
    await asyncio.to_thread(node.stop)
    node.extra = extra
    await asyncio.to_thread(node.start)
