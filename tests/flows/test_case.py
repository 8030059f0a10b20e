"""Money that credits nobody, on a real node: an operator credits it, or sends it back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from tests.demo.stage import Stage
from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.operator import Operator, appoint

pytestmark = [pytest.mark.node, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def stage(make_module_stage: MakeStage) -> Stage:
    made = make_module_stage("BTC")
    appoint(made, "olga", "payments")
    return made


@pytest.fixture
async def olga(stage: Stage) -> AsyncIterator[Operator]:
    operator = Operator(stage, "olga")
    yield operator
    await operator.close()


async def only_case(olga: Operator, client_id: str) -> dict[str, Any]:
    """The client's open case."""
    (case,) = (await olga.get(f"cases?status=open&client_id={client_id}"))["data"]
    assert isinstance(case, dict)
    return case


async def test_d21_d47_a_parked_payment_becomes_a_credit_that_can_be_withdrawn_another_is_sent_back(
    stage: Stage, open_shop: OpenShop, olga: Operator
) -> None:
    shop = await open_shop(stage)
    await olga.login()
    address = await shop.fund("alice", "0.01000000")
    txid = await asyncio.to_thread(shop.pay, address, "0.00009000")
    await shop.mine(2)
    case = await only_case(olga, "alice")
    assert (case["txid"], case["amount"], case["reason"]) == (txid, "0.00009000", "below_minimum")
    assert (case["kind"], case["address"], case["confirmations"]) == ("parked", address, 2)
    decision = {"client_id": "alice", "reason": "the shop asked us to"}
    assert await olga.refused(f"cases/{case['id']}/assign", **decision) == "not_confirmed"
    await shop.mine()
    done = await olga.post(f"cases/{case['id']}/assign", **decision)
    assert (done["status"], done["history"][-1]["by"]) == ("assigned", "operator:op_olga")
    assert (await shop.balance("alice"))["withdrawable"] == "0.01009000"
    deposit = next(row for row in await shop.deposits("alice") if row["txid"] == txid)
    assert deposit["status"] == "credited"
    await shop.mine(3)

    payee = shop.node.new_address()
    order = await shop.withdraw("alice", "0.01009000", payee, fee_included=True)
    await shop.until_withdrawal(order["id"], "final", mine=True)
    assert received(shop.node, payee) == Decimal(order["amount"])
    assert (await shop.balance("alice"))["available"] == "0.00000000"

    await olga.post("clients/bob/block-deposits", reason="asked by the bank")
    await shop.fund("carol", "0.02000000")
    await asyncio.to_thread(shop.pay, await shop.address("bob"), "0.01500000")
    await shop.mine(6)
    case = await only_case(olga, "bob")
    assert case["reason"] == "client_blocked"
    sender = shop.node.new_address()
    sent = await olga.post(
        f"cases/{case['id']}/refund", currency="BTC", address=sender, reason="back to where it came from"
    )
    assert sent["status"] == "refunding"

    async def refunded() -> dict[str, Any]:
        return await olga.get(f"cases/{case['id']}")

    await shop.until(refunded, lambda row: row["status"] == "refunded", mine=True)
    assert received(shop.node, sender) == Decimal("0.015")
    assert (await shop.balance("bob"))["available"] == "0.00000000"
    shop.check_books()


def received(node: Any, address: str) -> Decimal:
    """What the chain brought an address of the node's wallet."""
    return Decimal(str(node.rpc("getreceivedbyaddress", address, 1)))
