"""Many payouts in one chain tx on real UTXO nodes, with the seed's keys and with the node's wallet."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from tests.demo.stage import Stage
from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.shop import Shop
from tests.nodes.regtest import BitcoinNode

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]
WALLET = "cashier"
COUNT = 20


@pytest.fixture(scope="module", params=["seed", "node"])
def stage(request: pytest.FixtureRequest, make_module_stage: MakeStage) -> Stage:
    extra: dict[str, str] = {}
    for currency in ("BTC", "LTC"):
        extra[f"CASHIER__COINS__{currency}__BATCH_INTERVAL_S"] = "5"
        extra[f"CASHIER__COINS__{currency}__CUSTODY"] = request.param
        if request.param == "node":
            extra[f"CASHIER__COINS__{currency}__WALLET"] = WALLET
    stage = make_module_stage("BTC", "LTC", **extra)
    for chain in stage.chains:
        assert isinstance(chain.node, BitcoinNode)
        if request.param == "node":
            chain.node.rpc("createwallet", WALLET)
    return stage


async def ordered(shop: Shop, payees: list[str]) -> list[str]:
    """One withdrawal for each payee, asked for at once."""
    orders = await asyncio.gather(*(shop.withdraw("many", "0.02000000", payee) for payee in payees))
    return [order["id"] for order in orders]


@pytest.mark.parametrize("currency", ["BTC", "LTC"])
async def test_w51_many_payouts_are_one_chain_tx_and_its_fee_is_shared(
    stage: Stage, open_shop: OpenShop, currency: str
) -> None:
    shop = await open_shop(stage, currency)
    await shop.fund("many", "1.00000000")
    payees = [await shop.chain.foreign_address() for _ in range(COUNT - 1)]
    payees.append(payees[0])
    ids = await ordered(shop, payees)
    views = [await shop.until_withdrawal(each, "broadcast", "confirmed", "final") for each in ids]
    assert len({view["txid"] for view in views}) == 1
    attempts = [view["attempts"][-1] for view in views]
    assert {attempt["payouts"] for attempt in attempts} == {COUNT}
    fee = Decimal(attempts[0]["fee"])
    assert sum(Decimal(attempt["fee_share"]) for attempt in attempts) == fee
    decoded = shop.node.rpc("getmempoolentry", views[0]["txid"])
    assert Decimal(str(decoded["fees"]["base"])) == fee
    views = [await shop.until_withdrawal(each, "final", mine=True) for each in ids]
    assert await shop.chain.received(payees[0]) == 4_000_000
    for payee in payees[1:-1]:
        assert await shop.chain.received(payee) == 2_000_000
    assert (await shop.balance("many"))["reserved"] == "0.00000000"
    shop.check_books()


async def test_w01_a_batch_killed_on_its_way_is_paid_once(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage, "BTC")
    await shop.fund("many", "1.00000000")
    payees = [await shop.chain.foreign_address() for _ in range(COUNT)]
    ids = await ordered(shop, payees)
    for _ in range(3):
        stage.kill()
        stage.spawn()
        await stage.until_ready()
    for each in ids:
        await shop.until_withdrawal(each, "final", mine=True)
    assert [await shop.chain.received(payee) for payee in payees] == [2_000_000] * COUNT
    shop.check_books()
