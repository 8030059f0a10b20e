"""A token's payments in the nonce lane of its chain: without gas, refused by the token, stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from tests.demo.chains import WEI
from tests.demo.stage import Stage
from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.operator import Operator, appoint
from tests.flows.shop import Shop
from tests.flows.test_token import TOKEN, asked, compare, token_of
from tests.flows.test_withdrawal_evm import hot_address
from tests.nodes.contract import Mode

pytestmark = [pytest.mark.node, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def stage(make_module_stage: MakeStage) -> Stage:
    made = make_module_stage("ETH", TOKEN)
    appoint(made, "ann", "payments")
    return made


@pytest.fixture
async def ann(stage: Stage) -> AsyncIterator[Operator]:
    operator = Operator(stage, "ann")
    yield operator
    await operator.close()


async def ordered(shop: Shop, client: str, amount: str) -> tuple[dict[str, Any], str]:
    """A withdrawal of a client who has enough, and its payee."""
    await shop.fund(client, "100")
    payee = await shop.chain.foreign_address()
    return await shop.withdraw(client, amount, payee), payee


async def test_w33_without_gas_a_token_payout_waits_and_no_nonce_is_burnt(
    stage: Stage, open_shop: OpenShop
) -> None:
    shop = await open_shop(stage, TOKEN)
    token, hot = token_of(shop), hot_address(stage)
    await asyncio.to_thread(shop.pay, hot, "500")
    await shop.mine(6)
    order, payee = await ordered(shop, "w33", "40")
    await shop.until(
        partial(shop.withdrawal, order["id"]), lambda row: row["waiting_for"] == "gas", mine=True
    )
    assert asked(stage, "SELECT count(*) FROM attempt") == [(0,)]
    shop.anvil.send(hot, 2 * WEI)
    done = await shop.until_withdrawal(order["id"], "final", mine=True)
    assert await token.received(payee) == 40_000_000
    assert len(done["attempts"]) == 1
    nonces = [nonce for (nonce,) in asked(stage, "SELECT nonce FROM attempt a ORDER BY nonce")]
    assert nonces[0] == 0
    await compare(stage, shop)


async def test_w31_a_token_that_answers_false_did_not_pay(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage, TOKEN)
    token = token_of(shop)
    assert token.token is not None
    await shop.fund("w31", "100")
    before = await shop.balance("w31")
    token.token.send("setMode", int(Mode.FALSE))
    await shop.mine()
    payee = await shop.chain.foreign_address()
    order = await shop.withdraw("w31", "40", payee)
    failed = await shop.until_withdrawal(order["id"], "failed", mine=True)
    receipt = shop.anvil.rpc("eth_getTransactionReceipt", failed["txid"])
    assert int(receipt["status"], 16) == 1
    token.token.send("setMode", int(Mode.NORMAL))
    await shop.mine()
    assert await token.received(payee) == 0
    assert await shop.balance("w31") == before
    gas = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
    paid = asked(stage, "SELECT count(*) FROM journal WHERE kind = 'gas' AND ref_id = ?", failed["txid"])
    assert (gas > 0, paid) == (True, [(1,)])
    await compare(stage, shop)


async def test_w32_a_token_that_answers_nothing_has_paid(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage, TOKEN)
    token = token_of(shop)
    assert token.token is not None
    token.token.send("setMode", int(Mode.SILENT))
    order, payee = await ordered(shop, "w32", "40")
    await shop.until_withdrawal(order["id"], "final", mine=True)
    token.token.send("setMode", int(Mode.NORMAL))
    await shop.mine()
    assert await token.received(payee) == 40_000_000
    await compare(stage, shop)


async def test_a_stopped_token_payout_pays_nobody(stage: Stage, open_shop: OpenShop, ann: Operator) -> None:
    shop = await open_shop(stage, TOKEN)
    token = token_of(shop)
    await shop.fund("stop", "100")
    payee = await shop.chain.foreign_address()
    order = await shop.withdraw("stop", "40", payee)
    await shop.until_withdrawal(order["id"], "broadcast")
    await ann.login()
    await ann.post(f"withdrawals/{order['id']}/stop", reason="not wanted any more")
    await shop.until(partial(shop.withdrawal, order["id"]), lambda row: len(row["attempts"]) == 2)
    await shop.until_withdrawal(order["id"], "failed", mine=True)
    assert await token.received(payee) == 0
    assert (await shop.balance("stop"))["available"] == "100.000000"
    await compare(stage, shop)
