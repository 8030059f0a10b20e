"""What is in no block on a real node adds up to what the books hold when it is mined."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.operator import Operator, appoint

pytestmark = [pytest.mark.node, pytest.mark.timeout(240)]

PATH = "in-flight?currency=BTC"


async def test_what_is_in_the_mempool_of_bitcoind_comes_out_as_told(
    make_module_stage: MakeStage, open_shop: OpenShop
) -> None:
    stage = make_module_stage("BTC")
    appoint(stage, "olga", "payments")
    shop, olga = await open_shop(stage), Operator(stage, "olga")
    try:
        await olga.login()
        await shop.fund("alice", "0.01000000")
        order = await shop.withdraw("alice", "0.00300000", shop.node.new_address())
        await shop.until_withdrawal(order["id"], "broadcast")
        txid = await asyncio.to_thread(shop.pay, await shop.address("bob"), "0.00500000")

        async def whole() -> dict[str, Any] | None:
            """The node has been looked at since both were sent."""
            told = await olga.get(PATH)
            held = [c["in_mempool"] for each in told["movements"] for c in each["candidates"]]
            return told if told["incoming"] and held == [True] else None

        told = await shop.until(whole, bool)
        assert told["incoming"][0]["txid"] == txid
        assert told["foreign"] == []
        await shop.mine()
        after = await olga.get(PATH)
        assert (after["incoming"], after["movements"]) == ([], [])
        assert {line["location"]: (line["onchain"], line["onchain"]) for line in after["locations"]} == {
            line["location"]: (line["expected"]["low"], line["expected"]["high"])
            for line in told["locations"]
        }
        assert after["clients"]["expected"] == told["clients"]["expected"]
        await shop.agree()
    finally:
        await olga.close()
