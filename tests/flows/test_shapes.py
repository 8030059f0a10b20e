"""Payments in shapes that look like a client's and are not, or are and come late, on the real UTXO nodes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from hashlib import sha256

import pytest

from coins.bitcoin.derive import hash160
from tests.demo.stage import Stage
from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.forge import RAW, coins, script, spend, txid_of
from tests.flows.shop import Shop
from tests.nodes.errors import RpcError
from tests.nodes.regtest import BitcoinNode

pytestmark = [pytest.mark.node, pytest.mark.timeout(180)]

DEEP = {"FINAL_DEPTH": "70", "MAX_REORG": "60", "CONFIRMATIONS": "3"}
ZERO = "0.00000000"


@pytest.fixture(scope="module")
def stage(make_module_stage: MakeStage) -> Stage:
    return make_module_stage("BTC", "LTC")


@pytest.fixture(params=["BTC", "LTC"])
async def shop(request: pytest.FixtureRequest, stage: Stage, open_shop: OpenShop) -> AsyncIterator[Shop]:
    shop = await open_shop(stage, request.param)
    yield shop
    shop.check_books()


async def exposed(shop: Shop) -> tuple[str, str, str]:
    """A client, the client's address and its public key, which anybody may read once it was spent from."""
    await shop.fund("exposed", "0.30000000")
    order = await shop.withdraw("exposed", "0.25000000", await shop.chain.foreign_address())
    done = await shop.until_withdrawal(order["id"], "final", mine=True)
    block_hash = shop.node.rpc("getblockhash", done["block_height"])
    keys = [
        str(each["txinwitness"][1])
        for each in shop.node.rpc("getrawtransaction", done["txid"], True, block_hash)["vin"]
    ]
    by_script = {f"0014{hash160(bytes.fromhex(key)).hex()}": key for key in keys}
    listed = await shop.website.get(f"/v1/deposits?currency={shop.currency}&limit=500")
    for row in listed["data"]:
        key = by_script.get(script(shop.node, row["address"]))
        if key is not None:
            return row["client_id"], row["address"], key
    raise AssertionError("no client's output was spent")


async def mine_in(shop: Shop, raw: str) -> str:
    """Have a miner take it, whatever the relay rules are; the txid."""
    await asyncio.to_thread(shop.node.generate_block, transactions=[raw])
    await shop.mine(4)
    return txid_of(shop.node, raw)


async def told_of(shop: Shop, txid: str) -> list[dict[str, object]]:
    """What the website is told of a chain tx."""
    return list((await shop.website.get(f"/v1/deposits?txid={txid}"))["data"])


async def test_d13_bare_multisig_with_a_clients_key_is_nobodys_deposit(shop: Shop) -> None:
    client, address, key = await exposed(shop)
    before = await shop.balance(client)
    attacker = f"02{'11' * 32}"
    multisig = f"5121{key}21{attacker}52ae"
    outputs = [(RAW + multisig, Decimal("0.5")), (address, Decimal("0.01"))]
    txid = await mine_in(shop, spend(shop.node, coins(shop.node)[0], outputs))
    # The honest output beside it is found: the block was read, the other one is no payment to us.
    (row,) = await told_of(shop, txid)
    assert (row["amount"], row["output_index"]) == ("0.01000000", 1)
    gained = Decimal((await shop.balance(client))["available"]) - Decimal(before["available"])
    assert gained == Decimal("0.01")


async def test_d15_op_return_with_our_address_is_nobodys_deposit(shop: Shop) -> None:
    address = await shop.address("d15")
    text, omni = address.encode().hex(), f"6f6d6e69{'00' * 7}1f{'00' * 4}3b9aca00"
    # A node takes one data output for each; a miner takes both, also with coins on them.
    data = [f"6a{len(text) // 2:02x}{text}", f"6a{len(omni) // 2:02x}{omni}"]
    outputs = [(RAW + data[0], Decimal(0)), (RAW + data[1], Decimal("0.2"))]
    raw = spend(shop.node, coins(shop.node)[0], outputs)
    if (
        shop.currency == "LTC"
    ):  # no block of one's own choice above the extension blocks: relayed, so one, empty
        raw = spend(shop.node, coins(shop.node)[0], outputs[:1])
    txid = await mine_in(shop, raw)
    assert shop.node.rpc("getblock", shop.node.rpc("getblockhash", shop.node.height - 4), 1)["tx"][1] == txid
    assert await shop.deposits("d15") == []
    assert (await shop.balance("d15"))["available"] == ZERO


