"""Withdrawals on an account chain: lost replies, reorgs, an empty hot account; each nonce pays once."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from functools import partial

import pytest

from tests.demo.chains import WEI
from tests.demo.stage import Stage
from tests.fakes.proxy import NodeProxy
from tests.flows.conftest import MakeStage, OpenShop

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def proxy() -> Iterator[NodeProxy]:
    with NodeProxy() as running:
        yield running


@pytest.fixture(scope="module")
def stage(make_module_stage: MakeStage, proxy: NodeProxy) -> Stage:
    stage = make_module_stage("ETH", CASHIER__COINS__ETH__NODE__URL=proxy.url)
    proxy.target = stage.chains[0].node.port
    return stage


async def test_w13_payouts_wait_for_the_hot_account_in_order(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage)
    anvil = shop.anvil
    # Deposits below the threshold are not swept, so the hot account stays empty.
    clients = [f"w13-{number}" for number in range(5)]
    for client in clients:
        anvil.send(await shop.address(client), 9 * WEI // 1000)
    await shop.mine(6)
    for client in clients:
        await shop.until_deposit(client, "final")
    payees = [await shop.chain.foreign_address() for _ in clients]
    orders = [
        await shop.withdraw(client, "0.005", payee) for client, payee in zip(clients, payees, strict=True)
    ]

    async def waiting() -> list[tuple[str, str | None]]:
        rows = [await shop.withdrawal(order["id"]) for order in orders]
        return [(row["status"], row["waiting_for"]) for row in rows]

    await shop.until(waiting, lambda rows: rows == [("approved", "funds")] * 5)
    await shop.mine(3)
    assert [anvil.balance(payee) for payee in payees] == [0] * 5

    anvil.send(hot_address(stage), 2 * WEI)
    done = [await shop.until_withdrawal(order["id"], "final", mine=True) for order in orders]
    assert [anvil.balance(payee) for payee in payees] == [5 * WEI // 1000] * 5
    nonces = [int(anvil.rpc("eth_getTransactionByHash", row["txid"])["nonce"], 16) for row in done]
    assert nonces == sorted(nonces)
    assert len(set(nonces)) == 5
    assert [len(row["attempts"]) for row in done] == [1] * 5
    shop.check_books()


def hot_address(stage: Stage) -> str:
    """The house's own account, from the books: the website is not told of it."""
    path = stage.folder / "data" / "cashier.sqlite"
    with sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True) as db:
        row = db.execute(
            "SELECT address FROM own_script WHERE branch = 'hot' AND currency = 'ETH'"
        ).fetchone()
    db.close()
    return str(row[0])


async def test_w02_lost_reply_of_the_broadcast_pays_once(
    stage: Stage, open_shop: OpenShop, proxy: NodeProxy
) -> None:
    shop = await open_shop(stage)
    await shop.fund("w02", "3")
    payee = await shop.chain.foreign_address()
    sent_before = len(proxy.sent("eth_sendRawTransaction"))
    proxy.drop_replies("eth_sendRawTransaction", 2)
    order = await shop.withdraw("w02", "1.25", payee)
    done = await shop.until_withdrawal(order["id"], "final", mine=True)
    assert "eth_sendRawTransaction" in proxy.dropped
    proxy.drop_replies("eth_sendRawTransaction", 0)
    assert shop.anvil.balance(payee) == 125 * WEI // 100
    assert [attempt["txid"] for attempt in done["attempts"]] == [done["txid"]]
    assert not done["attention"]
    assert len(proxy.sent("eth_sendRawTransaction")) > sent_before
    shop.check_books()


async def test_w11_payout_reorged_out_is_sent_again_not_refunded(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage)
    anvil = shop.anvil
    await shop.fund("w11", "3")
    # The sweep is deep before the payout begins: the reorg shall hit the payout alone.
    await shop.mine(6)
    payee = await shop.chain.foreign_address()
    order = await shop.withdraw("w11", "1", payee)
    await shop.until_withdrawal(order["id"], "broadcast")
    await shop.mine(3)
    confirmed = await shop.until_withdrawal(order["id"], "confirmed")

    # anvil forgets what a reorg drops: nobody but the cashier can bring it back.
    await asyncio.to_thread(anvil.reorg, anvil.height - int(confirmed["block_height"]) + 1)
    await shop.mine()
    await shop.until_withdrawal(order["id"], "broadcast")
    assert anvil.balance(payee) == 0
    balance = await shop.balance("w11")
    assert (balance["available"], balance["reserved"]) == ("1.999000000000000000", "1.001000000000000000")

    done = await shop.until_withdrawal(order["id"], "final", mine=True)
    assert (done["txid"], len(done["attempts"])) == (confirmed["txid"], 1)
    assert anvil.balance(payee) == WEI
    assert (await shop.balance("w11"))["reserved"] == f"0.{'0' * 18}"
    shop.check_books()


async def test_w11_sweep_and_payout_of_it_reorged_out_together(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage)
    anvil = shop.anvil
    hot = hot_address(stage)
    await shop.fund("both", "7")
    payee = await shop.chain.foreign_address()
    before = anvil.balance(hot)

    async def swept() -> int:
        return anvil.balance(hot) - before

    await shop.until(swept, lambda amount: amount > 6 * WEI, mine=True)
    height = anvil.height
    order = await shop.withdraw("both", "6", payee)
    confirming = await shop.until(
        partial(shop.withdrawal, order["id"]), lambda row: row["confirmations"] > 0, mine=True
    )
    depth = anvil.height - height + 2
    assert depth <= 5, "the reorg must be within the guard"
    await asyncio.to_thread(anvil.reorg, depth)
    await shop.mine()
    assert anvil.balance(payee) == 0
    assert anvil.balance(hot) < 6 * WEI

    done = await shop.until_withdrawal(order["id"], "final", mine=True)
    assert anvil.balance(payee) == 6 * WEI
    assert done["txid"] == confirming["txid"]
    assert (await shop.balance("both"))["available"] == "0.999000000000000000"
    shop.check_books()
