"""One base unit that is missing: planted at a random block of a simulated day, in one of three ways."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from actors.messages import RequestWithdrawal
from coins.types import Block
from ledger.journal import Posting
from tests.actors.desk import TOKEN, chain_of
from tests.actors.planting import available, onchain, plant
from tests.fakes.chain import FakeBlock, State
from tests.fakes.coin import foreign
from tests.ledger.books import rows
from tests.simulation.day import HOUR_S, Happening, draw_day
from tests.simulation.people import TYPICAL
from tests.simulation.simulation import QUIET_S, Simulation

CAROL = "carol"
BRANCHES = ("reorg", "double_payment")
"""What would take the planted block out of the chain, and the fault with it."""


@dataclass(frozen=True, slots=True)
class Planted:
    """What was planted: how, where, when (unix seconds), and the withdrawal asked for after it was found."""

    how: str
    currency: str
    height: int
    at_s: int
    withdrawal_id: str = ""


async def book_one_more(simulation: Simulation, currency: str) -> int:
    """Somebody writes a credit into the books that no payment is behind."""
    cashier, chain = simulation.world.cashier, chain_of(currency)
    height = cashier.height(chain)
    posting = Posting(onchain(currency), available(CAROL, currency), 1)
    plant(cashier, chain, height, "deposit", "00" * 32, posting)
    return height


async def read_one_more(simulation: Simulation, currency: str) -> int:
    """The watcher reads one unit more than a payment has."""
    world, chain = simulation.world, chain_of(currency)
    reader = world.cashier.node(chain)
    honest, watched = reader.read_block, world.cashier.coins[chain].index
    hers = await world.script_of(CAROL, currency)
    heights: list[int] = []

    async def read(height: int, block_hash: str, index: Any) -> Block:
        block = await honest(height, block_hash, index)
        places = [
            n for n, each in enumerate(block.receipts) if (each.currency, each.script) == (currency, hers)
        ]
        if index is not watched or not places or heights:
            return block
        heights.append(height)
        receipts = list(block.receipts)
        receipts[places[0]] = replace(receipts[places[0]], amount=receipts[places[0]].amount + 1)
        return replace(block, receipts=tuple(receipts))

    reader.read_block = read  # type: ignore[method-assign]
    world.pay(currency, (hers, TYPICAL[currency]))
    world.mine(chain)
    await world.cashier.rest(lambda: heights, rounds=5000)
    await world.cashier.rest()
    return heights[0]


async def take_one(simulation: Simulation, currency: str) -> int:
    """The chain's own state has one unit less, and no chain tx tells why."""
    world, chain = simulation.world, chain_of(currency)
    script = await world.script_of(CAROL, currency)
    world.pay(currency, (script, TYPICAL[currency]))  # what she had may be spent by now
    world.mine(chain)
    node = world.chains[chain]
    block = node.tip
    short = replace(block, state=less(block, script, currency))
    node.tip = node.blocks[block.ref.block_hash] = short
    return block.ref.height


def less(block: FakeBlock, script: bytes, currency: str) -> State:
    """The state with one unit less on a script."""
    state = block.state
    if currency == TOKEN:
        return replace(state, tokens=state.tokens | {(TOKEN, script): state.tokens[TOKEN, script] - 1})
    if script in state.balances:
        return replace(state, balances=state.balances | {script: state.balances[script] - 1})
    outpoint, (_, amount) = next(item for item in state.outputs.items() if item[1][0] == script)
    return replace(state, outputs=state.outputs | {outpoint: (script, amount - 1)})


Way = tuple[Callable[[Simulation, str], Any], str]
PLANTS: dict[str, Way] = {
    "booked": (book_one_more, "extra_credit"),
    "read": (read_one_more, "wrong_amount"),
    "taken": (take_one, "unknown_outgoing"),
}
"""Each way, and the kind it must be found as."""


async def simulate_planted(folder: Path, seed: int, how: str, currency: str) -> tuple[Simulation, Planted]:
    """Some hours of a day; then the unit is planted, and two more hours go by."""
    rng = random.Random(f"planted {seed} {how} {currency}")
    planted_s = rng.uniform(0.5, 1.5) * HOUR_S
    day = draw_day(seed, planted_s / HOUR_S + 2)
    before = [each for each in day if each.at_s < planted_s]
    after = [replace(each, at_s=each.at_s - planted_s) for each in day if each.at_s >= planted_s]
    simulation = Simulation(folder, seed)
    try:
        await simulation.begin()
        await _deposit(simulation, currency)
        await simulation.play(before)
        at_s = simulation.world.now_s
        height = await PLANTS[how][0](simulation, currency)
        await simulation.play([each for each in after if not _ends_it(each, currency)])
        planted = Planted(how, currency, height, at_s, await _ask_for_payout(simulation, currency))
    finally:
        await simulation.end()
    return simulation, planted


def _ends_it(each: Happening, currency: str) -> bool:
    return each.kind in BRANCHES and each.chain == chain_of(currency)


async def _deposit(simulation: Simulation, currency: str) -> None:
    """Carol has something, of which a part cannot be swept yet."""
    world = simulation.world
    script = await world.script_of(CAROL, currency)
    world.pay(currency, (script, 3 * TYPICAL[currency]))
    for _ in range(7):
        world.mine(chain_of(currency))
        await asyncio.sleep(QUIET_S)
    assert rows(world.cashier.path, "SELECT 1 FROM deposit WHERE client_id = ? AND status = 'final'", CAROL)


async def _ask_for_payout(simulation: Simulation, currency: str) -> str:
    """Carol wants a part of it, and blocks go by."""
    world, chain = simulation.world, chain_of(currency)
    settings = world.settings.currencies[currency]
    request = RequestWithdrawal(
        id=world.fresh("wd"),
        website="shop",
        client_id=CAROL,
        currency=currency,
        amount=settings.minimum_withdrawal,
        is_fee_included=False,
        address=foreign("carols", chain).address,
        external_id=world.fresh("order"),
        by="key:shop",
        idempotency=world.key(),
    )
    await world.ask(f"withdrawal:{chain}", request)
    for _ in range(5):
        await asyncio.sleep(QUIET_S)
        world.mine(chain)
    return request.id
