"""What goes wrong around the cashier in a day: on chains, nodes and the machine; no book is touched."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from pykka import ActorRegistry

from actors.childspec import RestartChild
from actors.supervisor import Supervisor
from tests.actors.house import actor_of
from tests.fakes.chain import FakeBlock, FakeChain, FakeTx, InvalidTxError
from tests.fakes.coin import foreign
from tests.simulation.world import World, is_foreign

REORG_MAX = 3
TOLERATED_S = 900
"""A node that is away for longer is an alarm, and rightly so."""
AFTERMATH_S = 2400
UNMINED_S = {"BTC": 5400, "LTC": 5400, "ETH": 900}


class Troubles:
    """Each method is a kind of happening; ``rng`` draws its details."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._turn = asyncio.Lock()

    # -- on the chain --------------------------------------------------------------------------------

    async def reorg(self, chain: str, rng: random.Random) -> None:
        """The last blocks are replaced; what was in them waits again."""
        self._replace(chain, rng.randint(1, REORG_MAX), None)

    async def double_payment(self, chain: str, rng: random.Random) -> None:
        """The same, and a payment of theirs to a client has gone elsewhere."""
        node, hot = self.world.chains[chain], self.world.hot_script(chain)
        height = node.tip.ref.height
        payments = [
            (height - block.ref.height + 1, tx)
            for block in _top(node, REORG_MAX)
            for tx in block.txs
            if is_foreign(tx) and tx.outputs[0][0] != hot
        ]
        if payments:
            self._replace(chain, *rng.choice(payments))

    def _replace(self, chain: str, depth: int, victim: FakeTx | None) -> None:
        world, node = self.world, self.world.chains[chain]
        undone = _top(node, depth)
        if len(undone) < depth:
            return
        chosen: list[FakeTx] = []
        if victim is not None:
            elsewhere = node.pay((foreign("elsewhere", chain).script, victim.outputs[0][1]), conflicts=victim)
            txs = [elsewhere if tx is victim else tx for block in undone for tx in block.txs]
            chosen = _that_fit(node, undone[0], txs)
            world.done["payments taken back"] += 1
        if depth >= world.settings.currencies[chain].confirmations:
            world.excuse("CashierDepositsReversed", chain, 2 * 3600)
        node.block_time_s = max(1, (world.now_s - undone[0].ref.time) // (depth + 1))
        node.reorg(depth, [chosen])
        world.done["blocks undone"] += depth

    async def unmined(self, chain: str, rng: random.Random) -> None:
        """Miners leave out what the cashier sends, until it pays more or they change their mind."""
        # Meanwhile change that is not mined may be all there is to pay from.
        self.world.excuse("CashierWithdrawalUnsigned", chain, UNMINED_S[chain] + AFTERMATH_S)
        self.world.unmined_until[chain] = self.world.now_s + UNMINED_S[chain]

    async def failed_payout(self, chain: str, rng: random.Random) -> None:
        """What the cashier has just sent on an account chain is mined with status 0."""
        node = self.world.chains["ETH"]
        for _ in range(120):
            ours = [tx for tx in node.mempool.values() if not is_foreign(tx)]
            if ours:
                node.failing.add(ours[-1].txid)
                # Of a sweep it is a case, of a payout an operator looks until it is given back for good.
                self.world.excuse("CashierCaseOpened", "ETH", AFTERMATH_S)
                self.world.excuse("CashierWithdrawalAttention", "ETH", AFTERMATH_S)
                self.world.done["failed on the chain"] += 1
                return
            await asyncio.sleep(30)

    # -- at the node ---------------------------------------------------------------------------------

    async def node_down(self, chain: str, rng: random.Random) -> None:
        """The node does not answer for a minute, or for most of an hour."""
        for_s = rng.uniform(60, 2400)
        self._excuse_absence(chain, for_s)
        self.world.down.add(chain)
        self.world.apply_down()
        await asyncio.sleep(for_s)
        self.world.down.discard(chain)
        self.world.apply_down()

    async def node_lags(self, chain: str, rng: random.Random) -> None:
        """The node that is read stands still, and then is at the tip again."""
        for_s = rng.uniform(120, 1500)
        self._excuse_absence(chain, for_s)
        self.world.cashier.node(chain).lag()
        await asyncio.sleep(for_s)
        self.world.cashier.node(chain).recover()

    def _excuse_absence(self, chain: str, for_s: float) -> None:
        if for_s > TOLERATED_S / 2:
            self.world.excuse("CashierCurrencyNotWorking", chain, for_s + AFTERMATH_S)
            self.world.excuse("CashierWithdrawalUnsigned", chain, for_s + AFTERMATH_S)

    async def broadcasts_lost(self, chain: str, rng: random.Random) -> None:
        """The next chain txs arrive, and the node's answers do not."""
        self.world.cashier.spenders[chain].lose_answers += rng.randint(1, 3)

    # -- on the machine ------------------------------------------------------------------------------

    async def crash(self, chain: str, rng: random.Random) -> None:
        """One actor ends in the middle of its work."""
        actors = [actor_of(ref) for ref in ActorRegistry.get_all()]
        workers = sorted(
            (each for each in actors if not isinstance(each, Supervisor)), key=lambda each: each.address
        )
        if workers:
            rng.choice(workers).kill(RuntimeError("a fault of the simulated day"))

    async def restart_coin(self, chain: str, rng: random.Random) -> None:
        """An operator starts a currency anew."""
        await self.world.ask("coins", RestartChild(f"coin:{chain}"))

    async def kill(self, chain: str, rng: random.Random) -> None:
        """The process ends without a word and is started again."""
        await self._again(rng, is_polite=False)

    async def stop(self, chain: str, rng: random.Random) -> None:
        """The process is asked to end, and started again."""
        await self._again(rng, is_polite=True)

    async def _again(self, rng: random.Random, *, is_polite: bool) -> None:
        async with self._turn:
            await self.world.end(is_polite=is_polite)
            await asyncio.sleep(rng.uniform(1, 300))
            await self.world.start()

    async def jump(self, chain: str, rng: random.Random) -> None:
        """The machine's clock is set."""
        self.world.cashier.clock.set_by(rng.randint(-30, 30))


def _top(node: FakeChain, depth: int) -> list[FakeBlock]:
    """The highest blocks above the first, the lowest of them first; fewer where there are not so many."""
    found: list[FakeBlock] = []
    block = node.tip
    while len(found) < depth and block is not node.anchor:
        found.insert(0, block)
        block = node.blocks[block.ref.parent_hash]
    return found


def _that_fit(node: FakeChain, first: FakeBlock, txs: Sequence[FakeTx]) -> list[FakeTx]:
    """Those of the chain txs that can be mined instead of ``first``, in their order."""
    state = node.blocks[first.ref.parent_hash].state
    found: list[FakeTx] = []
    for tx in txs:
        try:
            state = state.apply(tx)
        except InvalidTxError:
            continue
        found.append(tx)
    return found
