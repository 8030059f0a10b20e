"""Safe and finalized blocks: asked for where the policy waits for one, and what a node may not say."""

from __future__ import annotations

from typing import Any

import pytest

from coins.errors import NodeDataError
from coins.evm.reader import EvmReader
from coins.evm.rpc import EvmRpc
from tests.coins.evm.fake_node import FakeNode, RpcFailure, block, served
from tests.coins.evm.world import eth_settings


async def test_e20_tags_are_asked_for_only_where_the_policy_waits_for_one() -> None:
    numbers = {"latest": "0x5", "safe": "0x3", "finalized": "0x1"}
    node = FakeNode(eth_getBlockByNumber=lambda tag, full: block(number=numbers[tag]))
    async with served(node):
        for finality, expected in (("confirmations", (None, None)), ("safe", (3, 1)), ("finalized", (3, 1))):
            settings = eth_settings(node.url, finality=finality)
            reader = EvmReader(settings, EvmRpc(settings.node, settings.chain_id))
            node.batches.clear()
            head = await reader.head()
            assert (head.height, head.safe_height, head.finalized_height) == (5, *expected)
            assert len(node.batches) == (1 if finality == "confirmations" else 3)
            await reader.close()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (None, None),
        (RpcFailure(-39001, "Unknown block"), None),
        (block(number="0x9"), 5),  # a block came between two calls: never above the head told with it
        (block(number="0x0"), 0),
    ],
)
async def test_e20_a_node_without_a_tag_covers_nothing(answer: Any, expected: int | None) -> None:
    node = FakeNode(eth_getBlockByNumber=lambda tag, full: block() if tag == "latest" else answer)
    async with served(node):
        settings = eth_settings(node.url, finality="finalized")
        reader = EvmReader(settings, EvmRpc(settings.node, settings.chain_id))
        head = await reader.head()
        assert (head.safe_height, head.finalized_height) == (expected, expected)
        await reader.close()


async def test_e20_a_tag_that_is_nonsense_is_refused() -> None:
    node = FakeNode(eth_getBlockByNumber=lambda tag, full: block(number="0x5" if tag == "latest" else "5"))
    async with served(node):
        settings = eth_settings(node.url, finality="safe")
        reader = EvmReader(settings, EvmRpc(settings.node, settings.chain_id))
        with pytest.raises(NodeDataError):
            await reader.head()
        await reader.close()
