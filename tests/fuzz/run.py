"""One run: a stage of its own, the seed's actions in order, then the judge."""

from __future__ import annotations

import asyncio
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.demo.stage import Stage
from tests.fuzz.account import AccountWorld
from tests.fuzz.actions import draw_actions
from tests.fuzz.judge import Judge
from tests.fuzz.utxo import UtxoWorld
from tests.fuzz.world import World
from tests.nodes.regtest import AnvilNode, BitcoinNode

CURRENCY = {"bitcoin": "BTC", "litecoin": "LTC", "evm": "ETH"}
SMALL = {"FEE_RATE_MAX_SAT_VB": "10", "COUNT": "5", "INTERVAL_S": "1"}
"""When small outputs are brought together: whenever there is a handful, at any price of a regtest node."""


@dataclass(slots=True)
class Result:
    """What came of a run; ``wrong`` is empty when all was well, ``where`` names the step it broke at."""

    replay: str
    wrong: list[str] = field(default_factory=list)
    where: str = "at the end"
    fired: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)


async def play(folder: Path, family: str, seed: int, steps: int) -> Result:
    """Play one seed in ``folder``, which is made; nodes and cashier are ended in any case."""
    replay = f"python -m tests.fuzz --family {family} --seed {seed} --steps {steps}"
    result = Result(replay)
    stage = set_stage(folder, family)
    world: World | None = None
    try:
        await asyncio.to_thread(stage.start_chains)
        await asyncio.to_thread(stage.configure)
        stage.spawn()
        await stage.until_ready()
        world = AccountWorld(stage) if family == "evm" else UtxoWorld(stage)
        result.fired = world.records.fired
        result.where = "at the beginning"
        await world.begin()
        for number, action in enumerate(draw_actions(family, seed, steps)):
            result.where = f"at step {number} ({action.kind})"
            await world.act(action)
        result.where = "at the end"
        judge = Judge(world)
        result.met = judge.met
        result.wrong = await judge.verdict()
    except Exception as error:  # noqa: BLE001 - a run that breaks is a finding, told with its seed
        result.wrong = [f"{type(error).__name__}: {error}", traceback.format_exc(limit=-6)]
    finally:
        if world is not None:
            await world.shop.close()
        await asyncio.to_thread(stage.stop)
    return result


def set_stage(folder: Path, family: str) -> Stage:
    """The nodes as the run needs them: anvil keeps its chain over a kill, litecoind takes replacements.

    Litecoin's own default takes none; a payer who wants one goes to a miner, which regtest cannot do once
    the extension blocks are active.
    """
    currency = CURRENCY[family]
    prefix = f"CASHIER__COINS__{currency}__CONSOLIDATE_"
    extra = {} if family == "evm" else {f"{prefix}{name}": text for name, text in SMALL.items()}
    stage = Stage(folder, only=(currency,), extra=extra)
    if family == "evm":
        stage.chains[0].node = AnvilNode(folder / "anvil", keep_state=True)
    elif family == "litecoin":
        option = "-mempoolreplacement=1"
        stage.chains[0].node = BitcoinNode("litecoind", folder / "litecoind", extra=[option])
    return stage
