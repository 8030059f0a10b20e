"""Tokens and payments by contracts, block by block, add up to what the chain itself says at the end."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass

import pytest

from coins.family import Coin
from coins.types import Location
from tests.coins.evm.world import ETHER, eth_settings, opened, token_settings
from tests.nodes.contract import Contract, Mode, deploy
from tests.nodes.regtest import AnvilNode

START = 10_000 * ETHER
ROUNDS = 25
STRANGER = "0x" + "5a" * 20
DEPOSIT = "0x" + "5b" * 20


@dataclass(frozen=True, slots=True)
class World:
    """A node with two tokens, a forwarder that holds some of both, and a contract that takes no money."""

    node: AnvilNode
    tokens: list[Contract]
    forwarder: Contract
    refuser: Contract

    @classmethod
    def build(cls, node: AnvilNode) -> World:
        """The accounts of the node get tokens; from here on everything is counted."""
        tokens = [
            deploy(node, "Token", "T", decimals, int(Mode.NORMAL), 10**30, sender=node.accounts[9])
            for decimals in (6, 18)
        ]
        forwarder = deploy(node, "Forwarder", sender=node.accounts[9])
        refuser = deploy(node, "Refuser", sender=node.accounts[9])
        for token in tokens:
            targets = [*node.accounts[:6], forwarder.address]
            token.send("transferMany", targets, [10**6] * len(targets), sender=node.accounts[9])
        node.mine()
        return cls(node, tokens, forwarder, refuser)

    def traffic(self, rng: random.Random) -> None:
        """Whatever may happen in a block: tokens and value, directly and by contracts, some of it undone."""
        accounts = [*self.node.accounts[:6], DEPOSIT]
        people = [*accounts, STRANGER]
        for _ in range(rng.randrange(7)):
            sender, amount = rng.choice(self.node.accounts[:6]), rng.choice([0, 1, rng.randrange(10**5)])
            token, to = rng.choice(self.tokens), rng.choice(people)
            several = [rng.choice(people) for _ in range(rng.randrange(1, 4))]
            choice = rng.randrange(12)
            if choice < 4:
                token.send("transfer", to, amount, sender=sender)
            elif choice < 6:
                token.send("transferMany", several, [amount] * len(several), sender=sender)
            elif choice == 6:
                self.forwarder.send("payToken", token.address, to, amount, sender=sender)
            elif choice == 7:
                token.send("setMode", int(rng.choice([Mode.NORMAL, Mode.FEE, Mode.FALSE, Mode.SILENT])))
            elif choice == 8:
                self.forwarder.send(rng.choice(["pay", "payDelegated", "payByBomb"]), to, amount=amount)
            elif choice == 9:
                several += [self.refuser.address] * rng.randrange(2)
                rng.shuffle(several)
                self.forwarder.send(rng.choice(["payMany", "tryMany"]), several, amount=amount)
            elif choice == 10:
                self.forwarder.send("payAndUndo", to, amount=amount)
            else:
                self.node.send(to, amount, sender)


async def books_of(coin: Coin, start: int) -> tuple[Counter[tuple[str, bytes]], Counter[str]]:
    """Changes by currency and account from block ``start`` on, and what kinds of receipts there were."""
    head = await coin.reader.head()
    books: Counter[tuple[str, bytes]] = Counter()
    kinds: Counter[str] = Counter()
    for ref in await coin.reader.block_refs(start, head.height):
        block = await coin.reader.read_block(ref.height, ref.block_hash, coin.index)
        keys = [(receipt.currency, receipt.txid, receipt.position) for receipt in block.receipts]
        assert len(set(keys)) == len(keys)
        for receipt in block.receipts:
            assert receipt.doubt == ""
            books[receipt.currency, receipt.script] += receipt.amount
            kinds[receipt.position.partition(":")[0]] += 1
        for send in block.token_sends:
            books[send.currency, send.sender] -= send.amount
            kinds["send"] += 1
        for sent in block.sent:
            books["ETH", sent.sender] -= sent.gas_fee + (sent.amount if sent.is_success else 0)
    return books, kinds


@pytest.mark.parametrize(("internal", "seed"), [("trace_block", 0), ("trace_block", 1), ("debug", 2)])
async def test_e02_e09_e18_the_books_equal_the_chain(
    fresh_anvil: AnvilNode, internal: str, seed: int
) -> None:
    node, rng = fresh_anvil, random.Random(seed)
    world = await asyncio.to_thread(World.build, node)
    named = [token_settings(token.address, f"T{n}-ETH") for n, token in enumerate(world.tokens)]
    settings = eth_settings(node.rpc_url, tokens=tuple(named), internal=internal, internal_deposits="credit")
    accounts = [*node.accounts[:6], DEPOSIT]
    own = [bytes.fromhex(account[2:]) for account in accounts]
    start = node.height + 1
    before = {account: node.balance(account) for account in accounts}
    async with opened(settings) as coin:
        coin.index.add_scripts(own)
        for turn in range(ROUNDS):
            await asyncio.to_thread(world.traffic, rng)
            await asyncio.to_thread(node.mine, rng.randrange(1, 3))
            if turn % 8 == 7:
                await asyncio.to_thread(node.reorg, rng.randrange(1, 5))
        books, kinds = await books_of(coin, start)
        held = await coin.reader.holdings([(script, Location.HOT) for script in own])
    for account, script in zip(accounts, own, strict=True):
        assert books["ETH", script] == node.balance(account) - before[account]
        for n, token in enumerate(world.tokens):
            first = 0 if account == DEPOSIT else 10**6
            assert books[f"T{n}-ETH", script] == token.call("balanceOf", account) - first
    for n in range(2):
        total = sum(books[f"T{n}-ETH", script] for script in own)
        assert held.amounts[f"T{n}-ETH"][Location.HOT] == total + 6 * 10**6
    assert min(kinds[kind] for kind in ("native", "log", "trace", "send")) > 0
