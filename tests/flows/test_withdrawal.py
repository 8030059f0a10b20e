"""Withdrawals on a UTXO chain: paid exactly once, whatever the node, the callers or a crash do."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.demo.stage import Stage
from tests.fakes.proxy import NodeProxy
from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.process import children_of
from tests.flows.shop import Answer, Shop

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]
ZERO = "0.00000000"


@pytest.fixture(scope="module")
def proxy() -> Iterator[NodeProxy]:
    with NodeProxy() as running:
        yield running


@pytest.fixture(scope="module")
def stage(make_module_stage: MakeStage, proxy: NodeProxy) -> Stage:
    stage = make_module_stage(
        "BTC", CASHIER__COINS__BTC__NODE__URL=proxy.url, CASHIER__COINS__BTC__APPROVAL_ABOVE="0.8"
    )
    proxy.target = stage.chains[0].node.port
    return stage


async def test_w02_lost_reply_of_the_broadcast_pays_once(
    stage: Stage, open_shop: OpenShop, proxy: NodeProxy
) -> None:
    shop = await open_shop(stage)
    await shop.fund("w02", "1.00000000")
    payee = await shop.chain.foreign_address()
    proxy.drop_replies("sendrawtransaction", 2)
    order = await shop.withdraw("w02", "0.25000000", payee)
    done = await shop.until_withdrawal(order["id"], "final", mine=True)

    assert "sendrawtransaction" in proxy.dropped
    assert len({str(params) for params in proxy.sent("sendrawtransaction")}) == 1, "other bytes were sent"
    assert [attempt["txid"] for attempt in done["attempts"]] == [done["txid"]]
    assert not done["attention"]
    assert await shop.chain.received(payee) == 25_000_000
    assert (await shop.balance("w02"))["available"] == "0.74990000"
    proxy.drop_replies("sendrawtransaction", 0)
    shop.check_books()


async def test_w11_payout_reorged_out_is_sent_again_not_refunded(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage)
    await shop.fund("w11", "0.50000000")
    payee = await shop.chain.foreign_address()
    order = await shop.withdraw("w11", "0.20000000", payee)
    confirmed = await shop.until_withdrawal(order["id"], "confirmed", mine=True)
    reserved_before = await shop.balance("w11")

    depth = shop.node.height - int(confirmed["block_height"]) + 1
    await asyncio.to_thread(shop.node.reorg, depth)
    await shop.until_tip()
    gone = await shop.until_withdrawal(order["id"], "broadcast")
    assert (gone["block_height"], gone["confirmations"]) == (None, 0)
    assert await shop.chain.received(payee) == 0
    reserved = await shop.balance("w11")
    assert (reserved_before["reserved"], reserved["reserved"]) == (ZERO, "0.20010000")
    assert reserved["available"] == "0.29990000"

    done = await shop.until_withdrawal(order["id"], "final", mine=True)
    assert done["txid"] == confirmed["txid"]
    assert len(done["attempts"]) == 1
    assert await shop.chain.received(payee) == 20_000_000
    assert (await shop.balance("w11"))["reserved"] == ZERO
    shop.check_books()


async def test_w13_payouts_wait_for_funds_in_order(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage)
    # One output is all there is to spend: the others have to wait until its change is confirmed.
    await drain_the_house(shop)
    await shop.fund("w13", "0.60000000")
    payees = [await shop.chain.foreign_address() for _ in range(5)]
    orders = [await shop.withdraw("w13", "0.10000000", payee) for payee in payees]
    await shop.until_withdrawal(orders[0]["id"], "broadcast")

    async def waiting() -> list[tuple[str, str | None]]:
        rows = [await shop.withdrawal(order["id"]) for order in orders[1:]]
        return [(row["status"], row["waiting_for"]) for row in rows]

    await shop.until(waiting, lambda rows: rows == [("approved", "funds")] * 4)
    assert (await shop.balance("w13"))["available"] == "0.09950000"
    heights = []
    for order in orders:
        done = await shop.until_withdrawal(order["id"], "final", mine=True)
        heights.append(done["block_height"])
        assert len(done["attempts"]) == 1
    assert heights == sorted(heights)
    assert [await shop.chain.received(payee) for payee in payees] == [10_000_000] * 5
    shop.check_books()


async def drain_the_house(shop: Shop) -> None:
    """Pay out what the clients of earlier tests still have, so that nothing else can be spent."""
    for client in ("w02", "w11", "w14", "held"):
        available = (await shop.balance(client))["available"]
        if float(available) > 0.001:
            order = await shop.withdraw(
                client, available, await shop.chain.foreign_address(), fee_included=True
            )
            await shop.until_withdrawal(order["id"], "final", mine=True)


async def test_w14_whole_balance_fee_included_leaves_exactly_nothing(
    stage: Stage, open_shop: OpenShop
) -> None:
    shop = await open_shop(stage)
    await shop.fund("w14", "0.40000000")
    payee = await shop.chain.foreign_address()
    assert await shop.refused("w14", "0.40000000", payee) == "insufficient_funds"
    assert await shop.refused("w14", "0.39990001", payee) == "insufficient_funds"
    order = await shop.withdraw("w14", "0.40000000", payee, fee_included=True)
    assert (order["amount"], order["fee"]) == ("0.39990000", "0.00010000")
    balance = await shop.balance("w14")
    assert (balance["available"], balance["reserved"]) == (ZERO, "0.40000000")
    await shop.until_withdrawal(order["id"], "final", mine=True)
    assert await shop.chain.received(payee) == 39_990_000
    balance = await shop.balance("w14")
    assert (balance["available"], balance["reserved"], balance["deficit"]) == (ZERO, ZERO, ZERO)
    shop.check_books()


async def test_w16_w17_one_key_is_one_withdrawal_also_after_a_kill(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage)
    await shop.fund("w16", "0.50000000")
    payee = await shop.chain.foreign_address()
    order, key = shop.order("w16", "0.10000000", payee), secrets.token_hex(12)

    async def ask(body: dict[str, Any], at: Shop) -> Answer:
        return await at.send("POST", "/v1/withdrawals", body, key=key)

    replies = await asyncio.gather(*[ask(order, shop) for _ in range(50)])
    assert {reply.status for reply in replies} == {201}
    assert len({json.dumps(reply.body, sort_keys=True) for reply in replies}) == 1
    assert sum("Idempotent-Replayed" not in reply.headers for reply in replies) == 1

    stage.kill()
    shop = await open_shop(stage)
    again = await ask(order, shop)
    assert (again.status, again.body) == (201, replies[0].body)
    assert again.headers["Idempotent-Replayed"] == "true"

    other = await shop.chain.foreign_address()
    for change in ({"amount": "0.11000000"}, {"address": other}, {"client_id": "w14"}):
        refused = await ask(order | change, shop)
        assert (refused.status, refused.code) == (422, "idempotency_key_reused"), change
    # A new key does not help either: the website's own id is unique for ever.
    refused = await shop.send("POST", "/v1/withdrawals", order, key=secrets.token_hex(12))
    assert (refused.status, refused.code) == (409, "external_id_used")
    assert len(await shop.withdrawals("w16")) == 1
    await shop.until_withdrawal(again.body["id"], "final", mine=True)
    assert await shop.chain.received(payee) == 10_000_000
    shop.check_books()


async def test_w22_bad_amounts_leave_no_row(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage)
    await shop.fund("w22", "0.50000000")
    payee = await shop.chain.foreign_address()
    bad: list[object] = ["-1", "-0.1", "0", "0.0", "0.00000000", "1e-9", "0.000000001", "1e30", "", "abc"]
    bad += ["NaN", "Infinity", "+0.1", " 0.1", "0.1 ", ".1", "0.", "0,1", "0x1", "1_0", "٠.١", "00.1"]
    bad += ["0.1\n", "1" * 100, "9" * 78, 0.1, 1, None, True, ["0.1"], {"value": "0.1"}]
    codes = {repr(amount): await shop.refused("w22", amount, payee) for amount in bad}
    assert set(codes.values()) <= {
        "invalid_amount",
        "validation_failed",
        "above_maximum",
        "insufficient_funds",
    }
    for text in ('{"amount": 1e400}', '{"amount": "0.1", "amount": "0.2"}', "{", "[]", "null", "\x00"):
        answer = await shop.send("POST", "/v1/withdrawals", key="w22", raw=text.encode())
        assert answer.status in (400, 422), text
    assert await shop.withdrawals("w22") == []
    balance = await shop.balance("w22")
    assert (balance["available"], balance["reserved"]) == ("0.50000000", ZERO)
    shop.check_books()


async def test_large_withdrawal_is_held_and_can_be_cancelled(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage)
    await shop.fund("held", "0.95000000")
    payee = await shop.chain.foreign_address()
    order = await shop.withdraw("held", "0.80000001", payee)
    assert (order["status"], order["waiting_for"]) == ("held", "approval")
    await shop.mine()
    assert (await shop.withdrawal(order["id"]))["attempts"] == []
    assert (await shop.balance("held"))["reserved"] == "0.80010001"

    cancelled = await shop.website.post(f"/v1/withdrawals/{order['id']}/cancel", {})
    assert cancelled["status"] == "cancelled"
    assert [entry["status"] for entry in cancelled["history"]] == ["held", "cancelled"]
    balance = await shop.balance("held")
    assert (balance["available"], balance["reserved"]) == ("0.95000000", ZERO)

    small = await shop.withdraw("held", "0.80000000", payee)
    assert small["status"] == "approved"
    await shop.until_withdrawal(small["id"], "broadcast")
    answer = await shop.send("POST", f"/v1/withdrawals/{small['id']}/cancel", {}, key=secrets.token_hex(8))
    assert (answer.status, answer.code) == (409, "not_cancellable")
    await shop.until_withdrawal(small["id"], "final", mine=True)
    assert await shop.chain.received(payee) == 80_000_000
    shop.check_books()


async def test_killed_signer_comes_back_and_nothing_is_paid_twice(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage)
    await shop.fund("signer", "0.60000000")
    assert stage.process is not None
    payees = [await shop.chain.foreign_address() for _ in range(3)]
    orders = []
    for payee in payees:
        for pid in children_of(stage.process.pid):
            os.kill(pid, signal.SIGKILL)
        orders.append(await shop.withdraw("signer", "0.10000000", payee))
        await shop.mine()
    for order in orders:
        done = await shop.until_withdrawal(order["id"], "final", mine=True)
        assert [attempt["state"] for attempt in done["attempts"]].count("mined") == 1
    assert [await shop.chain.received(payee) for payee in payees] == [10_000_000] * 3
    assert (await shop.balance("signer"))["available"] == "0.29970000"
    shop.check_books()


async def test_reorg_deeper_than_the_guard_halts_and_takes_nothing_back(
    stage: Stage, open_shop: OpenShop
) -> None:
    shop = await open_shop(stage)
    await shop.fund("deep", "0.50000000")
    before = await shop.balance("deep")
    node = shop.node
    old_tip = str(node.rpc("getblockhash", node.height - 5))
    await asyncio.to_thread(node.reorg, 6)
    await shop.until_state("halted")
    assert await shop.balance("deep") == before
    order = shop.order("deep", "0.10000000", await shop.chain.foreign_address())
    refused = await shop.send("POST", "/v1/withdrawals", order, key="deep")
    assert (refused.status, refused.code) == (503, "currency_unavailable")
    assert await shop.withdrawals("deep") == []

    # An operator brings the node back to the chain everybody else is on.
    node.invalidate(str(node.rpc("getblockhash", node.height - 6)))
    node.reconsider(old_tip)
    await shop.until_state("open")
    taken = await shop.send("POST", "/v1/withdrawals", order, key="deep")
    assert taken.status == 201
    await shop.until_withdrawal(taken.body["id"], "final", mine=True)
    shop.check_books()