async def test_d16_time_locked_output_is_nobodys_deposit(shop: Shop) -> None:
    client, _, key = await exposed(shop)
    before = len(await shop.deposits(client))
    later = (shop.node.height + 10_000).to_bytes(3, "little").hex()
    locked = sha256(bytes.fromhex(f"03{later}b17521{key}ac")).hexdigest()
    raw = spend(shop.node, coins(shop.node)[0], [(f"{RAW}0020{locked}", Decimal("0.5"))])
    txid = await mine_in(shop, raw)
    assert await told_of(shop, txid) == []
    assert len(await shop.deposits(client)) == before


async def test_d16_what_may_not_be_mined_yet_is_not_even_seen(shop: Shop) -> None:
    node, address = shop.node, await shop.address("d16")
    height = node.height + 8
    raw = spend(node, coins(node)[0], [(address, Decimal("0.5"))], locktime=height)
    with pytest.raises(RpcError, match="non-final"):
        node.rpc("sendrawtransaction", raw)
    await shop.mine(2)
    assert await shop.deposits("d16") == []
    await shop.mine(height - node.height)
    node.rpc("sendrawtransaction", raw)
    await shop.mine(3)
    assert (await shop.until_deposit("d16", "credited"))["amount"] == "0.50000000"


async def test_d22_amounts_that_floats_get_wrong_are_exact(shop: Shop) -> None:
    # Each times 10^8 falls below the whole number when floats multiply.
    amounts = ["0.29000000", "1.13000000", "0.57000001", "4.35000000"]
    outputs = [(await shop.address(f"d22-{number}"), Decimal(text)) for number, text in enumerate(amounts)]
    shop.node.rpc("sendrawtransaction", spend(shop.node, coins(shop.node)[0], outputs))
    await shop.mine(3)
    for number, text in enumerate(amounts):
        assert (await shop.until_deposit(f"d22-{number}", "credited"))["amount"] == text
        assert (await shop.balance(f"d22-{number}"))["available"] == text


async def test_d41_an_old_address_is_its_owners_for_ever(shop: Shop, stage: Stage) -> None:
    old = await shop.fund("d41", "0.10000000", blocks=3)
    target = f"/v1/clients/d41/addresses/{shop.currency}"
    fresh = (await shop.website.post(target, {}))["address"]
    assert fresh != old
    assert await shop.address("d41") == fresh
    for address, amount in ((old, "0.20000000"), (fresh, "0.40000000")):
        await asyncio.to_thread(shop.pay, address, amount)
    await shop.mine(3)
    await shop.until(lambda: shop.balance("d41"), lambda row: row["available"] == "0.70000000")
    # Long after, and after a restart that reads all addresses from the database again.
    await shop.mine(40)
    stage.kill()
    stage.spawn()
    await stage.until_ready()
    await asyncio.to_thread(shop.pay, old, "0.80000000")
    await shop.mine(3)
    await shop.until(lambda: shop.balance("d41"), lambda row: row["available"] == "1.50000000")
    rows = await shop.deposits("d41")
    assert [row["address"] for row in rows].count(old) == 3
    assert {row["client_id"] for row in rows} == {"d41"}


