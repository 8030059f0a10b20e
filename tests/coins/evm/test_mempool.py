"""Tokens that wait, on a real chain."""

from __future__ import annotations

import asyncio
from typing import Any

from coins.evm.mempool import EvmMempool
from coins.evm.reader import EvmReader
from coins.evm.rpc import EvmRpc
from coins.index import WatchIndex
from tests.coins.evm.fake_node import TXID, FakeNode, block, served
from tests.coins.evm.world import eth_settings, token_settings
from tests.nodes.contract import deploy_token
from tests.nodes.regtest import AnvilNode

DEP = "0x" + "5b" * 20
OWN = {bytes.fromhex(DEP[2:])}


async def test_a_plain_call_of_transfer_is_shown_at_the_place_it_will_be_mined(
    fresh_anvil: AnvilNode,
) -> None:
    node, token, unlisted = fresh_anvil, deploy_token(fresh_anvil), deploy_token(fresh_anvil)
    settings = eth_settings(node.rpc_url, tokens=(token_settings(token.address),))
    rpc = EvmRpc(settings.node, settings.chain_id)
    mempool = EvmMempool(settings, rpc)
    try:
        txid = token.send("transfer", DEP, 1000)
        quiet = [
            token.send("transfer", DEP, 0),
            token.send("transfer", "0x" + "77" * 20, 1000),
            token.send("transferMany", [DEP], [1000]),
            token.send("fake", node.accounts[1], DEP, 1000),
            unlisted.send("transfer", DEP, 1000),
        ]
        view = await mempool.view(OWN)
        (seen,) = view.receipts
        assert (seen.currency, seen.txid, seen.position, seen.amount) == ("USDT-ETH", txid, "log:0", 1000)
        assert view.txids == {txid, *quiet}
        await asyncio.to_thread(node.mine)
        after = await mempool.view(OWN)
        assert (after.receipts, after.txids) == ((), frozenset({txid}))
    finally:
        await rpc.close()


async def test_d03_what_was_shown_before_a_restart_is_held_while_the_node_knows_it() -> None:
    known: dict[str, Any] = {TXID: {"hash": TXID, "blockNumber": None}}
    node = FakeNode(eth_getBlockByNumber=block(), eth_getTransactionByHash=known.get)
    async with served(node):
        settings = eth_settings(node.url)
        reader = EvmReader(settings, EvmRpc(settings.node, settings.chain_id))
        assert (await reader.mempool(WatchIndex())).txids == frozenset()
        gone = "0x" + "dd" * 32
        reader.recall((TXID, gone))
        for _ in range(2):
            assert (await reader.mempool(WatchIndex())).txids == {TXID}
        known.clear()
        assert (await reader.mempool(WatchIndex())).txids == frozenset()
        await reader.close()
