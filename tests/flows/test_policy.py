"""The confirmation policy on real nodes: tiers by block and client, depths to leave at, tags of the node."""

from __future__ import annotations

import asyncio

import pytest

from tests.demo.chains import WEI
from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.shop import Shop

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]

ZERO_WEI = "0." + "0" * 18


async def test_d46_a_large_sum_in_one_block_waits_longer_and_leaves_later(
    make_stage: MakeStage, open_shop: OpenShop
) -> None:
    stage = make_stage("BTC")
    stage.write_coin("BTC", tiers='[{ above = "1", confirmations = 5 }]', withdrawable_depth="4")
    shop = await open_shop(stage)
    clients = {"whole": ["2.00000000"], "parts": ["0.10000000"] * 20, "small": ["1.00000000"]}
    for client, amounts in clients.items():
        address = await shop.address(client)
        for amount in amounts:
            await asyncio.to_thread(shop.pay, address, amount)

    async def now(client: str) -> tuple[str, str]:
        balance = await shop.balance(client)
        return balance["available"], balance["withdrawable"]

    async def block() -> dict[str, tuple[str, str]]:
        await shop.mine()
        return {client: await now(client) for client in clients}

    nothing, two, one = ("0.00000000",) * 2, ("2.00000000",) * 2, ("1.00000000",) * 2
    for _ in range(2):
        assert await block() == {"whole": nothing, "parts": nothing, "small": nothing}
    assert {row["confirmations_required"] for row in await shop.deposits("parts")} == {5}
    assert [row["confirmations_required"] for row in await shop.deposits("whole")] == [5]
    assert [row["confirmations_required"] for row in await shop.deposits("small")] == [3]

    held = ("1.00000000", "0.00000000")
    assert await block() == {"whole": nothing, "parts": nothing, "small": held}
    payee = await shop.chain.foreign_address()
    order = shop.order("small", "0.50000000", payee)
    refused = await shop.send("POST", "/v1/withdrawals", order, key="held")
    assert (refused.status, refused.code) == (409, "insufficient_funds")
    assert "1.00000000 BTC of the available balance is not withdrawable yet" in refused.body["detail"]

    assert await block() == {"whole": nothing, "parts": nothing, "small": one}
    withdrawal = await shop.withdraw("small", "0.50000000", payee)
    found = await block()
    assert (found["whole"], found["parts"]) == (two, two)
    assert {row["status"] for row in await shop.deposits("parts")} == {"credited"}
    shop.check_books()
    await shop.until_withdrawal(withdrawal["id"], "final", mine=True)
    shop.check_books()


async def test_e20_credit_at_the_tag_of_the_policy_only(make_stage: MakeStage, open_shop: OpenShop) -> None:
    """anvil with epochs of four: safe is the head less four blocks, finalized the head less eight."""
    deep = {"CASHIER__COINS__ETH__FINAL_DEPTH": "20", "CASHIER__COINS__ETH__MAX_REORG": "19"}
    stage = make_stage("ETH", **deep)
    stage.write_coin("ETH", finality='"finalized"')
    shop = await open_shop(stage)
    await pay(shop, "final")
    await follow_tag(shop, "final", "finalized", 9)

    # Stricter at once, laxer for what comes later: what waits keeps waiting for its own tag.
    await pay(shop, "strict")
    await shop.mine(2)
    stage.write_coin("ETH", finality='"safe"', minimum_deposit='"0.003"')
    await shop.until_currency(lambda row: str(row.get("minimum_deposit")).startswith("0.003"))
    await pay(shop, "lax")
    await follow_tag(shop, "lax", "safe", 5)
    assert (await shop.balance("strict"))["available"] == ZERO_WEI
    await shop.mine()
    await shop.mine()
    assert (await shop.balance("strict"))["available"] == "1." + "0" * 18
    shop.check_books()


async def pay(shop: Shop, client: str) -> None:
    """Pay a client one coin, not mined yet."""
    await asyncio.to_thread(shop.pay, await shop.address(client), "1")


async def follow_tag(shop: Shop, client: str, tag: str, depth: int) -> None:
    """Mine block by block: credited exactly when the node's tag reaches the payment, so many blocks deep."""
    for confirmations in range(1, depth + 2):
        await shop.mine()
        (deposit,) = await shop.deposits(client)
        header = shop.anvil.rpc("eth_getBlockByNumber", tag, False)
        is_covered = int(header["number"], 16) >= deposit["block_height"]
        assert is_covered == (confirmations >= depth)
        assert deposit["confirmations"] == confirmations
        available = (await shop.balance(client))["available"]
        assert available == (f"{WEI // 10**18}." + "0" * 18 if is_covered else ZERO_WEI)
        assert deposit["status"] == ("credited" if is_covered else "confirming")
    shop.check_books()
