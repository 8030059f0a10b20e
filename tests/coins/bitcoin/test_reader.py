"""What the reader believes of a node that may say anything; the real ones are in test_nodes."""

from __future__ import annotations

import pytest

from coins.errors import NodeDataError, NodeSyncingError, WrongNetworkError
from coins.family import Coin
from coins.index import WatchIndex
from coins.types import Head, Location
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
