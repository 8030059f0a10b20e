"""The cashier of a simulated day: the desk of the actors' tests on a virtual loop, its nodes slow."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from pykka import ActorRegistry

from actors import gauges
from coins.types import Block, Holdings, Location
from config.schema import Settings
from tests.actors.desk import START_S, Desk, desk_settings
from tests.actors.doors import DeskReader
from tests.actors.house import actor_of, ended
from tests.fakes.chain import FakeChain, TwinChain
from tests.fakes.clock import FakeClock
from tests.simulation.loop import LoopClock

COINS = ("BTC", "LTC", "ETH", "USDT-ETH")
CHAINS = ("BTC", "LTC", "ETH")
MOMENT_S = 0.001
GAUGES_S = 60.0
"""The gauges look at the books so often, and not every five seconds: a day of looks would be most of it."""
PACE = {
    "ACTORS__TICK_S": "60",
    "ACTORS__WATCHDOG_INTERVAL_S": "300",
    "LEDGER__CHECKPOINT_INTERVAL_S": "300",
    "MONITORING__HEARTBEAT_INTERVAL_S": "60",
    "MONITORING__HEARTBEAT_DUMP_S": "120",
    "MONITORING__HEARTBEAT_EXIT_S": "180",
}
"""How often actors look for work that no hint told of; the rest is as shipped."""


class SlowReader(DeskReader):
    """A node that takes its time over an answer, and may lag behind the others of its chain for a while."""

    def __init__(self, chain: FakeChain, clock: FakeClock, rng: random.Random) -> None:
        super().__init__(chain, clock)
        self.rng = rng
        self.node = chain
        chain.listeners.append(self.poke)

    async def read_block(self, height: int, block_hash: str, index: Any) -> Block:
        await asyncio.sleep(self.rng.uniform(0.01, 0.5))
        block: Block = await super().read_block(height, block_hash, index)
        return block

    async def holdings(self, scripts: Any) -> Holdings:
        """The answer is of the moment before or after the long scan."""
        if self.rng.random() < 0.5:
            await asyncio.sleep(self.rng.uniform(0.1, 30))
            return await super().holdings(scripts)
        held = await super().holdings(scripts)
        await asyncio.sleep(self.rng.uniform(0.1, 30))
        return held

    def lag(self) -> None:
        """Stand still at today's tip, as a node whose peers have left."""
        twin = TwinChain(self.node)
        twin.part()
        self.node.listeners.remove(twin.follow)
        self.chain = twin

    def recover(self) -> None:
        """Be at the tip again."""
        self.chain = self.node
        self.poke()


class Cashier(Desk):
    """One life of the cashier's process; the next one gets the same database and the same chains."""

    def __init__(self, folder: Path, settings: Settings, chains: dict[str, FakeChain], seed: int) -> None:
        clock = LoopClock(asyncio.get_running_loop(), START_S)
        super().__init__(folder, settings, clock, seed)
        self.chains = chains
        for name in CHAINS:
            self.readers[name] = SlowReader(chains[name], self.clock, random.Random(f"{seed} {name}"))

    def node(self, chain: str) -> SlowReader:
        """The node of a chain as it is read."""
        reader = self.readers[chain]
        assert isinstance(reader, SlowReader)
        return reader

    async def start(self) -> None:
        with mock.patch.object(gauges, "TICK_S", GAUGES_S):
            await super().start()

    async def rest(self, condition: Callable[[], object] | None = None, rounds: int = 400) -> None:
        """Let everything happen that needs no time; with a condition, until it holds."""
        for _ in range(rounds):
            await asyncio.sleep(MOMENT_S)
            if condition is None or condition():
                return
        raise AssertionError("it does not come to rest")

    async def kill(self) -> None:
        """End the process without a word."""
        left = [actor_of(ref) for ref in ActorRegistry.get_all()]
        for actor in left:
            actor.kill()
        for actor in left:
            await ended(actor)


def day_settings(folder: Path, **more: str) -> Settings:
    """The shipped settings of three chains and a token, on their test networks."""
    looks = {f"COINS__{chain}__NODE__MEMPOOL_INTERVAL_S": "60" for chain in CHAINS}
    environ = {f"CASHIER__{name}": value for name, value in (PACE | looks | more).items()}
    return desk_settings(folder, COINS, environ)


def places_of(scripts: list[tuple[bytes, str]]) -> list[tuple[bytes, Location]]:
    """Scripts with their locations."""
    return [(bytes(script), Location(location)) for script, location in scripts]
