"""A simulated day from its first block to its judgement."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from ledger.operator_access import CreateOperator
from tests.actors.desk import START_S
from tests.fakes.coin import foreign
from tests.ledger.books import rows
from tests.simulation.cashier import CHAINS
from tests.simulation.day import Happening, draw_day
from tests.simulation.people import COIN, FLOAT, People
from tests.simulation.troubles import Troubles
from tests.simulation.world import CURRENCIES, OPERATORS, make_world

SCRAPE_S = 60.0
PARTS = 20
"""The house brings its money in so many outputs: change that is not mined yet keeps no payout waiting."""
QUIET_ROUNDS = 120
QUIET_S = 90.0
OPEN_WITHDRAWALS = (
    "SELECT id, status, waiting_for FROM withdrawal"
    " WHERE status NOT IN ('final', 'rejected', 'cancelled', 'failed')"
)
OPEN_DEPOSITS = "SELECT id, status FROM deposit WHERE status IN ('seen', 'confirming', 'credited')"
OPEN_ATTEMPTS = "SELECT id, state FROM attempt WHERE state IN ('prepared', 'signed', 'broadcast', 'unknown')"

Hand = Callable[[str, random.Random], Coroutine[Any, Any, None]]


def house_settings() -> dict[str, str]:
    """Cold addresses, a ceiling not far above what the house begins with, and what else it has chosen."""
    found = {
        "COINS__BTC__CONSOLIDATE_FEE_RATE_MAX_SAT_VB": "5",
        "COINS__BTC__SECOND_APPROVAL_ABOVE": "0.2",
        "COINS__LTC__BATCH_INTERVAL_S": "600",
    }
    for chain in CHAINS:
        ceiling = FLOAT[chain] + FLOAT[chain] // 4
        found[f"COINS__{chain}__COLD_ADDRESS"] = foreign("cold", chain).address
        found[f"COINS__{chain}__HOT_CEILING"] = _text(ceiling, COIN[chain])
        found[f"COINS__{chain}__HOT_TARGET"] = _text(FLOAT[chain], COIN[chain])
    return found


def _text(amount: int, unit: int) -> str:
    """Whole coins with three decimals."""
    return f"{amount // unit}.{amount % unit * 1000 // unit:03}"


class Simulation:
    """One run. ``world`` is looked at from outside when it is over."""

    def __init__(self, folder: Path, seed: int, *, is_dense: bool = False) -> None:
        """With ``is_dense`` every block is compared."""
        more = {"ACTORS__RECONCILE_INTERVAL_S": "0"} if is_dense else {}
        self.world = make_world(folder, seed, **house_settings(), **more)
        self.people = People(self.world)
        self.hands: dict[str, Hand] = {}
        for who in (self.people, Troubles(self.world)):
            for name in dir(who):
                if not name.startswith("_"):
                    self.hands[name.rstrip("_")] = getattr(who, name)
        self._at_work: set[asyncio.Task[None]] = set()

    async def begin(self) -> None:
        """The cashier starts, and the house brings its first money."""
        world = self.world
        await world.start()
        for chain in CHAINS:
            # What goes to the cold address waits for an operator, and then for a block.
            world.excuse("CashierHotAboveCeiling", chain, 365 * 86_400)
        for name in OPERATORS:
            await world.ask(
                "ledger", CreateOperator(f"op_{name}", name, "hash", "salt", ("payments",), "test")
            )
        for currency in CURRENCIES:
            for _ in range(PARTS):
                await self.people.fund_with(currency, FLOAT[currency] // PARTS)
        for _ in range(7):
            await self._mine_all()

    async def play(self, happenings: Sequence[Happening]) -> None:
        """Everything in its time; what people do goes on beside what comes next."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        watching = asyncio.ensure_future(self._watch())
        try:
            for each in happenings:
                await asyncio.sleep(began + each.at_s - loop.time())
                self._raise_failures()
                self.world.done[each.kind] += 1
                if each.kind == "block":
                    self.world.mine(each.chain)
                    self.world.done[f"blocks {each.chain}"] += 1
                    continue
                task: asyncio.Task[None] = loop.create_task(
                    self.hands[each.kind](each.chain, random.Random(each.draw))
                )
                self._at_work.add(task)
            if self._at_work:
                await asyncio.wait(self._at_work, timeout=3600)
                self._raise_failures()
            assert not self._at_work, f"still at work: {self._at_work}"
        finally:
            watching.cancel()

    def _raise_failures(self) -> None:
        for task in [task for task in self._at_work if task.done()]:
            self._at_work.discard(task)
            task.result()

    async def _watch(self) -> None:
        """A Prometheus beside it: its own clock, and nothing seen while the process is away."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SCRAPE_S)
            if self.world.is_up:
                self.world.alarms.look(START_S + int(loop.time()), self.world.cashier.metrics.registry)

    async def quiet(self) -> None:
        """Nothing more comes: mine until nothing is open. Raises AssertionError with what stays open."""
        self.world.unmined_until.clear()
        watching = asyncio.ensure_future(self._watch())
        try:
            for number in range(QUIET_ROUNDS):
                await self._mine_all()
                if number % 8 == 0:
                    await self.people.look_at_held("", random.Random(number))
                if number > 8 and not self.open():
                    return
        finally:
            watching.cancel()
        raise AssertionError(f"not at an end: {self.open()[:5]}")

    def open(self) -> list[tuple[object, ...]]:
        """What is still on its way."""
        path = self.world.cashier.path
        return [row for sql in (OPEN_WITHDRAWALS, OPEN_DEPOSITS, OPEN_ATTEMPTS) for row in rows(path, sql)]

    async def _mine_all(self) -> None:
        for chain in CHAINS:
            self.world.mine(chain)
        await asyncio.sleep(QUIET_S)

    async def end(self) -> None:
        """The cashier stops."""
        await self.world.end(is_polite=True)


async def simulate(folder: Path, seed: int, hours: float, *, is_dense: bool = False) -> Simulation:
    """A whole run with these hours between its beginning and its quiet end; the cashier has stopped."""
    simulation = Simulation(folder, seed, is_dense=is_dense)
    try:
        await simulation.begin()
        await simulation.play(draw_day(seed, hours, is_dense=is_dense))
        await simulation.quiet()
    finally:
        await simulation.end()
    return simulation
