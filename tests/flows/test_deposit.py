"""Deposits on a UTXO chain, from the mempool to final, and everything that may go wrong on the way."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from tests.demo.stage import Stage
from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.forge import coins, spend, txid_of
from tests.nodes.regtest import BitcoinNode, free_port

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def stage(make_module_stage: MakeStage) -> Stage:
    return make_module_stage("BTC", CASHIER__COINS__BTC__APPROVAL_ABOVE="0.3")


async def test_d01_d02_credit_at_exactly_the_third_block_and_once(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage)
    address = await shop.address("d02")
    await asyncio.to_thread(shop.pay, address, "0.29000000")

    seen = await shop.until_deposit("d02", "seen")
    assert (seen["amount"], seen["confirmations"]) == ("0.29000000", 0)
    assert (await shop.balance("d02"))["available"] == "0.00000000"

    available = []
    for _ in range(10):
        await shop.mine()
        available.append((await shop.balance("d02"))["available"])
    assert available == ["0.00000000"] * 2 + ["0.29000000"] * 8
    assert [row["status"] for row in await shop.deposits("d02")] == ["final"]
    shop.check_books()


async def test_d03_replaced_payment_is_never_credited(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage)
    node, address = shop.node, await shop.address("d03")
    coin = coins(node)[0]
    node.rpc("sendrawtransaction", spend(node, coin, [(address, Decimal(1))]))
    await shop.until_deposit("d03", "seen")

    thief = node.new_address()
    node.rpc("sendrawtransaction", spend(node, coin, [(thief, Decimal(2))], fee=Decimal("0.001")))
    await shop.mine(6)
    await shop.until_deposit("d03", "conflicted")
    assert (await shop.balance("d03"))["available"] == "0.00000000"
    assert (await shop.balance("d03"))["pending"] == "0.00000000"
    shop.check_books()


async def test_d06_reorg_before_credit_with_a_double_spend(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage)
    node, address = shop.node, await shop.address("d06")
    coin = coins(node)[0]
    rival = spend(node, coin, [(node.new_address(), Decimal(2))], fee=Decimal("0.001"))
    node.rpc("sendrawtransaction", spend(node, coin, [(address, Decimal(1))]))
    await shop.mine(2)
    assert (await shop.until_deposit("d06", "confirming"))["confirmations"] == 2

    await asyncio.to_thread(replace_blocks, node, 2, rival)
    await shop.until_tip()
    await shop.until_deposit("d06", "orphaned")
    await shop.mine(4)
    assert [row["status"] for row in await shop.deposits("d06")] == ["orphaned"]
    assert (await shop.balance("d06"))["available"] == "0.00000000"
    shop.check_books()


def replace_blocks(node: BitcoinNode, depth: int, *transactions: str) -> None:
    """Replace the top blocks by one more; the first of the new ones holds exactly these transactions."""
    node.invalidate(str(node.rpc("getblockhash", node.height - depth + 1)))
    node.generate_block(transactions=transactions)
    for _ in range(depth):
        node.generate_block()


async def test_d08_mined_again_at_another_height_is_one_credit(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage)
    node, address = shop.node, await shop.address("d08")
    txid = await asyncio.to_thread(shop.pay, address, "0.70000000")
    await shop.mine(3)
    first = await shop.until_deposit("d08", "credited")

    await asyncio.to_thread(node.reorg, 3)
    await shop.until_tip()
    assert (await shop.balance("d08"))["available"] == "0.00000000"
    assert len(await shop.deposits("d08")) == 1
    await shop.mine(3)
    again = await shop.until_deposit("d08", "credited")
    assert (again["id"], again["txid"]) == (first["id"], txid)
    assert again["block_height"] > first["block_height"]
    assert again["block_hash"] != first["block_hash"]
    assert (await shop.balance("d08"))["available"] == "0.70000000"
    shop.check_books()


async def test_d17_two_outputs_to_one_address_are_two_deposits(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage)
    node, address = shop.node, await shop.address("d17")
    raw = spend(node, coins(node)[0], [(address, Decimal("0.1")), (address, Decimal("0.2"))])
    txid = str(node.rpc("sendrawtransaction", raw))
    await shop.mine(3)
    await shop.until_deposit("d17", "credited")
    rows = await shop.deposits("d17")
    assert sorted((row["txid"], row["output_index"], row["amount"]) for row in rows) == [
        (txid, 0, "0.10000000"),
        (txid, 1, "0.20000000"),
    ]
    assert (await shop.balance("d17"))["available"] == "0.30000000"
    # The same block once more, by a reorg to an equal one above it: nothing is credited twice.
    await asyncio.to_thread(node.reorg, 1)
    await shop.until_tip()
    assert (await shop.balance("d17"))["available"] == "0.30000000"
    shop.check_books()


async def test_d18_one_chain_tx_pays_200_clients(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage)
    node = shop.node
    clients = [f"d18-{number}" for number in range(200)]
    addresses = [await shop.address(client) for client in clients]
    assert len(set(addresses)) == 200
    amounts = [Decimal(100_000 + number).scaleb(-8) for number in range(200)]
    raw = spend(node, coins(node)[0], list(zip(addresses, amounts, strict=True)), fee=Decimal("0.001"))
    txid = txid_of(node, raw)
    node.generate_block(transactions=[raw])
    await shop.mine(2)

    async def credited() -> list[dict[str, object]]:
        listed = await shop.website.get(f"/v1/deposits?txid={txid}&limit=500")
        return [row for row in listed["data"] if row["status"] == "credited"]

    rows = await shop.until(credited, lambda found: len(found) == 200)
    assert {row["client_id"]: row["amount"] for row in rows} == {
        client: f"{amount:.8f}" for client, amount in zip(clients, amounts, strict=True)
    }
    for client, amount in ((clients[0], "0.00100000"), (clients[199], "0.00100199")):
        assert (await shop.balance(client))["available"] == amount
    shop.check_books()


async def test_d19_change_never_is_a_deposit(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage)
    await shop.fund("d19", "1.00000000")
    before = (await shop.website.get("/v1/deposits?limit=1"))["data"][0]["id"]
    payee = await shop.chain.foreign_address()
    order = await shop.withdraw("d19", "0.30000000", payee)
    await shop.until_withdrawal(order["id"], "final", mine=True)

    assert await shop.chain.received(payee) == 30_000_000
    assert (await shop.website.get("/v1/deposits?limit=1"))["data"][0]["id"] == before
    balance = await shop.balance("d19")
    assert (balance["available"], balance["reserved"]) == ("0.69990000", "0.00000000")
    shop.check_books()


async def test_d21_dust_is_parked_with_its_exact_amount(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage)
    node, address = shop.node, await shop.address("d21")
    amounts = [Decimal(0), Decimal(1).scaleb(-8), Decimal(545).scaleb(-8)]
    raw = spend(node, coins(node)[0], [(address, amount) for amount in amounts])
    # Below what nodes relay: only a miner can put it into a block.
    node.generate_block(transactions=[raw])
    await shop.mine(3)
    await shop.until_deposit("d21", "parked")
    rows = await shop.deposits("d21")
    assert sorted((row["amount"], row["status"], row["reason"]) for row in rows) == [
        ("0.00000001", "parked", "below_minimum"),
        ("0.00000545", "parked", "below_minimum"),
    ]
    assert (await shop.balance("d21"))["available"] == "0.00000000"
    shop.check_books()


async def test_d26_twenty_blocks_missed_while_stopped(stage: Stage, open_shop: OpenShop) -> None:
    shop = await open_shop(stage)
    clients = [f"d26-{number}" for number in range(20)]
    addresses = [await shop.address(client) for client in clients]
    assert stage.process is not None
    stage.process.terminate()
    await asyncio.to_thread(stage.process.wait, 30)
    for number, address in enumerate(addresses):
        await asyncio.to_thread(shop.pay, address, f"0.{number + 1:02d}000000")
        await shop.chain.mine()

    shop = await open_shop(stage)
    await shop.mine(2)
    for number, client in enumerate(clients):
        found = await shop.until(lambda c=client: shop.deposits(c), bool)  # type: ignore[misc]
        assert [row["amount"] for row in found] == [f"0.{number + 1:02d}000000"]
        assert (await shop.balance(client))["available"] == f"0.{number + 1:02d}000000"
    shop.check_books()


async def test_d07_reorg_after_credit_takes_back_and_freezes_that_client_alone(
    stage: Stage, open_shop: OpenShop
) -> None:
    shop = await open_shop(stage)
    node = shop.node
    await shop.fund("d07-honest", "1.00000000")
    await shop.fund("d07-thief", "0.10000000")
    address = await shop.address("d07-thief")
    coin = coins(node)[0]
    rival = spend(node, coin, [(node.new_address(), Decimal(2))], fee=Decimal("0.001"))
    node.rpc("sendrawtransaction", spend(node, coin, [(address, Decimal(1))]))
    await shop.mine(3)
    stolen = await shop.until_deposit("d07-thief", "credited")
    # The young credit leaves by a transfer inside the books, so that it cannot be taken back whole.
    body = {"from": "d07-thief", "to": "house", "currency": "BTC", "amount": "0.60000000"}
    await shop.website.post("/v1/transfers", body | {"external_id": "d07", "reason": "a bet"})
    await shop.mine(2)

    await asyncio.to_thread(replace_blocks, node, 5, rival)
    await shop.until_tip()
    found = await shop.website.get(f"/v1/deposits/{stolen['id']}")
    assert found["status"] == "reversed"
    thief = await shop.balance("d07-thief")
    assert (thief["available"], thief["deficit"]) == ("0.00000000", "0.50000000")
    payee = await shop.chain.foreign_address()
    assert await shop.refused("d07-thief", "0.01000000", payee) == "insufficient_funds"

    order = await shop.withdraw("d07-honest", "0.20000000", payee)
    await shop.until_withdrawal(order["id"], "confirmed", mine=True)
    assert await shop.chain.received(payee) == 20_000_000
    # What comes in later pays the debt first.
    await shop.fund("d07-thief", "0.80000000", blocks=3)
    thief = await shop.balance("d07-thief")
    assert (thief["available"], thief["deficit"]) == ("0.30000000", "0.00000000")
    shop.check_books()


async def test_d07_unsigned_payouts_are_rejected_before_anything_is_owed(
    stage: Stage, open_shop: OpenShop
) -> None:
    shop = await open_shop(stage)
    node = shop.node
    address = await shop.fund("d07-held", "0.50000000")
    held = await shop.withdraw("d07-held", "0.40000000", await shop.chain.foreign_address())
    assert held["status"] == "held"
    coin = coins(node)[0]
    rival = spend(node, coin, [(node.new_address(), Decimal(2))], fee=Decimal("0.001"))
    node.rpc("sendrawtransaction", spend(node, coin, [(address, Decimal(1))]))
    await shop.mine(3)
    await shop.until_deposit("d07-held", "credited")
    body = {"from": "d07-held", "to": "house", "currency": "BTC", "amount": "0.90000000"}
    await shop.website.post("/v1/transfers", body | {"external_id": "d07-held", "reason": "a bet"})

    await asyncio.to_thread(replace_blocks, node, 3, rival)
    await shop.until_tip()
    await shop.until_deposit("d07-held", "reversed")
    assert (await shop.withdrawal(held["id"]))["status"] == "rejected"
    # 0.5 + 1 came in, 0.9 went to the house, 1 was taken back.
    balance = await shop.balance("d07-held")
    assert (balance["available"], balance["reserved"], balance["deficit"]) == (
        "0.00000000",
        "0.00000000",
        "0.40000000",
    )
    shop.check_books()


async def test_d26_hints_that_end_for_twenty_blocks_are_not_missed(
    make_stage: MakeStage, open_shop: OpenShop
) -> None:
    url = f"tcp://127.0.0.1:{free_port()}"

    def publishing(stage: Stage) -> None:
        node = stage.chains[0].node
        assert isinstance(node, BitcoinNode)
        node.extra = (f"-zmqpubhashtx={url}",)

    # Nothing is looked at for a quarter of an hour, but for a hint or a block.
    stage = make_stage(
        "BTC",
        before_start=publishing,
        CASHIER__COINS__BTC__NODE__ZMQ=url,
        CASHIER__COINS__BTC__NODE__MEMPOOL_INTERVAL_S="900",
        CASHIER__COINS__BTC__NODE__POLL_INTERVAL_S="900",
    )
    shop = await open_shop(stage)
    addresses = [await shop.address(f"c{number}") for number in range(20)]
    await asyncio.to_thread(shop.pay, addresses[0], "0.99000000")
    await shop.until_deposit("c0", "seen")

    shop.node.extra = ()
    await asyncio.to_thread(shop.node.restart)
    for number, address in enumerate(addresses):
        await asyncio.to_thread(shop.pay, address, f"0.{number + 1:02d}000000")
        await shop.chain.mine()
    await shop.mine(3)
    for number in range(1, 20):
        assert [row["amount"] for row in await shop.deposits(f"c{number}")] == [f"0.{number + 1:02d}000000"]
        assert (await shop.balance(f"c{number}"))["available"] == f"0.{number + 1:02d}000000"
    assert (await shop.balance("c0"))["available"] == "1.00000000"
    shop.check_books()
