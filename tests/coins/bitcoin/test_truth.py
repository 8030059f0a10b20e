"""Random payments, payouts, blocks and reorganisations on both real nodes: what the scans add up to is
always what the chain itself says our scripts own."""

from __future__ import annotations

import random

import pytest

from coins.chain import NeedHeader, follow
from coins.family import Coin
from coins.registry import open_coin
from coins.types import (
    LOCATION_OF,
    Block,
    Branch,
    BroadcastOutcome,
    Location,
    Outpoint,
    OwnOutput,
    OwnScript,
    PayoutWork,
    TxOutput,
    Utxo,
)
from tests.coins.bitcoin.setup import FakeSigner, settings_for
from tests.nodes.regtest import BitcoinNode

STEPS = 60


class Books:
    """The smallest possible ledger: blocks, own outputs, and what spent them."""

    def __init__(self, coin: Coin, node: BitcoinNode) -> None:
        self.coin = coin
        self.node = node
        self.blocks: list[Block] = []
        self.own: dict[bytes, OwnScript] = {}
        self.promised: set[Outpoint] = set()
        self.undone = 0

    async def new_script(self, branch: Branch) -> OwnScript:
        script = await self.coin.deriver.derive(branch, len(self.own))
        self.own[script.script] = script
        self.coin.index.add_script(script.script)
        return script

    async def start(self) -> None:
        """Take the node's tip as the anchor."""
        ref = await self.coin.reader.block_ref(self.node.height)
        assert ref is not None
        self.blocks = [Block(ref)]

    async def sync(self) -> None:
        """Follow the node to its tip, one block at a time."""
        while (head := await self.coin.reader.head()).block_hash != self.blocks[-1].ref.block_hash:
            headers: dict[int, str] = {}
            known = [block.ref for block in reversed(self.blocks)]
            while isinstance(step := follow(known, headers, 100), NeedHeader):
                ref = await self.coin.reader.block_ref(step.height)
                headers[step.height] = ref.block_hash if ref else "none"
            for ref in step.disconnected:
                assert self.blocks.pop().ref == ref
                self.undone += 1
            if step.next_height > head.height:
                continue
            ref_next = await self.coin.reader.block_ref(step.next_height)
            assert ref_next is not None
            block = await self.coin.reader.read_block(ref_next.height, ref_next.block_hash, self.coin.index)
            assert block.ref.parent_hash == self.blocks[-1].ref.block_hash
            self.blocks.append(block)

    def unspent(self) -> dict[Outpoint, Utxo]:
        """What our scans say we own."""
        found: dict[Outpoint, Utxo] = {}
        for block in self.blocks:
            for receipt in block.receipts:
                outpoint = Outpoint(receipt.txid, int(receipt.position))
                assert outpoint not in found
                found[outpoint] = Utxo(outpoint, receipt.amount, self.own[receipt.script])
            for spend in block.spends:
                del found[spend.outpoint]
        return found

    async def compare(self) -> None:
        """Our sum by location against the node's own set of unspent outputs."""
        scripts = [(script.script, LOCATION_OF[script.branch]) for script in self.own.values()]
        held = await self.coin.reader.holdings(scripts)
        assert held.at == self.blocks[-1].ref
        ours = dict.fromkeys(Location, 0)
        for utxo in self.unspent().values():
            ours[LOCATION_OF[utxo.own.branch]] += utxo.amount
        assert held.amounts[self.coin.currency] == ours

    async def compare_past(self) -> None:
        """At every height since the anchor: our sums then against the node's set taken back to it."""
        scripts = [(script.script, LOCATION_OF[script.branch]) for script in self.own.values()]
        blocks = self.blocks
        for middle in (0, len(blocks) // 2, len(blocks) - 1):
            self.blocks = blocks[: middle + 1]
            known = [
                OwnOutput(each.outpoint, each.own.script, each.amount) for each in self.unspent().values()
            ]
            history = await self.coin.reader.history(scripts, blocks[middle].ref.height, known)
            for count in range(middle + 1, len(blocks) + 1):
                self.blocks = blocks[:count]
                held = await history.at(self.blocks[-1].ref.height)
                ours: dict[bytes, int] = {}
                for utxo in self.unspent().values():
                    ours[utxo.own.script] = ours.get(utxo.own.script, 0) + utxo.amount
                assert held.at.block_hash == self.blocks[-1].ref.block_hash
                assert held.scripts[self.coin.currency] == ours
        self.blocks = blocks

    async def pay_out(self, source: random.Random) -> None:
        """Spend some of ours, to somebody else or to ourselves."""
        free = [utxo for outpoint, utxo in self.unspent().items() if outpoint not in self.promised]
        if not free:
            return
        chosen = tuple(source.sample(free, min(len(free), source.randint(1, 3))))
        amount = sum(utxo.amount for utxo in chosen) // source.randint(2, 5)
        inside = source.random() < 0.3
        payee = (await self.new_script(Branch.HOT)).address if inside else self.node.new_address()
        parsed = self.coin.deriver.parse(payee)
        output = TxOutput(parsed.script, parsed.address, amount)
        change = await self.new_script(Branch.CHANGE)
        work = PayoutWork("w", "payout", self.coin.currency, output, chosen, change)
        plan = self.coin.spender.plan(work, await self.coin.spender.quote())
        signed = await self.coin.spender.sign(plan)
        result = await self.coin.spender.broadcast(signed)
        assert result.outcome is BroadcastOutcome.ACCEPTED, result
        self.promised |= {utxo.outpoint for utxo in plan.inputs}


@pytest.mark.parametrize("kind", ["fresh_bitcoind", "fresh_litecoind"])
async def test_what_we_count_is_what_the_chain_says(request: pytest.FixtureRequest, kind: str) -> None:
    node: BitcoinNode = request.getfixturevalue(kind)
    node.fund_faucet(20)
    source = random.Random(20)
    settings = settings_for(node)
    coin = await open_coin(settings, FakeSigner(settings))
    books = Books(coin, node)
    try:
        await books.start()
        for _ in range(STEPS):
            action = source.random()
            if action < 0.4:
                script = await books.new_script(source.choice([Branch.DEPOSIT, Branch.HOT]))
                node.send(script.address, f"0.{source.randrange(10**6, 10**8):08d}")
            elif action < 0.6:
                await books.pay_out(source)
            elif action < 0.9 or node.height - books.blocks[0].ref.height < 4:
                node.mine(source.randint(1, 2))
            else:
                node.reorg(source.randint(1, 3))
            if source.random() < 0.7:
                await books.sync()
                await books.compare()
        node.mine()
        await books.sync()
        await books.compare()
        await books.compare_past()
        assert len(books.unspent()) > 10
        assert books.undone > 3
        assert any(block.spends for block in books.blocks)
    finally:
        await coin.reader.close()
