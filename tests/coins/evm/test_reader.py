"""Reading blocks: what counts, what does not, and what a lying node may not do."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coins.errors import NodeDataError, NodeSyncingError, NodeUnavailableError, WrongNetworkError
from coins.evm.block import NATIVE
from coins.evm.reader import EvmReader
from coins.evm.rpc import EvmRpc
from coins.index import WatchIndex
from coins.types import Block, BlockRef, Branch, Head, Location
from tests.coins.evm.fake_node import (
    HASH_4,
    HASH_5,
    PAYER,
    TXID,
    FakeNode,
    RpcFailure,
    block,
    receipt,
    served,
    tx,
)
from tests.coins.evm.world import ETHER, eth_settings, hot_of, opened
from tests.nodes.regtest import AnvilNode

OURS = b"\x11" * 20
MAX = 2**256 - 1


async def read(node: FakeNode, index: WatchIndex | None = None) -> Block:
    """Block 5 of a fake node, watching one account."""
    settings = eth_settings(node.url)
    reader = EvmReader(settings, EvmRpc(settings.node, settings.chain_id))
    try:
        return await reader.read_block(5, HASH_5, index or WatchIndex([OURS]))
    finally:
        await reader.close()


def node_with(block_: Any = None, receipt_: Any = None) -> FakeNode:
    """A node that has block 5 and the receipt in it."""
    return FakeNode(
        eth_getBlockByHash=block() if block_ is None else block_,
        eth_getTransactionReceipt=receipt() if receipt_ is None else receipt_,
    )


# --- on a node that answers what the test wants -----------------------------------------------------


async def test_one_payment() -> None:
    async with served(node_with()) as node:
        found = await read(node)
    (paid,) = found.receipts
    assert found.ref == BlockRef(5, HASH_5, HASH_4, 0x66)
    assert (paid.txid, paid.position, paid.script, paid.amount) == (TXID, NATIVE, OURS, 1000)
    assert (paid.currency, paid.sender, found.sent) == ("ETH", bytes.fromhex(PAYER[2:]), ())
    assert node.batches == [
        ["eth_chainId", "eth_getBlockByHash"],
        ["eth_chainId", "eth_getTransactionReceipt"],
    ]


async def test_foreign_transactions_cost_no_receipt() -> None:
    async with served(node_with()) as node:
        assert (await read(node, WatchIndex([b"\x12" * 20]))).receipts == ()
        assert len(node.batches) == 1


@pytest.mark.parametrize("other", [tx(value="0x0"), tx(to=None), tx(to="MISSING")])
async def test_nothing_paid_or_a_contract_made_is_skipped(other: dict[str, Any]) -> None:
    async with served(node_with(block(transactions=[other]))) as node:
        assert await read(node) == Block(BlockRef(5, HASH_5, HASH_4, 0x66))


async def test_e01_status_0_is_no_payment_but_gas_of_our_own_is_known() -> None:
    failed = receipt(status="0x0")
    async with served(node_with(receipt_=failed)) as node:
        assert (await read(node)).receipts == ()
        own_sender = await read(node, WatchIndex([OURS, bytes.fromhex(PAYER[2:])]))
    (sent,) = own_sender.sent
    assert own_sender.receipts == ()
    assert (sent.is_success, sent.gas_fee, sent.amount) == (False, 21_000 * 8, 1000)


async def test_e15_amounts_to_two_to_the_256_are_exact() -> None:
    for amount in (1, 2**53 + 1, 2**63, 2**64 + 1, MAX - 1, MAX):
        async with served(node_with(block(transactions=[tx(value=hex(amount))]))) as node:
            assert [paid.amount for paid in (await read(node)).receipts] == [amount]


async def test_e27_the_case_of_the_nodes_hex_does_not_matter() -> None:
    ours = b"\xab" * 20
    for text in ("0x" + "ab" * 20, "0x" + "AB" * 20, "0x" + "aB" * 20):
        async with served(node_with(block(transactions=[tx(to=text)]))) as node:
            (paid,) = (await read(node, WatchIndex([ours]))).receipts
            assert paid.script == ours


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"value": "-0x1"}, "transaction.value"),
        ({"value": "NaN"}, "transaction.value"),
        ({"value": "1.0"}, "transaction.value"),
        ({"value": hex(2**256)}, "transaction.value"),
        ({"value": 1000}, r"transactions\[1\].value"),
        ({"value": 1e300}, r"transactions\[1\].value"),
        ({"value": None}, r"transactions\[1\].value"),
        ({"value": "MISSING"}, "value"),
        ({"hash": "0x12"}, "transaction.hash"),
        ({"hash": None}, r"transactions\[1\].hash"),
        ({"from": "nobody"}, "transaction.from"),
        ({"from": "MISSING"}, "from"),
        ({"to": "0x11"}, "transaction.to"),
        ({"nonce": "MISSING"}, "nonce"),
        ({"nonce": hex(2**64)}, "transaction.nonce"),
    ],
)
async def test_d23_hostile_numbers_refuse_the_block_whole(changes: dict[str, Any], field: str) -> None:
    good = tx(hash="0x" + "bb" * 32)
    bad = tx(**changes)
    own = receipt(transactionHash=bad["hash"]) if isinstance(bad.get("hash"), str) else receipt()
    node = node_with(block(transactions=[good, bad]))
    node.answers["eth_getTransactionReceipt"] = lambda txid: {**own, "transactionHash": txid}
    async with served(node):
        with pytest.raises(NodeDataError, match=field):
            await read(node)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"status": "0x2"}, "receipt.status"),
        ({"status": "MISSING"}, "status"),
        ({"status": None}, "status"),
        ({"gasUsed": "-1"}, "receipt.gasUsed"),
        ({"effectiveGasPrice": hex(MAX), "gasUsed": "0x2"}, "impossibly large"),
        ({"effectiveGasPrice": "MISSING"}, "effectiveGasPrice"),
        ({"transactionHash": "0x" + "bb" * 32}, "receipt.transactionHash"),
    ],
)
async def test_d23_hostile_receipts_refuse_the_block_whole(changes: dict[str, Any], field: str) -> None:
    async with served(node_with(receipt_=receipt(**changes))) as node:
        with pytest.raises(NodeDataError, match=field):
            await read(node)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"number": "0x6"}, "block.number is 6"),
        ({"number": None}, "number"),
        ({"hash": HASH_4}, "block.hash"),
        ({"parentHash": "0x"}, "block.parentHash"),
        ({"timestamp": "soon"}, "block.timestamp"),
        ({"transactions": None}, "transactions"),
        ({"transactions": [TXID]}, "transactions"),
        ({"transactions": [tx(), tx()]}, "twice"),
    ],
)
async def test_d23_a_block_that_contradicts_itself_is_refused(changes: dict[str, Any], field: str) -> None:
    async with served(node_with(block(**changes))) as node:
        with pytest.raises(NodeDataError, match=field):
            await read(node)


async def test_a_block_that_changes_under_us_is_read_again_later() -> None:
    for changed in (receipt(blockHash=HASH_4), lambda txid: None):
        async with served(node_with(receipt_=changed)) as node:
            with pytest.raises(NodeUnavailableError, match="changed while it was read"):
                await read(node)
    node = FakeNode(eth_getBlockByHash=lambda block_hash, full: None)
    async with served(node):
        with pytest.raises(NodeUnavailableError, match="not there any more"):
            await read(node)


async def test_places_of_many_blocks_are_one_batch_and_end_where_the_chain_does() -> None:
    def header(tag: str, full: bool) -> dict[str, Any] | None:
        height = int(tag, 16)
        if height > 8:
            return None
        parent = f"0x{height - 1 if height != 7 or linked else 99:064x}"
        return block(number=tag, hash=f"0x{height:064x}", parentHash=parent)

    node, linked = FakeNode(eth_getBlockByNumber=header, eth_getBlockByHash=lambda *_: None), True
    async with served(node):
        settings = eth_settings(node.url)
        reader = EvmReader(settings, EvmRpc(settings.node, settings.chain_id))
        assert [ref.height for ref in await reader.block_refs(5, 12)] == [5, 6, 7, 8]
        assert node.batches[0] == ["eth_chainId"] + ["eth_getBlockByNumber"] * 8
        linked = False
        assert [ref.height for ref in await reader.block_refs(5, 12)] == [5, 6]
        assert await reader.block_refs(9, 12) == []
        with pytest.raises(NodeUnavailableError, match="not there any more"):
            await reader.read_block(5, f"0x{5:064x}", WatchIndex([OURS]))
        await reader.close()


async def test_holdings_are_of_one_block_or_of_none() -> None:
    numbers = iter(range(100))

    def ever_new(tag: str, full: bool) -> dict[str, Any]:
        return block(hash=f"0x{next(numbers):064x}")

    async with served(FakeNode(eth_getBlockByNumber=ever_new, eth_getBalance="0x7")) as node:
        settings = eth_settings(node.url)
        reader = EvmReader(settings, EvmRpc(settings.node, settings.chain_id))
        with pytest.raises(NodeUnavailableError, match="kept changing"):
            await reader.holdings([(OURS, Location.HOT)])
        node.answers["eth_getBlockByNumber"] = block()
        held = await reader.holdings([(OURS, Location.HOT), (b"\x12" * 20, Location.DEPOSIT)] * 2)
        assert held.amounts == {"ETH": {Location.HOT: 7, Location.DEPOSIT: 7}}
        assert held.at.block_hash == HASH_5
        assert (await reader.holdings([])).amounts == {"ETH": {}}
        await reader.close()


async def test_identity_syncing_and_unclear_answers() -> None:
    async with served(FakeNode(eth_getBlockByNumber=block(number="0x0"))) as node:
        settings = eth_settings(node.url, genesis_hash=HASH_5)
        reader = EvmReader(settings, EvmRpc(settings.node, settings.chain_id))
        await reader.identify()
        node.answers["eth_syncing"] = {"currentBlock": "0x1", "highestBlock": "0x9"}
        for question in (reader.identify, reader.head):
            with pytest.raises(NodeSyncingError):
                await question()
        node.answers["eth_getBlockByNumber"] = block(number="0x0", hash=HASH_4)
        with pytest.raises(WrongNetworkError, match="block 0"):
            await reader.identify()
        node.answers["eth_getTransactionByHash"] = RpcFailure(-32000, "transaction indexing is in progress")
        assert await reader.is_in_chain_or_mempool(TXID) is None
        node.answers["eth_getTransactionByHash"] = {"hash": HASH_5}
        with pytest.raises(NodeDataError):
            await reader.is_in_chain_or_mempool(TXID)
        for answer in ("7", "-0x1", hex(2**63), None, 7):
            node.answers["eth_getTransactionCount"] = answer
            with pytest.raises(NodeDataError):
                await reader.sent_count(OURS)
        await reader.close()


async def test_a_pending_block_that_is_the_latest_shows_nothing_unconfirmed() -> None:
    async with served(FakeNode(eth_getBlockByNumber=block())) as node:
        settings = eth_settings(node.url)
        reader = EvmReader(settings, EvmRpc(settings.node, settings.chain_id))
        assert (await reader.mempool(WatchIndex([OURS]))).txids == frozenset()
        await reader.close()


async def test_a_shown_payment_left_out_of_a_full_pending_block_is_still_held() -> None:
    pending, latest = block(number="0x6", hash=None), block()
    node = FakeNode(eth_getBlockByNumber=lambda tag, full: pending if tag == "pending" else latest)
    async with served(node):
        settings = eth_settings(node.url)
        reader = EvmReader(settings, EvmRpc(settings.node, settings.chain_id))
        index = WatchIndex([OURS])
        assert [paid.txid for paid in (await reader.mempool(index)).receipts] == [TXID]
        pending["transactions"] = []
        node.answers["eth_getTransactionByHash"] = {"hash": TXID, "blockNumber": None}
        assert (await reader.mempool(index)).txids == {TXID}
        # mined a moment ago: the ledger may not have its block yet
        node.answers["eth_getTransactionByHash"] = {"hash": TXID, "blockNumber": "0x5"}
        assert (await reader.mempool(index)).txids == {TXID}
        latest["number"], pending["number"] = "0x1a", "0x1b"
        assert (await reader.mempool(index)).txids == frozenset()
        asked = len(node.batches)
        assert (await reader.mempool(index)).txids == frozenset()
        assert len(node.batches) == asked + 1
        await reader.close()


async def test_a_shown_payment_the_node_forgot_has_vanished() -> None:
    pending, latest = block(number="0x6"), block()
    node = FakeNode(eth_getBlockByNumber=lambda tag, full: pending if tag == "pending" else latest)
    async with served(node):
        settings = eth_settings(node.url)
        reader = EvmReader(settings, EvmRpc(settings.node, settings.chain_id))
        await reader.mempool(WatchIndex([OURS]))
        pending["transactions"] = []
        node.answers["eth_getTransactionByHash"] = lambda txid: None
        assert (await reader.mempool(WatchIndex([OURS]))).txids == frozenset()
        await reader.close()


# --- on a real node ---------------------------------------------------------------------------------


async def test_e01_a_failed_payment_on_a_real_chain(fresh_anvil: AnvilNode) -> None:
    node = fresh_anvil
    async with opened(eth_settings(node.rpc_url)) as coin:
        refuser = await coin.deriver.derive(Branch.DEPOSIT, 0)
        payee = await coin.deriver.derive(Branch.DEPOSIT, 1)
        coin.index.add_scripts((refuser.script, payee.script))
        # code that always reverts: PUSH0 PUSH0 REVERT
        await node.call("anvil_setCode", refuser.address, "0x5f5ffd")
        await asyncio.to_thread(node.send, refuser.address, ETHER, gas="0xc350")
        good = await asyncio.to_thread(node.send, payee.address, ETHER + 1)
        await asyncio.to_thread(node.send, payee.address, 0)
        seen = await coin.reader.mempool(coin.index)
        assert (good, ETHER + 1) in [(paid.txid, paid.amount) for paid in seen.receipts]
        await asyncio.to_thread(node.mine)
        head = await coin.reader.head()
        found = await coin.reader.read_block(head.height, head.block_hash, coin.index)
    assert [(paid.txid, paid.script, paid.amount) for paid in found.receipts] == [
        (good, payee.script, ETHER + 1)
    ]
    assert found.ref.height == head.height
    assert found.sent == ()


async def test_e15_the_largest_amounts_of_a_real_chain(fresh_anvil: AnvilNode) -> None:
    node = fresh_anvil
    payer, amount = node.accounts[3], 2**128 - ETHER  # anvil itself takes no larger payment
    await asyncio.to_thread(node.set_balance, payer, amount + ETHER)
    async with opened(eth_settings(node.rpc_url)) as coin:
        hot = await hot_of(coin)
        deposit = await coin.deriver.derive(Branch.DEPOSIT, 0)
        coin.index.add_script(hot.script)
        await asyncio.to_thread(node.send, hot.address, amount, payer, gas="0x5208")
        await asyncio.to_thread(node.mine)
        await asyncio.to_thread(node.set_balance, deposit.address, MAX)
        head = await coin.reader.head()
        found = await coin.reader.read_block(head.height, head.block_hash, coin.index)
        held = await coin.reader.holdings([(hot.script, Location.HOT), (deposit.script, Location.DEPOSIT)])
    assert [paid.amount for paid in found.receipts] == [amount]
    assert held.amounts == {"ETH": {Location.HOT: amount, Location.DEPOSIT: MAX}}
    assert held.at == found.ref


async def test_e18_a_reorganisation_shows_as_another_hash(fresh_anvil: AnvilNode) -> None:
    node = fresh_anvil
    async with opened(eth_settings(node.rpc_url)) as coin:
        reader = coin.reader
        await reader.identify()
        hot = await hot_of(coin)
        coin.index.add_script(hot.script)
        await asyncio.to_thread(node.mine, 2)
        txid = await asyncio.to_thread(node.send, hot.address, ETHER)
        await asyncio.to_thread(node.mine)
        before = await reader.head()
        waiting = asyncio.create_task(reader.wait_change(before, 10.0))
        old = await reader.read_block(before.height, before.block_hash, coin.index)
        assert [paid.txid for paid in old.receipts] == [txid]
        await asyncio.to_thread(node.reorg, 2)
        await asyncio.wait_for(waiting, 10)
        after = await reader.head()
        assert (after.height, after.block_hash) != (before.height, before.block_hash)
        moved = await reader.block_ref(before.height)
        assert moved is not None
        assert moved.block_hash != before.block_hash
        assert await reader.block_ref(after.height + 1) is None
        with pytest.raises(NodeUnavailableError, match="not there any more"):
            await reader.read_block(before.height, before.block_hash, coin.index)
        new = await reader.read_block(moved.height, moved.block_hash, coin.index)
        assert new.receipts == ()
        assert await reader.is_in_chain_or_mempool(txid) is False


async def test_e22_a_node_swapped_for_one_of_another_chain(fresh_anvil: AnvilNode) -> None:
    node = fresh_anvil
    async with opened(eth_settings(node.rpc_url)) as coin:
        await coin.reader.identify()
        await asyncio.to_thread(node.kill)
        with pytest.raises(NodeUnavailableError):
            await coin.reader.head()
        node.chain_id = 56
        await asyncio.to_thread(node.start)
        for question in (coin.reader.head, coin.reader.identify, coin.spender.quote):
            with pytest.raises(WrongNetworkError, match="chain id 56"):
                await question()


async def test_d30_a_node_says_how_many_peers_it_has() -> None:
    async with served(FakeNode(net_peerCount="0x2a")) as node:
        settings = eth_settings(node.url)
        reader = EvmReader(settings, EvmRpc(settings.node, settings.chain_id))
        assert await reader.peers() == 42
        await reader.close()


async def test_d30_a_node_that_does_not_count_its_peers_is_a_clear_error(anvil: AnvilNode) -> None:
    async with opened(eth_settings(anvil.rpc_url)) as coin:
        with pytest.raises(NodeUnavailableError, match="net_peerCount: error -32601"):
            await coin.reader.peers()


async def test_waiting_ends_in_time_without_a_new_block(anvil: AnvilNode) -> None:
    async with opened(eth_settings(anvil.rpc_url)) as coin:
        head = await coin.reader.head()
        await asyncio.wait_for(coin.reader.wait_change(head, 0.1), 5)
        await asyncio.wait_for(coin.reader.wait_change(Head(0, "0x"), 60), 5)
