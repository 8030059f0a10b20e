"""What the reader found adds up to the balances the chain itself states, also over reorganisations."""

from __future__ import annotations

import asyncio
import random

import pytest

from coins.family import Coin
from coins.types import Block, Location
from tests.coins.evm.world import ETHER, eth_settings, opened
from tests.nodes.regtest import AnvilNode

START = 10_000 * ETHER
ROUNDS = 60
REFUSER = "0x" + "fe" * 20
STRANGER = "0x" + "5a" * 20


def traffic(node: AnvilNode, rng: random.Random) -> None:
    """A few payments: among us, to strangers, to ourselves, of nothing, and some that fail."""
    for _ in range(rng.randrange(6)):
        sender = rng.choice(node.accounts[:6])
        target = rng.choice([*node.accounts[:6], STRANGER, REFUSER, sender])
        amount = rng.choice([0, 1, rng.randrange(ETHER), 3 * ETHER])
        node.send(target, amount, sender, gas="0xc350")


async def books_of(coin: Coin, own: set[bytes]) -> tuple[dict[bytes, int], list[Block]]:
    """Balances as the blocks tell them, from the first block to the latest."""
    head = await coin.reader.head()
    books = dict.fromkeys(own, START)
    blocks: list[Block] = []
    for height in range(1, head.height + 1):
        ref = await coin.reader.block_ref(height)
        assert ref is not None
        block = await coin.reader.read_block(height, ref.block_hash, coin.index)
        assert block.ref == ref
        assert not blocks or ref.parent_hash == blocks[-1].ref.block_hash
        blocks.append(block)
        for receipt in block.receipts:
            books[receipt.script] += receipt.amount
        for sent in block.sent:
            books[sent.sender] -= sent.gas_fee + (sent.amount if sent.is_success else 0)
    return books, blocks


@pytest.mark.parametrize("seed", range(3))
async def test_e01_e18_the_books_equal_the_chain(fresh_anvil: AnvilNode, seed: int) -> None:
    node, rng = fresh_anvil, random.Random(seed)
    await node.call("anvil_setCode", REFUSER, "0x5f5ffd")  # PUSH0 PUSH0 REVERT
    async with opened(eth_settings(node.rpc_url)) as coin:
        own = {bytes.fromhex(account[2:]) for account in node.accounts[:6]}
        coin.index.add_scripts(own)
        for turn in range(ROUNDS):
            await asyncio.to_thread(traffic, node, rng)
            await asyncio.to_thread(node.mine, rng.randrange(1, 3))
            if turn % 8 == 7:
                await asyncio.to_thread(node.reorg, rng.randrange(1, 5))
        books, blocks = await books_of(coin, own)
        held = await coin.reader.holdings([(script, Location.HOT) for script in own])
        assert held.amounts["ETH"][Location.HOT] == sum(books.values())
        assert {script: node.balance("0x" + script.hex()) for script in own} == books
        history = await coin.reader.history([(script, Location.HOT) for script in own], 0, ())
        start = (await history.at(0)).scripts["ETH"]
        for block in blocks[:: max(1, len(blocks) // 10)]:
            past = {script: start.get(script, 0) for script in own}
            for each in blocks[: blocks.index(block) + 1]:
                for receipt in each.receipts:
                    past[receipt.script] += receipt.amount
                for sent in each.sent:
                    past[sent.sender] -= sent.gas_fee + (sent.amount if sent.is_success else 0)
            then = await history.at(block.ref.height)
            assert (then.at, then.scripts["ETH"]) == (block.ref, {k: v for k, v in past.items() if v})
    assert sum(len(block.sent) for block in blocks) > ROUNDS
    assert any(not sent.is_success for block in blocks for sent in block.sent)
    assert any(receipt.sender in own for block in blocks for receipt in block.receipts)
