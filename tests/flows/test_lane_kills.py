"""The cashier is killed at each step of outbidding a payment on anvil: paid once."""

from __future__ import annotations

import asyncio

import pytest

from coins.failpoint import KILLED, VARIABLE
from tests.demo.chains import WEI
from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.test_lane import ready, until_candidates

STEPS = (
    "bump.planned:1",
    "payout.reserved:1",
    "payout.signed:1",
    "payout.recorded:1",
    "payout.sent:1",
    "payout.noted:1",
)
PATIENCE_S = 40.0


@pytest.mark.node
@pytest.mark.timeout(240)
async def test_w01_w28_kill_at_each_step_of_a_bump_pays_once(
    make_stage: MakeStage, open_shop: OpenShop
) -> None:
    stage = make_stage("ETH", CASHIER__COINS__ETH__BUMP_AFTER_S="10")
    shop = await open_shop(stage)
    await ready(shop, "kills")
    payee = await shop.chain.foreign_address()
    order = await shop.withdraw("kills", "1", payee)
    await until_candidates(shop, order["id"], 1)
    stage.kill()
    for step in STEPS:
        stage.spawn({VARIABLE: step})
        assert stage.process is not None
        code = await asyncio.to_thread(stage.process.wait, PATIENCE_S)
        assert (step, code) == (step, KILLED)
    stage.spawn()
    await stage.until_ready()
    done = await shop.until_withdrawal(order["id"], "final", mine=True)
    # On a slow machine a third candidate may have become due meanwhile, and not be sent before the block.
    mined = [attempt["txid"] for attempt in done["attempts"] if attempt["state"] == "mined"]
    assert mined == [done["txid"]]
    others = [attempt["state"] for attempt in done["attempts"] if attempt["state"] != "mined"]
    assert others in (["replaced"], ["replaced", "replaced"])
    assert shop.anvil.balance(payee) == WEI
    shop.check_books()
