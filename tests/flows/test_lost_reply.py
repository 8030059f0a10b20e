"""A UTXO node does what it is asked and its answer is lost: each call on the way of a payout, in turn."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.demo.stage import Stage
from tests.fakes.proxy import NodeProxy
from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.shop import Shop
from tests.nodes.regtest import BitcoinNode

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]

AMOUNT = "0.02000000"
ROUNDS_MAX, PAID_MAX = 5, 40
SEED_CALLS = {
    "estimatesmartfee",
    "getblockchaininfo",
    "getblockhash",
    "getrawmempool",
    "getrawtransaction",
    "scantxoutset",
    "sendrawtransaction",
    "testmempoolaccept",
}
CALLS = {
    "BTC": SEED_CALLS | {"/rest/block"},
    "LTC": SEED_CALLS | {"getblock", "getrawchangeaddress", "setlabel", "signrawtransactionwithwallet"},
}
"""What is surely asked for one payout: with our own seed and blocks by REST; with the wallet, without."""


@pytest.fixture
def proxy() -> Iterator[NodeProxy]:
    with NodeProxy() as running:
        yield running


def set_stage(make_stage: MakeStage, proxy: NodeProxy, currency: str) -> Stage:
    """The cashier behind the proxy; LTC with the keys of the node's wallet and blocks by JSON-RPC."""
    extra = {"NODE__URL": proxy.url}
    if currency == "LTC":
        extra |= {"CUSTODY": "node", "WALLET": "cashier", "NODE__REST": "false"}
    stage = make_stage(
        currency, **{f"CASHIER__COINS__{currency}__{name}": text for name, text in extra.items()}
    )
    node = stage.chains[0].node
    assert isinstance(node, BitcoinNode)
    if currency == "LTC":
        node.rpc("createwallet", "cashier")
    proxy.target = node.port
    return stage


async def pay(shop: Shop, proxy: NodeProxy, method: str) -> None:
    """One withdrawal whose node loses two answers of a method: paid once, debited once."""
    before = await shop.balance("w02")
    payee = await shop.chain.foreign_address()
    proxy.drop_replies(method, 2)
    order = await shop.withdraw("w02", AMOUNT, payee)
    done = await shop.until_withdrawal(order["id"], "final", mine=True)
    proxy.drop_replies(method, 0)
    assert await shop.chain.received(payee) == 2_000_000, method
    assert [attempt["txid"] for attempt in done["attempts"]] == [done["txid"]], method
    assert not done["attention"], method
    after = await shop.balance("w02")
    taken = Decimal(before["available"]) - Decimal(after["available"])
    assert taken == Decimal(AMOUNT) + Decimal(done["fee"]), method
    assert Decimal(after["reserved"]) == 0, method


@pytest.mark.parametrize("currency", ["BTC", "LTC"])
async def test_w02_a_lost_reply_of_any_call_pays_once(
    make_stage: MakeStage, open_shop: OpenShop, proxy: NodeProxy, currency: str
) -> None:
    shop = await open_shop(set_stage(make_stage, proxy, currency))
    for _ in range(3):
        await shop.fund("w02", "0.50000000")
    began, paid = len(proxy.asked), 0
    # Some calls are made now and then: a payout on a quick machine may be through between two of them.
    while not paid or (paid < ROUNDS_MAX and not set(proxy.asked[began:]) >= CALLS[currency]):
        await pay(shop, proxy, "none")
        await shop.agree()
        paid += 1
    methods = sorted(set(proxy.asked[began:]))
    assert set(methods) >= CALLS[currency]
    lost = CALLS[currency] - {"scantxoutset"}
    for method in methods:
        await pay(shop, proxy, method)
        paid += 1
        while method in lost - set(proxy.dropped) and paid < PAID_MAX:
            await pay(shop, proxy, method)
            paid += 1
    assert set(proxy.dropped) >= lost
    raws = [str(params) for params in proxy.sent("sendrawtransaction")]
    assert len(set(raws)) == paid, "each payout has its own bytes, and no other ones"
    await shop.agree()
    shop.check_books()
