"""What the reader believes of a node that may say anything; the real ones are in test_nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from coins.bitcoin.wire import Tx, TxIn, TxOut, hash_hex, sha256d, varint
from coins.errors import BlockPrunedError, NodeDataError, NodeSyncingError, WrongNetworkError
from coins.family import Coin
from coins.index import WatchIndex
from coins.types import Head, Location, Outpoint
from tests.coins.bitcoin.fake_node import INFO, FakeNode, Raw, Refusal
from tests.coins.bitcoin.setup import coin_settings

GENESIS = bytes.fromhex(
    "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f61"
    "7fc81bc3888a51323a9fb8aa4b1e5e4adae5494dffff7f20020000000101000000010000000000000000000000000000000000"
    "000000000000000000000000000000ffffffff4d04ffff001d0104455468652054696d65732030332f4a616e2f323030392043"
    "68616e63656c6c6f72206f6e206272696e6b206f66207365636f6e64206261696c6f757420666f722062616e6b73ffffffff01"
    "00f2052a01000000434104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4"
    "f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac00000000"
)


async def test_d29_a_node_that_downloads_is_not_believed(fake_node: FakeNode, fake_coin: Coin) -> None:
    await fake_coin.reader.identify()
    assert await fake_coin.reader.head() == Head(5, "ab" * 32, 12)
    for change in ({"initialblockdownload": True}, {"headers": 900}):
        fake_node.results["getblockchaininfo"] = INFO | change
        with pytest.raises(NodeSyncingError, match="downloads blocks"):
            await fake_coin.reader.head()
        with pytest.raises(NodeSyncingError):
            await fake_coin.reader.identify()


async def test_d34_another_chain_is_refused(fake_node: FakeNode, fake_coin: Coin) -> None:
    fake_node.results["getblockhash"] = "53" * 32
    with pytest.raises(WrongNetworkError, match="genesis block is 5353"):
        await fake_coin.reader.identify()
    fake_node.results["getblockhash"] = coin_settings("BTC").genesis_hash
    fake_node.results["getblockchaininfo"] = INFO | {"chain": "main"}
    with pytest.raises(WrongNetworkError, match="serves main, not regtest"):
        await fake_coin.reader.identify()


@pytest.mark.parametrize("field", ["blocks", "headers", "bestblockhash", "chainwork", "initialblockdownload"])
@pytest.mark.parametrize("value", [None, -2, "1.0", [], 10**400, {"x": 1}])
async def test_d23_a_hostile_head_is_refused_by_name(
    fake_node: FakeNode, fake_coin: Coin, field: str, value: object
) -> None:
    fake_node.results["getblockchaininfo"] = INFO | {field: value}
    with pytest.raises(NodeDataError, match=f"^{field}: "):
        await fake_coin.reader.head()
    fake_node.results["getblockchaininfo"] = {key: held for key, held in INFO.items() if key != field}
    with pytest.raises(NodeDataError, match=f"^{field}: "):
        await fake_coin.reader.head()


@pytest.mark.parametrize("amount", ["-1", "1e400", '"1.0"', "null", "21000000.00000001", "0.000000001"])
async def test_d23_hostile_holdings_are_refused(fake_node: FakeNode, fake_coin: Coin, amount: str) -> None:
    unspent = f'{{"txid": "{"cd" * 32}", "vout": 0, "scriptPubKey": "51", "amount": {amount}, "height": 1}}'
    fake_node.results["scantxoutset"] = Raw(
        f'{{"success": true, "height": 5, "bestblock": "{"ab" * 32}", "unspents": [{unspent}]}}'
    )
    with pytest.raises(NodeDataError, match=r"^amount: "):
        await fake_coin.reader.holdings([(b"\x51", Location.HOT)])


async def test_rest_that_is_off_is_asked_once(fake_node: FakeNode, fake_coin: Coin) -> None:
    genesis_hash = str(coin_settings("BTC").genesis_hash)
    header = {"hash": genesis_hash, "height": 0, "time": 1, "chainwork": "02", "confirmations": 1}
    fake_node.results |= {"getblockheader": header, "getblock": GENESIS.hex()}
    for _ in range(3):
        block = await fake_coin.reader.read_block(0, genesis_hash, WatchIndex())
        assert block.ref.block_hash == genesis_hash
    assert fake_node.gets == 1
    await fake_coin.reader.identify()  # a new connection: perhaps it is on now
    await fake_coin.reader.read_block(0, genesis_hash, WatchIndex())
    assert fake_node.gets == 2


async def test_d23_a_block_of_another_hash_is_refused(fake_node: FakeNode, fake_coin: Coin) -> None:
    genesis_hash = str(coin_settings("BTC").genesis_hash)
    header = {"height": 0, "time": 1, "chainwork": "02", "confirmations": 1}
    fake_node.results["getblockheader"] = lambda block_hash: header | {"hash": block_hash}
    fake_node.rest[f"/rest/block/{genesis_hash}.bin"] = GENESIS
    block = await fake_coin.reader.read_block(0, genesis_hash, WatchIndex())
    assert (block.ref.block_hash, block.ref.work) == (genesis_hash, 2)
    with pytest.raises(NodeDataError, match="not the one at height 3"):
        await fake_coin.reader.read_block(3, genesis_hash, WatchIndex())
    fake_node.rest[f"/rest/block/{'ee' * 32}.bin"] = GENESIS
    with pytest.raises(NodeDataError, match="asked for block ee"):
        await fake_coin.reader.read_block(0, "ee" * 32, WatchIndex())
    fake_node.rest[f"/rest/block/{genesis_hash}.bin"] = GENESIS[:-9]
    with pytest.raises(NodeDataError, match="its chain txs end at"):
        await fake_coin.reader.read_block(0, genesis_hash, WatchIndex())


async def test_only_a_complete_index_can_say_no(fake_node: FakeNode, fake_coin: Coin) -> None:
    fake_node.results |= {
        "getrawtransaction": Refusal(-5, "No such mempool transaction. Use -txindex or provide a block hash"),
        "gettxout": None,
    }
    assert await fake_coin.reader.is_in_chain_or_mempool("ab" * 32) is None
    fake_node.results["gettxout"] = {"value": 1}
    assert await fake_coin.reader.is_in_chain_or_mempool("ab" * 32) is True
    fake_node.results["getrawtransaction"] = Refusal(
        -5, "No such mempool or blockchain transaction. Use gettransaction"
    )
    assert await fake_coin.reader.is_in_chain_or_mempool("ab" * 32) is False


def served_chain(node: FakeNode, count: int, first: int = 100) -> list[str]:
    """Let the node have linked blocks from this height on; their hashes."""
    hashes = [f"{height:064x}" for height in range(first, first + count)]
    parents = dict(zip(hashes[1:], hashes, strict=False))
    node.results["getblockhash"] = lambda height: (
        hashes[height - first] if height < first + count else Refusal(-8, "Block height out of range")
    )
    node.results["getblockheader"] = lambda block_hash: {
        "hash": block_hash,
        "height": int(block_hash, 16),
        "previousblockhash": parents.get(block_hash, "aa" * 32),
        "time": 5,
        "chainwork": "0c",
        "confirmations": 1,
    }
    return hashes


async def test_places_of_many_blocks_take_two_requests(fake_node: FakeNode, fake_coin: Coin) -> None:
    hashes = served_chain(fake_node, 5)
    refs = await fake_coin.reader.block_refs(100, 119)
    assert [(ref.height, ref.block_hash, ref.work) for ref in refs] == [
        (100 + number, block_hash, 12) for number, block_hash in enumerate(hashes)
    ]
    assert [ref.parent_hash for ref in refs[1:]] == hashes[:-1]
    assert fake_node.batch_max == 20
    assert fake_node.seen == []
    assert await fake_coin.reader.block_refs(105, 119) == []


@pytest.mark.parametrize(
    ("change", "known"),
    [({"confirmations": -1}, 2), ({"previousblockhash": "bb" * 32}, 2), ({}, 5)],
)
async def test_places_end_where_the_chain_moved(
    fake_node: FakeNode, fake_coin: Coin, change: dict[str, object], known: int
) -> None:
    hashes = served_chain(fake_node, 5)
    honest = fake_node.results["getblockheader"]
    fake_node.results["getblockheader"] = lambda block_hash: (
        honest(block_hash) | (change if block_hash == hashes[2] else {})
    )
    assert [ref.block_hash for ref in await fake_coin.reader.block_refs(100, 104)] == hashes[:known]


async def test_d23_hostile_places_are_refused(fake_node: FakeNode, fake_coin: Coin) -> None:
    served_chain(fake_node, 5)
    honest = fake_node.results["getblockheader"]
    fake_node.results["getblockheader"] = lambda block_hash: honest(block_hash) | {"height": 7}
    with pytest.raises(NodeDataError, match="gave a block of height 7"):
        await fake_coin.reader.block_refs(100, 104)
    fake_node.results["getblockheader"] = lambda block_hash: honest(block_hash) | {"hash": "cc" * 32}
    with pytest.raises(NodeDataError, match="got another"):
        await fake_coin.reader.block_refs(100, 104)
    fake_node.results["getblockhash"] = "no hash"
    with pytest.raises(NodeDataError, match="getblockhash"):
        await fake_coin.reader.block_refs(100, 104)


async def test_d38_a_pruned_block_is_told_plainly_and_never_skipped(
    fake_node: FakeNode, fake_coin: Coin
) -> None:
    hashes = served_chain(fake_node, 3)
    fake_node.results["getblock"] = Refusal(-1, "Block not available (pruned data)")
    await fake_coin.reader.block_refs(100, 102)
    for _ in range(2):
        with pytest.raises(BlockPrunedError, match=r"has pruned block .* without -prune"):
            await fake_coin.reader.read_block(100, hashes[0], WatchIndex())


async def test_blocks_are_fetched_before_they_are_read(fake_node: FakeNode, fake_coin: Coin) -> None:
    hashes = served_chain(fake_node, 3)
    fake_node.rest |= {f"/rest/block/{block_hash}.bin": GENESIS for block_hash in hashes}
    await fake_coin.reader.block_refs(100, 102)
    await asyncio.wait_for(fake_node.three_gets.wait(), 10)
    for height, block_hash in enumerate(hashes, 100):
        with pytest.raises(NodeDataError, match="asked for block"):  # hash-checked however it came
            await fake_coin.reader.read_block(height, block_hash, WatchIndex())
    assert fake_node.gets == 3


def block_of(*txs: Tx, root_of: Sequence[Tx] | None = None) -> tuple[str, bytes]:
    """A block above block 0 of up to two chain txs, and its hash; its header may stand for others."""
    ids = [bytes.fromhex(each.txid)[::-1] for each in root_of or txs]
    root = ids[0] if len(ids) == 1 else sha256d(ids[0] + ids[1])
    head = bytes(4) + bytes.fromhex(GENESIS_HASH)[::-1] + root + bytes(12)
    return hash_hex(sha256d(head)), head + varint(len(txs)) + b"".join(each.serialize() for each in txs)


GENESIS_HASH = hash_hex(sha256d(GENESIS[:80]))
OWN = b"\x00\x14" + b"\x11" * 20
COINBASE = Tx(1, (TxIn(Outpoint("00" * 32, 2**32 - 1), 0, b"\x51\x51"),), (TxOut(50, b"\x51"),), 0)
PAYING = Tx(2, (TxIn(Outpoint("0e" * 32, 0), 0, b"", (b"s" * 71, b"k" * 33)),), (TxOut(5, OWN),), 0)
OTHER = replace(PAYING, outputs=(TxOut(5, OWN[:-1]),))


@pytest.mark.parametrize("has_rest", [True, False])
async def test_d33_a_payment_that_the_header_does_not_stand_for_refuses_the_block(
    fake_node: FakeNode, fake_coin: Coin, has_rest: bool
) -> None:
    for root_of, is_honest in (([COINBASE, PAYING], True), ([COINBASE], False), ([COINBASE, OTHER], False)):
        block_hash, raw = block_of(COINBASE, PAYING, root_of=root_of)
        header = {"hash": block_hash, "height": 1, "time": 1, "chainwork": "02", "confirmations": 6}
        fake_node.results |= {
            "getblockheader": header | {"previousblockhash": GENESIS_HASH},
            "getblock": raw.hex(),
        }
        fake_node.rest = {f"/rest/block/{block_hash}.bin": raw} if has_rest else {}
        index = WatchIndex([OWN])
        if is_honest:
            found = await fake_coin.reader.read_block(1, block_hash, index)
            assert [(receipt.txid, receipt.amount) for receipt in found.receipts] == [(PAYING.txid, 5)]
            continue
        with pytest.raises(NodeDataError, match="another merkle root"):
            await fake_coin.reader.read_block(1, block_hash, index)
