"""A real bitcoind whose answers are changed on the way: it tells of payments that no block holds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from coins.bitcoin.wire import Tx, TxIn, TxOut, read_varint, varint
from coins.types import Outpoint
from tests.demo.stage import Stage
from tests.fakes.proxy import NodeProxy
from tests.flows.conftest import MakeStage, OpenShop

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]


@pytest.fixture
def proxy() -> Iterator[NodeProxy]:
    with NodeProxy() as made:
        yield made


@pytest.fixture
def stage(make_stage: MakeStage, proxy: NodeProxy) -> Stage:
    stage = make_stage(
        "BTC", CASHIER__COINS__BTC__NODE__URL=proxy.url, CASHIER__COINS__BTC__NODE__REST="false"
    )
    proxy.target = stage.chains[0].node.port
    return stage


def with_payment(raw: bytes, script: bytes, amount: int) -> bytes:
    """The block with one more chain tx, under the header it had."""
    count, pos = read_varint(raw, 80)
    made = Tx(2, (TxIn(Outpoint("0e" * 32, 0), 0),), (TxOut(amount, script),), 0)
    return raw[:80] + varint(count + 1) + raw[pos:] + made.serialize()


async def test_d33_a_payment_that_is_not_in_its_block_credits_nobody(
    stage: Stage, open_shop: OpenShop, proxy: NodeProxy
) -> None:
    shop = await open_shop(stage)
    address = await shop.address("liar")
    script = bytes.fromhex(shop.node.rpc("validateaddress", address)["scriptPubKey"])
    height = shop.node.height

    def lie(method: str, reply: dict[str, Any]) -> dict[str, Any]:
        if method == "getblock":
            reply["result"] = with_payment(bytes.fromhex(reply["result"]), script, 10**8).hex()
        elif method == "getblockheader" and isinstance(reply["result"], dict):
            reply["result"]["confirmations"] = 6
        return reply

    proxy.rewrite = lie
    await shop.chain.mine(4)
    row = await shop.until_state("halted")
    assert row["height"] == height
    health = (await asyncio.to_thread(stage.readiness))["currencies"]["BTC"]
    assert "another merkle root" in health["reason"]
    assert await shop.deposits("liar") == []
    assert (await shop.balance("liar"))["available"] == "0.00000000"

    proxy.rewrite = None
    await shop.until_tip()
    await shop.until_state("open")
    await asyncio.to_thread(shop.pay, address, "0.10000000")
    await shop.mine(3)
    await shop.until_deposit("liar", "credited")
    assert (await shop.balance("liar"))["available"] == "0.10000000"
    shop.check_books()
