"""The family's whole way on both real nodes: address, payment, block, payout, settled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from pydantic import SecretStr

from coins.bitcoin.wire import Tx, TxOut, decode_tx
from coins.errors import NodeBehindError, NodeUnavailableError, WrongNetworkError
from coins.family import Coin
from coins.index import WatchIndex
from coins.registry import open_coin
from coins.types import (
    DERIVED,
    AttemptPlan,
    Block,
    Branch,
    BroadcastOutcome,
    Location,
    Outpoint,
    OwnScript,
    PayoutWork,
    SignedTx,
    TxOutput,
    Utxo,
)
from tests.coins.bitcoin.setup import FakeSigner, coin_settings, settings_for
from tests.nodes.regtest import FAUCET, BitcoinNode

KINDS = ("bitcoind", "litecoind")
WALLET = "custody"
_next_index = 0


@pytest.fixture(params=KINDS)
def node(request: pytest.FixtureRequest) -> BitcoinNode:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, BitcoinNode)
    return found


@pytest.fixture(params=["seed", "node"])
async def coin(request: pytest.FixtureRequest, node: BitcoinNode) -> AsyncIterator[Coin]:
    changes = {"custody": request.param}
    if request.param == "node":
        node.create_wallet(WALLET)
        changes["wallet"] = WALLET
    settings = settings_for(node, **changes)
    opened = await open_coin(settings, FakeSigner(settings))
    yield opened
    await opened.reader.close()


@pytest.fixture
async def seed_coin(node: BitcoinNode) -> AsyncIterator[Coin]:
    settings = settings_for(node)
    opened = await open_coin(settings, FakeSigner(settings))
    yield opened
    await opened.reader.close()


def fresh_index() -> int:
    """A derivation index that no other test of this run has used."""
    global _next_index
    _next_index += 1
    return _next_index


async def own(coin: Coin, branch: Branch) -> OwnScript:
    script = await coin.deriver.derive(branch, fresh_index())
    coin.index.add_script(script.script)
    return script


async def read_tip(coin: Coin, node: BitcoinNode) -> Block:
    ref = await coin.reader.block_ref(node.height)
    assert ref is not None
    return await coin.reader.read_block(ref.height, ref.block_hash, coin.index)


async def deposit(coin: Coin, node: BitcoinNode, amount_display: str) -> Utxo:
    """A mined payment to a new deposit address, as the scan saw it."""
    script = await own(coin, Branch.DEPOSIT)
    txid = node.send(script.address, amount_display)
    node.mine()
    (receipt,) = [each for each in (await read_tip(coin, node)).receipts if each.script == script.script]
    assert receipt.txid == txid
    return Utxo(Outpoint(receipt.txid, int(receipt.position)), receipt.amount, script)


async def planned(
    coin: Coin, node: BitcoinNode, utxos: tuple[Utxo, ...], amount: int, payee: str | None = None
) -> AttemptPlan:
    address = coin.deriver.parse(payee or node.new_address())
    change = await own(coin, Branch.CHANGE)
    output = TxOutput(address.script, address.address, amount)
    work = PayoutWork("w1", "payout", coin.currency, output, utxos, change)
    return coin.spender.plan(work, await coin.spender.quote())


async def test_a_payment_goes_in_and_a_payout_goes_out(coin: Coin, node: BitcoinNode) -> None:
    await coin.reader.identify()
    utxo = await deposit(coin, node, "0.30000000")
    assert utxo.amount == 30_000_000
    plan = await planned(coin, node, (utxo,), 10_000_000)
    signed = await coin.spender.sign(plan)
    assert signed == await coin.spender.sign(plan)
    assert signed.txid == node.rpc("decoderawtransaction", signed.raw)["txid"]
    result = await coin.spender.broadcast(signed)
    assert result.outcome is BroadcastOutcome.ACCEPTED
    assert await coin.reader.is_in_chain_or_mempool(signed.txid) is True
    entry = node.rpc("getmempoolentry", signed.txid)
    assert Decimal(entry["fees"]["base"]) * 10**8 == plan.fee
    assert 0 <= plan.fee - 10 * entry["vsize"] <= 20
    view = await coin.reader.mempool(coin.index)
    assert [r.amount for r in view.receipts if r.txid == signed.txid] == [20_000_000 - plan.fee]
    assert signed.txid in view.txids
    node.mine()
    block = await read_tip(coin, node)
    assert [each.outpoint for each in block.spends if each.txid == signed.txid] == [utxo.outpoint]
    (change,) = [each for each in block.receipts if each.txid == signed.txid]
    assert plan.change is not None
    assert (change.script, change.amount, change.position) == (
        plan.change.script, 20_000_000 - plan.fee, "1",
    )  # fmt: skip


async def test_w02_a_lost_response_is_settled_by_the_same_bytes(seed_coin: Coin, node: BitcoinNode) -> None:
    coin = seed_coin
    utxo = await deposit(coin, node, "0.20000000")
    plan = await planned(coin, node, (utxo,), 5_000_000)
    signed = await coin.spender.sign(plan)
    node.rpc("sendrawtransaction", signed.raw)  # the node has it, we have no answer
    assert (await coin.spender.broadcast(signed)).outcome is BroadcastOutcome.KNOWN
    assert (await coin.spender.broadcast(signed)).outcome is BroadcastOutcome.KNOWN
    node.mine()
    assert (await coin.spender.broadcast(signed)).outcome is BroadcastOutcome.KNOWN
    assert await coin.reader.is_in_chain_or_mempool(signed.txid) is True


async def test_w02_spent_inputs_and_conflicts_decide_nothing(seed_coin: Coin, node: BitcoinNode) -> None:
    coin = seed_coin
    utxo = await deposit(coin, node, "0.20000000")
    first = await coin.spender.sign(await planned(coin, node, (utxo,), 5_000_000))
    second = await coin.spender.sign(await planned(coin, node, (utxo,), 6_000_000))
    assert (await coin.spender.broadcast(first)).outcome is BroadcastOutcome.ACCEPTED
    assert (await coin.spender.broadcast(second)).outcome is BroadcastOutcome.UNKNOWN
    node.mine()
    refused = await coin.spender.broadcast(second)
    assert refused.outcome is BroadcastOutcome.UNKNOWN
    assert "missing" in refused.detail
    assert await coin.reader.is_in_chain_or_mempool(second.txid) is None


async def test_w02_broken_rules_are_rejected(seed_coin: Coin, node: BitcoinNode) -> None:
    coin = seed_coin
    utxo = await deposit(coin, node, "0.20000000")
    good = await coin.spender.sign(await planned(coin, node, (utxo,), 5_000_000))
    broken = bytearray(bytes.fromhex(good.raw))
    broken[-60] ^= 1  # inside the public key or signature
    for raw in (
        bytes(broken).hex(),
        good.raw[:-2],
        decode_tx(bytes.fromhex(good.raw)).serialize(False).hex(),
    ):
        result = await coin.spender.broadcast(SignedTx(good.txid, raw))
        assert result.outcome is BroadcastOutcome.REJECTED, result
    assert good.txid not in node.rpc("getrawmempool")
    assert (await coin.spender.broadcast(good)).outcome is BroadcastOutcome.ACCEPTED


async def test_broadcast_answers_unknown_when_the_node_is_gone(node: BitcoinNode) -> None:
    settings = settings_for(node, {"url": "http://127.0.0.1:1"})
    coin = await open_coin(settings, FakeSigner(settings))
    try:
        result = await coin.spender.broadcast(SignedTx("00" * 32, "00"))
        assert result.outcome is BroadcastOutcome.UNKNOWN
        with pytest.raises(NodeUnavailableError, match="no connection"):
            await coin.reader.head()
    finally:
        await coin.reader.close()


async def test_holdings_are_what_the_chain_says_at_one_block(seed_coin: Coin, node: BitcoinNode) -> None:
    first = await deposit(seed_coin, node, "0.29000000")
    second = await deposit(seed_coin, node, "0.00100001")
    empty = await own(seed_coin, Branch.HOT)
    held = await seed_coin.reader.holdings(
        [
            (first.own.script, Location.DEPOSIT),
            (second.own.script, Location.HOT),
            (empty.script, Location.COLD),
        ]
    )
    assert held.at.block_hash == node.tip
    assert held.at == await seed_coin.reader.block_ref(node.height)
    assert held.amounts == {
        seed_coin.currency: {Location.DEPOSIT: 29_000_000, Location.HOT: 100_001, Location.COLD: 0}
    }


async def test_head_and_block_refs_tell_the_work(seed_coin: Coin, node: BitcoinNode) -> None:
    head = await seed_coin.reader.head()
    ref = await seed_coin.reader.block_ref(head.height)
    assert ref is not None
    assert (head.height, head.block_hash, head.work) == (node.height, node.tip, ref.work)
    parent = await seed_coin.reader.block_ref(head.height - 1)
    assert parent is not None
    assert ref.parent_hash == parent.block_hash
    assert parent.work is not None
    assert ref.work is not None
    assert parent.work < ref.work
    assert await seed_coin.reader.block_ref(head.height + 1) is None
    genesis = await seed_coin.reader.block_ref(0)
    assert genesis is not None
    assert genesis.parent_hash == "0" * 64


async def test_wait_change_returns_with_the_block(seed_coin: Coin, node: BitcoinNode) -> None:
    head = await seed_coin.reader.head()
    await seed_coin.reader.wait_change(head, 0.05)
    assert (await seed_coin.reader.head()).height == head.height
    node.mine()
    await seed_coin.reader.wait_change(head, 30.0)
    assert (await seed_coin.reader.head()).height == head.height + 1


async def test_an_unknown_block_is_a_node_behind(seed_coin: Coin, node: BitcoinNode) -> None:
    with pytest.raises(NodeBehindError):
        await seed_coin.reader.read_block(5, "ab" * 32, WatchIndex())


async def test_blocks_come_by_rpc_where_rest_is_off(node: BitcoinNode) -> None:
    settings = settings_for(node, {"rest": False})
    by_rpc = await open_coin(settings, FakeSigner(settings))
    by_rest_settings = settings_for(node)
    by_rest = await open_coin(by_rest_settings, FakeSigner(by_rest_settings))
    try:
        await deposit(by_rpc, node, "0.10000000")
        by_rest.index.add_scripts(by_rpc.index.scripts)  # type: ignore[attr-defined]
        assert await read_tip(by_rpc, node) == await read_tip(by_rest, node)
    finally:
        await by_rpc.reader.close()
        await by_rest.reader.close()


async def test_custody_node_gives_the_same_address_again(node: BitcoinNode) -> None:
    node.create_wallet(WALLET)
    settings = settings_for(node, custody="node", wallet=WALLET)
    scripts: dict[Branch, OwnScript] = {}
    for _ in range(2):  # the second round is the one after a crash
        coin = await open_coin(settings, FakeSigner(settings))
        for branch in DERIVED:
            script = await coin.deriver.derive(branch, 0)
            assert scripts.setdefault(branch, script) == script
        await coin.reader.close()
    assert len({script.address for script in scripts.values()}) == len(DERIVED)


async def test_d28_a_wallet_not_loaded_is_an_error_not_an_empty_answer(node: BitcoinNode) -> None:
    settings = settings_for(node, custody="node", wallet="never-made")
    coin = await open_coin(settings, FakeSigner(settings))
    try:
        with pytest.raises(NodeUnavailableError, match="-18"):
            await coin.deriver.derive(Branch.DEPOSIT, 0)
        await coin.reader.identify()  # reading the chain needs no wallet
    finally:
        await coin.reader.close()


async def test_own_addresses_are_the_nodes(seed_coin: Coin, node: BitcoinNode) -> None:
    for branch in DERIVED:
        script = await seed_coin.deriver.derive(branch, 7)
        told = node.rpc("validateaddress", script.address)
        assert (told["isvalid"], told["scriptPubKey"]) == (True, script.script.hex())


async def test_d17_two_outputs_to_one_address_are_two_receipts(seed_coin: Coin, node: BitcoinNode) -> None:
    script = await own(seed_coin, Branch.DEPOSIT)
    raw = node.rpc("createrawtransaction", [], [{script.address: "1.00000000"}])
    funded = node.rpc("fundrawtransaction", raw, {"changePosition": 1}, wallet=FAUCET)["hex"]
    tx = decode_tx(bytes.fromhex(funded))
    change = tx.outputs[1]
    two = [
        TxOut(10_000_000, script.script),
        TxOut(20_000_000, script.script),
        TxOut(change.amount + 69_990_000, change.script),
    ]
    bare = Tx(tx.version, tx.inputs, tuple(two), tx.locktime).serialize().hex()
    signed = node.rpc("signrawtransactionwithwallet", bare, wallet=FAUCET)["hex"]
    txid = node.rpc("sendrawtransaction", signed)
    node.mine()
    for _ in range(2):  # read twice: the same receipts
        block = await read_tip(seed_coin, node)
        found = [(r.txid, r.position, r.amount) for r in block.receipts if r.script == script.script]
        assert found == [(txid, "0", 10_000_000), (txid, "1", 20_000_000)]


async def test_d18_two_hundred_outputs_in_one_chain_tx(seed_coin: Coin, node: BitcoinNode) -> None:
    scripts = [await own(seed_coin, Branch.DEPOSIT) for _ in range(200)]
    wanted = {script.script: 100_000 + number for number, script in enumerate(scripts)}
    outputs = {s.address: f"0.{wanted[s.script]:08d}" for s in scripts}
    node.rpc("sendmany", "", outputs, wallet=FAUCET)
    node.mine()
    block = await read_tip(seed_coin, node)
    assert {r.script: r.amount for r in block.receipts} == wanted
    assert len(block.receipts) == 200


async def test_d34_the_other_chains_node_is_refused(node: BitcoinNode) -> None:
    right = settings_for(node)
    wrong = coin_settings("LTC" if right.currency == "BTC" else "BTC", node=right.node.model_dump())
    coin = await open_coin(wrong, FakeSigner(wrong))
    try:
        with pytest.raises(WrongNetworkError, match="genesis block"):
            await coin.reader.identify()
    finally:
        await coin.reader.close()


async def test_d30_a_node_without_peers_says_so_and_tells_the_age_of_its_tip(
    seed_coin: Coin, node: BitcoinNode
) -> None:
    assert await seed_coin.reader.peers() == 0
    head, header = await seed_coin.reader.head(), node.rpc("getblockheader", node.tip)
    assert head.time in (None, header["time"])  # litecoind does not tell it here
    assert (head.time is None) == (node.kind == "litecoind")


async def test_a_wrong_password_is_one_clear_error(node: BitcoinNode) -> None:
    settings = settings_for(node, {"password": SecretStr("wrong-password")})
    coin = await open_coin(settings, FakeSigner(settings))
    try:
        with pytest.raises(NodeUnavailableError, match="refuses our user and password") as caught:
            await coin.reader.identify()
        assert "wrong-password" not in str(caught.value)
    finally:
        await coin.reader.close()


@pytest.mark.parametrize("kind", ["fresh_bitcoind", "fresh_litecoind"])
async def test_d28_after_a_restart_without_the_wallet_nothing_is_forgotten(
    request: pytest.FixtureRequest, kind: str
) -> None:
    node: BitcoinNode = request.getfixturevalue(kind)
    node.fund_faucet(1)
    node.rpc("createwallet", WALLET)  # not loaded again by itself
    settings = settings_for(node, custody="node", wallet=WALLET)
    coin = await open_coin(settings, FakeSigner(settings))
    try:
        utxo = await deposit(coin, node, "0.50000000")
        plan = await planned(coin, node, (utxo,), 10_000_000)
        signed = await coin.spender.sign(plan)
        head = await coin.reader.head()
        waiting = asyncio.create_task(coin.reader.wait_change(head, 60.0))
        await asyncio.to_thread(node.restart)
        await asyncio.wait([waiting], timeout=10)
        assert waiting.done()
        if (error := waiting.exception()) is not None:
            assert isinstance(error, NodeUnavailableError)
        with pytest.raises(NodeUnavailableError, match="-18"):
            await coin.deriver.derive(Branch.DEPOSIT, utxo.own.index)
        with pytest.raises(NodeUnavailableError, match="-18"):
            await coin.spender.sign(plan)
        held = await coin.reader.holdings([(utxo.own.script, Location.DEPOSIT)])
        assert held.amounts[coin.currency][Location.DEPOSIT] == 50_000_000
        node.rpc("loadwallet", WALLET)
        assert await coin.deriver.derive(Branch.DEPOSIT, utxo.own.index) == utxo.own
        assert await coin.spender.sign(plan) == signed
    finally:
        await coin.reader.close()
