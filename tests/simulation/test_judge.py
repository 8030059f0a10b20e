"""The judge of a simulated day sees what it is there for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.actors.desk import START_S
from tests.ledger.books import rows
from tests.simulation.alarms import Alarm
from tests.simulation.judge import judge
from tests.simulation.loop import run_virtually
from tests.simulation.planted import less
from tests.simulation.simulation import simulate


@pytest.mark.timeout(300)
def test_each_wrong_thing_is_seen(tmp_path: Path) -> None:
    world = run_virtually(lambda: simulate(tmp_path, 3, 0.5)).world
    assert judge(world) == []
    world.alarms.fired.append(Alarm("CashierUnexplainedDifference", (("currency", "BTC"),), START_S))
    (wrong,) = judge(world)
    assert wrong.startswith("false alarm")
    world.alarms.fired.pop()

    node = world.chains["LTC"]
    (script,) = rows(
        world.cashier.path, "SELECT script FROM own_script WHERE chain = 'LTC' AND purpose = 'hot'"
    )[0]
    tip = node.tip
    node.tip = node.blocks[tip.ref.block_hash] = replace(tip, state=less(tip, bytes(script), "LTC"))
    place, total = judge(world)
    assert place.startswith(f"LTC at {tip.ref.height}: the chain moved")
    assert total.startswith("LTC hot: ")
    node.tip = node.blocks[tip.ref.block_hash] = tip

    client, currency = next(iter(world.scripts))
    world.pay(currency, (world.scripts[client, currency], 10**15))
    world.mine(currency.rpartition("-")[2])
    assert any(line.startswith(f"{client}:{currency} has ") for line in judge(world))
