"""The nonce lane on a real anvil: outbid, dropped, used by somebody else; each payment once."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest

from tests.demo.chains import WEI
from tests.demo.stage import Stage
from tests.fakes.proxy import NodeProxy
from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.operator import Operator, appoint
from tests.flows.shop import Shop
from tests.flows.test_deposit_evm import REVERTING
from tests.flows.test_withdrawal_evm import hot_address

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]

GWEI = 10**9


@pytest.fixture(scope="module")
def proxy() -> Iterator[NodeProxy]:
    with NodeProxy() as running:
        yield running


@pytest.fixture(scope="module")
def stage(make_module_stage: MakeStage, proxy: NodeProxy) -> Stage:
    stage = make_module_stage(
        "ETH", CASHIER__COINS__ETH__NODE__URL=proxy.url, CASHIER__COINS__ETH__BUMP_AFTER_S="10"
    )
    proxy.target = stage.chains[0].node.port
    for name in ("ann", "bob"):  # a one-time code is good once
        appoint(stage, name, "payments")
    return stage


@pytest.fixture
async def ann(stage: Stage) -> AsyncIterator[Operator]:
    operator = Operator(stage, "ann")
    yield operator
    await operator.close()


@pytest.fixture
async def bob(stage: Stage) -> AsyncIterator[Operator]:
    operator = Operator(stage, "bob")
    yield operator
    await operator.close()


def raws(stage: Stage, withdrawal_id: str) -> list[tuple[str, str]]:
    """(txid, raw) of a withdrawal's candidates, oldest first."""
    path = stage.folder / "data" / "cashier.sqlite"
    with sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True) as db:
        found = db.execute(
            "SELECT a.txid, a.raw FROM attempt a JOIN intent i ON i.id = a.intent_id"
            " WHERE i.withdrawal_id = ? ORDER BY a.rowid",
            (withdrawal_id,),
        ).fetchall()
    db.close()
    return [(str(txid), str(raw)) for txid, raw in found]


async def ready(shop: Shop, client: str) -> None:
    """A client with 3 ETH that lie in the hot account."""
    await shop.fund(client, "3")
    await shop.mine(6)
    hot_gets_it = partial(asyncio.to_thread, in_flight, shop.stage)
    await shop.until(hot_gets_it, lambda count: count == 0, mine=True)


def in_flight(stage: Stage) -> int:
    """Attempts that are not settled yet."""
    path = stage.folder / "data" / "cashier.sqlite"
    with sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True) as db:
        (count,) = db.execute(
            "SELECT count(*) FROM intent WHERE status = 'open' OR EXISTS (SELECT 1 FROM script_balance"
            " WHERE is_sweepable = 1)"
        ).fetchone()
    db.close()
    return int(count)


async def until_candidates(shop: Shop, withdrawal_id: str, count: int) -> list[dict[str, Any]]:
    """The withdrawal's candidates, once there are so many and the node has the newest."""

    def is_there(row: dict[str, Any]) -> bool:
        attempts = row["attempts"]
        return len(attempts) == count and attempts[-1]["state"] == "broadcast"

    row = await shop.until(partial(shop.withdrawal, withdrawal_id), is_there)
    return list(row["attempts"])


async def test_w28_a_spike_of_the_base_fee_is_outbid_and_pays_once(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage)
    anvil = shop.anvil
    await ready(shop, "w28")
    payee = await shop.chain.foreign_address()
    order = await shop.withdraw("w28", "1", payee)
    await shop.until_withdrawal(order["id"], "broadcast")
    anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(100 * GWEI))
    await shop.mine()
    assert anvil.balance(payee) == 0
    attempts = await until_candidates(shop, order["id"], 2)
    old, new = (anvil.rpc("eth_getTransactionByHash", txid) for txid, _ in raws(stage, order["id"]))
    done = await shop.until_withdrawal(order["id"], "final", mine=True)
    assert (anvil.balance(payee), done["txid"], done["attention"]) == (WEI, attempts[-1]["txid"], False)
    assert [a["state"] for a in done["attempts"]] == ["replaced", "mined"]
    assert old is None
    assert int(new["maxFeePerGas"], 16) >= 100 * GWEI
    receipt = anvil.rpc("eth_getTransactionReceipt", done["txid"])
    assert int(receipt["status"], 16) == 1
    anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    await shop.mine()
    shop.check_books()


async def test_w08_the_original_mined_after_the_bump_is_what_counts(
    stage: Stage, open_shop: OpenShop
) -> None:
    shop = await open_shop(stage)
    anvil = shop.anvil
    await ready(shop, "w08")
    payee = await shop.chain.foreign_address()
    order = await shop.withdraw("w08", "1", payee)
    await until_candidates(shop, order["id"], 2)
    (first, raw), (second, _) = raws(stage, order["id"])
    # Another node's pool kept the first one, and its miner was quicker.
    anvil.rpc("anvil_dropTransaction", second)
    anvil.rpc("eth_sendRawTransaction", raw)
    await shop.mine()
    assert anvil.balance(payee) == WEI
    done = await shop.until_withdrawal(order["id"], "final", mine=True)
    assert (done["txid"], done["attention"]) == (first, False)
    assert [a["state"] for a in done["attempts"]] == ["mined", "replaced"]
    assert anvil.balance(payee) == WEI
    shop.check_books()


