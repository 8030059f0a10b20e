"""The world around the cashier: its chains, its clients, and the one who asks for them and tries again."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actors.errors import DeliveryError
from actors.messages import GetBalances, IssueAddress
from coins.types import Branch, ConsolidationTerms
from config.schema import Settings
from ledger.commands import Idempotency
from ledger.errors import CurrencyUnavailableError, DomainError
from tests.actors.desk import KINDS, START_S, TOKEN, chain_of
from tests.fakes.chain import FakeChain, FakeTx
from tests.fakes.coin import FEE_PER_INPUT, FakeDeriver, own_script
from tests.simulation.alarms import Alarms
from tests.simulation.cashier import CHAINS, Cashier, day_settings

AGAIN_S = 7.0
TRIES_MAX = 200
OPERATORS = ("ann", "bob", "eve")
TERMS = ConsolidationTerms(FEE_PER_INPUT, 2_000_000, 12, 60)
CURRENCIES = (*CHAINS, TOKEN)
SLOW_S = 1800


@dataclass(frozen=True, slots=True)
class Excuse:
    """An alarm that rightly fires within this time: something planned is its reason."""

    alarm: str
    currency: str
    since_s: int
    until_s: int


@dataclass(slots=True)
class World:
    """Everything outside the process. ``cashier`` is its life of now; ``done`` counts what happened, and
    what was refused."""

    folder: Path
    seed: int
    settings: Settings
    chains: dict[str, FakeChain]
    rng: random.Random
    cashier: Cashier = field(init=False)
    alarms: Alarms = field(default_factory=Alarms)
    done: Counter[str] = field(default_factory=Counter)
    excuses: list[Excuse] = field(default_factory=list)
    clients: list[str] = field(default_factory=lambda: [f"client{number}" for number in range(8)])
    scripts: dict[tuple[str, str], bytes] = field(default_factory=dict)
    orders: list[tuple[str, str]] = field(default_factory=list)
    reversible: list[str] = field(default_factory=list)
    down: set[str] = field(default_factory=set)
    unmined_until: dict[str, int] = field(default_factory=dict)
    is_up: bool = False
    lives: int = 0
    number: int = 0

    # -- the process ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Another life of the cashier on the same database."""
        self.lives += 1
        self.cashier = Cashier(self.folder, self.settings, self.chains, 1000 * self.seed + self.lives)
        self.apply_down()
        await self.cashier.start()
        self.apply_down()
        self.cashier.spenders["BTC"].consolidation_terms = TERMS
        self.is_up = True

    async def end(self, *, is_polite: bool) -> None:
        """The end of this life."""
        self.is_up = False
        if is_polite:
            await self.cashier.stop()
        else:
            await self.cashier.kill()
        for chain in self.chains.values():
            chain.listeners.clear()

    def apply_down(self) -> None:
        """Nodes that are down are so for each life of the cashier."""
        for chain in CHAINS:
            self.cashier.node(chain).is_down = chain in self.down
            if chain in self.cashier.spenders:
                self.cashier.spenders[chain].is_down = chain in self.down

    @property
    def now_s(self) -> int:
        """Unix seconds."""
        return self.cashier.clock.now_s()

    def excuse(self, alarm: str, currency: str, for_s: float) -> None:
        """From now on an alarm may fire for so long; the currency's tokens are meant too."""
        names = [name for name in CURRENCIES if chain_of(name) == currency] or [currency]
        self.excuses += [Excuse(alarm, name, self.now_s, self.now_s + int(for_s)) for name in names]

    # -- asking --------------------------------------------------------------------------------------

    async def ask(self, name: str, message: Any) -> Any:
        """Ask until there is an answer, as a client with an idempotency key does. Raises DomainError."""
        for _ in range(TRIES_MAX):
            try:
                return await self.cashier.directory.ask(name, message, timeout_s=60.0)
            except (DeliveryError, CurrencyUnavailableError):
                self.done["asked again"] += 1
                await asyncio.sleep(AGAIN_S)
        raise AssertionError(f"{name} never answered {message}")

    async def attempt(self, what: str, name: str, message: Any) -> Any:
        """Ask what may be refused; count it either way."""
        try:
            result = await self.ask(name, message)
        except DomainError as refusal:
            self.done[f"{what}: {refusal.code}"] += 1
            return None
        self.done[what] += 1
        return result

    def key(self, who: str = "key:shop") -> Idempotency:
        """A fresh idempotency key."""
        self.number += 1
        return Idempotency(who, f"key-{self.number}", f"body-{self.number}")

    def fresh(self, prefix: str) -> str:
        """An id that nothing had before, in this life or an earlier one."""
        self.number += 1
        return f"{prefix}_{self.number}"

    async def balances(self, client: str) -> dict[str, int]:
        """What a client may spend, by currency."""
        views = await self.ask("ledger_reader", GetBalances(client))
        return {view.currency: view.available for view in views}

    # -- chains --------------------------------------------------------------------------------------

    async def script_of(self, client: str, currency: str) -> bytes:
        """The script of a client's address."""
        held = self.scripts.get((client, currency))
        if held is None:
            issued = await self.ask(f"address:{chain_of(currency)}", IssueAddress(client, currency))
            held = FakeDeriver(chain_of(currency)).parse(issued.view.address).script
            self.scripts[client, currency] = held
        return held

    def pay(self, currency: str, *outputs: tuple[bytes, int]) -> FakeTx:
        """A payment from outside, into the mempool."""
        chain = chain_of(currency)
        return self.chains[chain].pay(*outputs, token=currency if currency != chain else "")

    def hot_script(self, chain: str) -> bytes:
        """Where the house funds its hot wallet."""
        return own_script(chain, Branch.HOT, 0).script

    def mine(self, chain: str) -> None:
        """One block, at the time it is; a miner who leaves our payments out takes the others."""
        node = self.chains[chain]
        node.block_time_s = max(1, self.now_s - node.tip.ref.time)
        if node.block_time_s > SLOW_S:
            # So long without a block, what there is to pay from may all have been waiting for it.
            since_s, until_s = node.tip.ref.time, self.now_s + SLOW_S
            self.excuses.append(Excuse("CashierWithdrawalUnsigned", chain, since_s, until_s))
        txs = list(node.mempool.values())
        if self.now_s < self.unmined_until.get(chain, 0):
            txs = [tx for tx in txs if is_foreign(tx)]
        node.mine(1, txs)


def is_foreign(tx: FakeTx) -> bool:
    """Whether a chain tx is not of the cashier."""
    return tx.sender == b"faucet" or any(each.txid == "faucet" for each in tx.inputs)


def make_world(folder: Path, seed: int, **more: str) -> World:
    """A world whose cashier has not begun; ``more`` are settings."""
    chains = {name: FakeChain(name, KINDS[name]) for name in CHAINS}
    assert all(chain.tip.ref.time == START_S for chain in chains.values())
    return World(folder, seed, day_settings(folder, **more), chains, random.Random(f"world {seed}"))
