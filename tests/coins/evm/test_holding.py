"""Balances at past blocks: as deep as the node keeps state, and said so where it does not."""

from __future__ import annotations

from typing import Any

import pytest

from coins.errors import NodeUnavailableError, StateGoneError
from coins.evm.holding import EvmHistory, holdings_at, kept_depth
from coins.evm.rpc import EvmRpc
from coins.types import Location
from tests.coins.evm.fake_node import FakeNode, RpcFailure, block, served
from tests.coins.evm.world import eth_settings

OURS = b"\x11" * 20
HEAD = 1_000


def by_number(tag: str, full: bool) -> dict[str, Any] | None:
    number = HEAD if tag == "latest" else int(tag, 16)
    if number > HEAD:
        return None
    return block(number=hex(number), hash=f"0x{number:064x}", parentHash=f"0x{max(0, number - 1):064x}")


@pytest.mark.parametrize("kept", [1, 2, 3, 127, 128, 129, 1_001])
async def test_the_kept_depth_is_found_by_few_questions_and_stated(kept: int) -> None:
    asked: list[int] = []

    def balance(account: str, at: str) -> Any:
        asked.append(int(at, 16))
        if int(at, 16) <= HEAD - kept:
            return RpcFailure(-32000, "missing trie node")
        return "0x7"

    async with served(FakeNode(eth_getBlockByNumber=by_number, eth_getBalance=balance)) as node:
        settings = eth_settings(node.url)
        rpc = EvmRpc(settings.node, settings.chain_id)
        assert await kept_depth(rpc, HEAD) == kept
        assert len(asked) <= 25
        history = EvmHistory(rpc, settings, {OURS: Location.HOT})
        lowest = HEAD - kept + 1
        held = await history.at(lowest)
        assert (held.at.height, held.amounts) == (lowest, {"ETH": {Location.HOT: 7}})
        assert held.asked is not None
        assert held.asked.from_height == HEAD
        if lowest > 0:
            with pytest.raises(StateGoneError, match=f"last {kept} blocks.*archive"):
                await history.at(lowest - 1)
        await rpc.close()


async def test_a_block_that_is_not_there_or_changes_is_no_answer() -> None:
    numbers = iter(range(100))

    def ever_new(tag: str, full: bool) -> dict[str, Any]:
        return block(hash=f"0x{next(numbers):064x}")

    async with served(FakeNode(eth_getBlockByNumber=by_number, eth_getBalance="0x7")) as node:
        settings = eth_settings(node.url)
        rpc = EvmRpc(settings.node, settings.chain_id)
        with pytest.raises(NodeUnavailableError, match="no block at height 1001"):
            await holdings_at(rpc, settings, {OURS: Location.HOT}, HEAD + 1)
        node.answers["eth_getBlockByNumber"] = ever_new
        with pytest.raises(NodeUnavailableError, match="kept changing"):
            await holdings_at(rpc, settings, {OURS: Location.HOT}, 5)
        await rpc.close()


async def test_s35_a_key_in_the_path_of_a_node_is_not_kept_with_an_answer() -> None:
    async with served(FakeNode(eth_getBlockByNumber=by_number, eth_getBalance="0x7")) as node:
        settings = eth_settings(f"{node.url}/v3/0123456789abcdef")
        assert settings.node.origin == node.url
        rpc = EvmRpc(eth_settings(node.url).node, settings.chain_id)
        held = await EvmHistory(rpc, settings, {OURS: Location.HOT}).at(1)
        assert held.asked is not None
        assert held.asked.node == node.url
        await rpc.close()