async def test_d10_what_was_withdrawn_before_the_reorg_is_owed_by_that_client_alone(
    stage: Stage, open_shop: OpenShop
) -> None:
    shop = await open_shop(stage, "BTC")  # litecoind refuses the double spend, see test_deposit_ltc
    node = shop.node
    await shop.fund("d10-honest", "0.50000000")
    house = await shop.address("d10-thief")
    coin = coins(node)[0]
    rival = spend(node, coin, [(node.new_address(), Decimal(2))], fee=Decimal("0.001"))
    paid = str(node.rpc("sendrawtransaction", spend(node, coin, [(house, Decimal("0.4"))])))
    await shop.mine(3)
    stolen = await shop.until_deposit("d10-thief", "credited")
    assert stolen["txid"] == paid
    payee = await shop.chain.foreign_address()
    order = await shop.withdraw("d10-thief", "0.30000000", payee)
    await shop.until_withdrawal(order["id"], "broadcast")
    await shop.mine()
    assert await shop.chain.received(payee) == 30_000_000
    fee = Decimal(order["fee"])

    payout = (await shop.withdrawal(order["id"]))["txid"]
    await asyncio.to_thread(replace_top, shop, 4, [rival, payout])
    await shop.until_tip()
    assert (await shop.website.get(f"/v1/deposits/{stolen['id']}"))["status"] == "reversed"
    thief = await shop.balance("d10-thief")
    owed = Decimal("0.3") + fee
    assert (thief["available"], thief["deficit"]) == (ZERO, f"{owed:.8f}")
    assert await shop.refused("d10-thief", "0.05000000", payee) == "insufficient_funds"
    assert (await shop.balance("d10-honest"))["available"] == "0.50000000"
    await shop.until_withdrawal(order["id"], "final", mine=True)
    # Paid once; the same payout stood in both branches.
    assert await shop.chain.received(payee) == 30_000_000
    honest = await shop.withdraw("d10-honest", "0.05000000", await shop.chain.foreign_address())
    await shop.until_withdrawal(honest["id"], "final", mine=True)
    assert (await shop.balance("d10-thief"))["deficit"] == f"{owed:.8f}"
    shop.check_books()


def replace_top(shop: Shop, depth: int, first: list[str]) -> None:
    """Other top blocks; the first of them holds these chain txs (raw hex, or txids of the mempool)."""
    node = shop.node
    node.invalidate(str(node.rpc("getblockhash", node.height - depth + 1)))
    node.generate_block(transactions=first)
    for _ in range(depth):
        node.generate_block()


@pytest.mark.parametrize("currency", ["BTC", "LTC"])
async def test_d11_d12_coinbase_waits_100_blocks_and_may_be_orphaned(
    make_stage: MakeStage, open_shop: OpenShop, currency: str
) -> None:
    extra = {f"CASHIER__COINS__{currency}__{key}": value for key, value in DEEP.items()}
    stage = make_stage(currency, **extra)
    shop = await open_shop(stage)
    address = await shop.address("d12")
    await asyncio.to_thread(shop.node.mine, 1, address)
    await shop.mine(49)
    (row,) = await shop.deposits("d12")
    assert (row["status"], row["confirmations"], row["confirmations_required"]) == ("confirming", 50, 100)
    await asyncio.to_thread(shop.node.reorg, 50)
    await shop.until_tip()
    assert [row["status"] for row in await shop.deposits("d12")] == ["orphaned"]

    kept = await shop.address("d11")
    await asyncio.to_thread(shop.node.mine, 1, kept)
    await shop.mine(98)
    (row,) = await shop.deposits("d11")
    assert (row["status"], row["confirmations"]) == ("confirming", 99)
    assert (await shop.balance("d11"))["available"] == ZERO
    await shop.mine()
    row = await shop.until_deposit("d11", "final")
    assert Decimal((await shop.balance("d11"))["available"]) == Decimal(row["amount"]) > 1
    assert [row["status"] for row in await shop.deposits("d12")] == ["orphaned"]
    assert (await shop.balance("d12"))["available"] == ZERO
    shop.check_books()


async def test_d38_blocks_the_node_has_pruned_halt_the_coin_and_are_never_skipped(
    make_stage: MakeStage, open_shop: OpenShop
) -> None:
    def prunes(stage: Stage) -> None:
        node = BitcoinNode("bitcoind", stage.folder / "pruning", extra=["-prune=1", "-fastprune"])
        stage.chains[0].node = node

    stage = make_stage("BTC", before_start=prunes)
    shop = await open_shop(stage)
    address = await shop.fund("d38", "0.50000000")
    height = shop.node.height
    stage.kill()
    await asyncio.to_thread(shop.pay, address, "0.25000000")
    await asyncio.to_thread(shop.node.mine, 450)
    pruned = await asyncio.to_thread(shop.node.rpc, "pruneblockchain", height + 150)
    assert pruned > height, "the node was to throw away blocks the cashier has not read"
    stage.spawn()
    halted = await shop.until_state("halted")
    assert halted["height"] == height
    reason = (await asyncio.to_thread(stage.readiness))["currencies"]["BTC"]["reason"]
    assert "pruned" in reason
    assert (await shop.balance("d38"))["available"] == "0.50000000"
    assert len(await shop.deposits("d38")) == 1
    shop.check_books()
