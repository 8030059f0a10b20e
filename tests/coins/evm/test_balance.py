"""Balances of tokens at one block of a real chain."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coins.errors import NodeUnavailableError, WrongNetworkError
from coins.evm.balance import BalanceChanges
from coins.evm.holding import holdings_at
from coins.evm.reader import EvmReader
from coins.evm.rpc import EvmRpc
from coins.evm.wire import Header, block_ref_of
from coins.types import BlockRef, Location
from tests.coins.evm.fake_node import FakeNode, RpcFailure, block, served
from tests.coins.evm.world import eth_settings, opened, token_settings
from tests.nodes.contract import deploy_token
from tests.nodes.regtest import AnvilNode

HOLDER, OTHER = "0x" + "5b" * 20, "0x" + "5c" * 20


async def test_changes_are_of_exactly_one_block(fresh_anvil: AnvilNode) -> None:
    node, token = fresh_anvil, deploy_token(fresh_anvil)
    settings = eth_settings(node.rpc_url, tokens=(token_settings(token.address),))
    rpc = EvmRpc(settings.node, settings.chain_id)
    refs: list[BlockRef] = []
    for amount in (5, 7, 0):
        if amount:
            token.send("transfer", HOLDER, amount)
        else:
            token.send("setBalance", HOLDER, 2)
        await asyncio.to_thread(node.mine)
        refs.append(block_ref_of(await rpc.call("eth_getBlockByNumber", "latest", False, result=Header)))
    holders = [(token.script, bytes.fromhex(account[2:])) for account in (HOLDER, OTHER)]
    nobody = (b"\x66" * 20, holders[0][1])
    try:
        changes = BalanceChanges(rpc)
        found = [await changes.read([*holders, nobody], ref) for ref in refs]
        assert [list(one.values()) for one in found] == [[5, 0, None], [7, 0, None], [-10, 0, None]]
        scripts = {holders[0][1]: Location.DEPOSIT, holders[1][1]: Location.HOT}
        held = await holdings_at(rpc, settings, scripts, refs[1].height)
        assert held.at == refs[1]
        assert held.amounts["USDT-ETH"] == {Location.DEPOSIT: 12, Location.HOT: 0}
        assert held.scripts["USDT-ETH"] == {holders[0][1]: 12}
        none = await holdings_at(rpc, settings, {}, refs[1].height)
        assert none.amounts == {"ETH": {}, "USDT-ETH": {}}
    finally:
        await rpc.close()


async def test_e15_a_contract_of_other_decimals_is_refused_before_anything_is_read(
    fresh_anvil: AnvilNode, caplog: pytest.LogCaptureFixture
) -> None:
    node, six = fresh_anvil, deploy_token(fresh_anvil, decimals=6)
    nobody = token_settings("0x" + "66" * 20, "NO-ETH")
    async with opened(eth_settings(node.rpc_url, tokens=(token_settings(six.address), nobody))) as coin:
        await coin.reader.identify()
        assert "NO-ETH: no contract at 0x" in caplog.text
    wrong = token_settings(six.address, decimals=18)
    async with opened(eth_settings(node.rpc_url, tokens=(wrong,))) as coin:
        for _ in range(2):
            with pytest.raises(WrongNetworkError, match="USDT-ETH has 6 decimals, configured are 18"):
                await coin.reader.identify()


@pytest.mark.parametrize(
    "trouble",
    [
        RpcFailure(-32005, "too many requests"),
        RpcFailure(-32603, "internal error"),
        RpcFailure(-32000, "header not found"),
        RpcFailure(-32601, "the method eth_call does not exist"),
    ],
)
async def test_e15_decimals_that_a_node_did_not_answer_are_asked_for_again(trouble: RpcFailure) -> None:
    answers: list[Any] = [trouble, trouble, "0x" + f"{6:064x}"]
    node = FakeNode(eth_getBlockByNumber=block(), eth_call=lambda *_: answers.pop(0))
    async with served(node):
        settings = eth_settings(node.url, tokens=(token_settings("0x" + "66" * 20, decimals=18),))
        reader = EvmReader(settings, EvmRpc(settings.node, settings.chain_id))
        for _ in range(2):
            with pytest.raises(NodeUnavailableError):
                await reader.identify()
        with pytest.raises(WrongNetworkError, match="has 6 decimals"):
            await reader.identify()
        await reader.close()


@pytest.mark.parametrize(
    "answer",
    [
        "0x",
        RpcFailure(3, "no"),
        RpcFailure(-32000, "execution reverted"),
        RpcFailure(-32000, "invalid opcode: INVALID"),
    ],
)
async def test_e15_a_contract_that_tells_no_decimals_is_asked_once(answer: Any) -> None:
    node = FakeNode(eth_getBlockByNumber=block(), eth_call=answer)
    async with served(node):
        settings = eth_settings(node.url, tokens=(token_settings("0x" + "66" * 20),))
        reader = EvmReader(settings, EvmRpc(settings.node, settings.chain_id))
        for _ in range(2):
            await reader.identify()
        await reader.close()
    assert sum(batch.count("eth_call") for batch in node.batches) == 1