async def test_w26_a_dropped_nonce_is_sent_again_and_all_three_are_paid_once(
    stage: Stage, open_shop: OpenShop
) -> None:
    shop = await open_shop(stage)
    anvil = shop.anvil
    await ready(shop, "w26")
    payees = [await shop.chain.foreign_address() for _ in range(3)]
    orders = [await shop.withdraw("w26", "0.5", payee) for payee in payees]
    sent = [await shop.until_withdrawal(order["id"], "broadcast") for order in orders]
    anvil.rpc("anvil_dropTransaction", sent[0]["txid"])
    await shop.mine()
    assert [anvil.balance(payee) for payee in payees] == [0, 0, 0]
    done = [await shop.until_withdrawal(order["id"], "final", mine=True) for order in orders]
    assert [anvil.balance(payee) for payee in payees] == [WEI // 2] * 3
    mined = [anvil.rpc("eth_getTransactionByHash", row["txid"]) for row in done]
    first = int(mined[0]["nonce"], 16)
    assert [int(tx["nonce"], 16) for tx in mined] == [first, first + 1, first + 2]
    assert not any(row["attention"] for row in done)
    shop.check_books()


async def test_w30_a_payout_mined_with_status_0_is_failed_costs_its_gas_and_does_not_loop(
    stage: Stage, open_shop: OpenShop
) -> None:
    shop = await open_shop(stage)
    anvil = shop.anvil
    await ready(shop, "w30")
    before = await shop.balance("w30")
    payee = await shop.chain.foreign_address()
    anvil.rpc("anvil_setCode", payee, REVERTING)
    order = await shop.withdraw("w30", "0.5", payee)
    await until_candidates(shop, order["id"], 1)
    await shop.mine()
    row = await shop.withdrawal(order["id"])
    assert (row["status"], row["attention"]) == ("broadcast", True)
    failed = await shop.until_withdrawal(order["id"], "failed", mine=True)
    assert [a["state"] for a in failed["attempts"]] == ["reverted"]
    assert (anvil.balance(payee), await shop.balance("w30")) == (0, before)
    await shop.mine(8)
    assert await shop.withdrawal(order["id"]) | {"confirmations": 0} == failed | {"confirmations": 0}
    shop.check_books()


async def test_a_stopped_payout_is_failed_and_given_back_only_when_its_cancel_is_final(
    stage: Stage, open_shop: OpenShop, ann: Operator
) -> None:
    shop = await open_shop(stage)
    anvil = shop.anvil
    await ready(shop, "stop")
    before = await shop.balance("stop")
    payee = await shop.chain.foreign_address()
    order = await shop.withdraw("stop", "1", payee)
    await until_candidates(shop, order["id"], 1)
    await ann.login()
    stopped = await ann.post(f"withdrawals/{order['id']}/stop", reason="the client was tricked")
    assert (stopped["status"], stopped["attention"]) == ("broadcast", True)
    await until_candidates(shop, order["id"], 2)
    await shop.mine()
    row = await shop.withdrawal(order["id"])
    assert (row["status"], [a["state"] for a in row["attempts"]]) == ("broadcast", ["broadcast", "reverted"])
    assert (await shop.balance("stop"))["reserved"] == "1.001000000000000000"
    done = await shop.until_withdrawal(order["id"], "failed", mine=True)
    assert [a["state"] for a in done["attempts"]] == ["replaced", "reverted"]
    assert anvil.balance(payee) == 0
    assert await shop.balance("stop") == before
    shop.check_books()


async def test_w34_w29_foreign_use_of_the_hot_key_halts_the_lane_until_its_case_is_decided(
    stage: Stage, open_shop: OpenShop, bob: Operator
) -> None:
    shop = await open_shop(stage)
    anvil = shop.anvil
    await ready(shop, "w34")
    payees = [await shop.chain.foreign_address() for _ in range(2)]
    first = await shop.withdraw("w34", "0.5", payees[0])
    await until_candidates(shop, first["id"], 1)
    hot = hot_address(stage)
    anvil.rpc("anvil_dropTransaction", raws(stage, first["id"])[0][0])
    anvil.rpc("anvil_impersonateAccount", hot)
    anvil.send(await shop.chain.foreign_address(), 0, sender=hot)
    await shop.mine()
    conflicted = await shop.withdrawal(first["id"])
    assert (conflicted["attention"], conflicted["attempts"][0]["state"]) == (True, "conflicted")
    second = await shop.withdraw("w34", "0.5", payees[1])
    waits = await shop.until(
        partial(shop.withdrawal, second["id"]), lambda row: row["waiting_for"] == "funds", mine=True
    )
    assert waits["attempts"] == []
    await shop.mine(6)
    await bob.login()
    (case,) = (await bob.get("cases?status=open"))["data"]
    assert (case["kind"], case["amount"]) == ("unexplained", f"0.{'0' * 18}")
    await bob.post(f"cases/{case['id']}/write-off", reason="our own mistake, the key is safe")
    await bob.post(f"withdrawals/{first['id']}/stop", reason="that chain tx paid nobody")
    assert (await shop.withdrawal(first["id"]))["status"] == "failed"
    done = await shop.until_withdrawal(second["id"], "final", mine=True)
    assert [anvil.balance(payee) for payee in payees] == [0, WEI // 2]
    assert len(done["attempts"]) == 1
    shop.check_books()
