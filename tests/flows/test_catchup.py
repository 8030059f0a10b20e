"""A cashier that was down for hundreds of blocks, and its chain read again beside the books."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys

import pytest

from tests.demo.stage import ROOT, Stage
from tests.flows.conftest import MakeStage, OpenShop

pytestmark = [pytest.mark.node, pytest.mark.timeout(180)]
BLOCKS, EVERY = 300, 20


def run(stage: Stage, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One command of the command line, whatever it ends with."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "run.py"), *arguments, "--config", str(stage.config)],
        env=stage.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done


async def test_d26_three_hundred_blocks_missed_are_walked_and_a_rescan_finds_the_same(
    make_stage: MakeStage, open_shop: OpenShop
) -> None:
    stage = make_stage("BTC")
    shop = await open_shop(stage)
    addresses = [await shop.address(f"c{number}") for number in range(BLOCKS // EVERY)]
    begin = shop.node.height
    refused = await asyncio.to_thread(run, stage, "rescan", "--currency", "BTC", "--from-height", "0")
    assert (refused.returncode, refused.stderr) == (3, "the server is running: stop it, then rescan\n")
    stage.kill()
    for number, address in enumerate(addresses):
        await asyncio.to_thread(shop.pay, address, f"0.{number + 1:04d}0000")
        await asyncio.to_thread(shop.node.mine, EVERY)
    stage.spawn()
    await stage.until_ready()
    await shop.until_tip()
    assert (await stage.gauges("BTC"))["cashier_node_lag_blocks"] == 0
    for number in range(len(addresses)):
        assert (await shop.balance(f"c{number}"))["available"] == f"0.{number + 1:04d}0000"
    shop.check_books()
    assert shop.node.height == begin + BLOCKS
    # One more that is spent again, so that inputs are compared too.
    order = await shop.withdraw("c9", "0.00050000", await shop.chain.foreign_address())
    await shop.until_withdrawal(order["id"], "final", mine=True)
    # Beside the running server: the books once more from the journal, and the chain once more from the node.
    live = await asyncio.to_thread(run, stage, "verify", "--chain", "--json")
    assert live.returncode == 0, live.stdout + live.stderr
    told = json.loads(live.stdout)
    assert (told["is_well"], told["chains"]["BTC"]["to_height"]) == (True, shop.node.height)
    assert told["chains"]["BTC"]["movements"] > len(addresses)
    stage.kill()

    same = await asyncio.to_thread(run, stage, "rescan", "--currency", "BTC", "--from-height", "0", "--json")
    assert same.returncode == 0, same.stdout + same.stderr
    found = json.loads(same.stdout)
    assert found["differences"] == []
    assert found["movements"] >= len(addresses)
    assert found["to_height"] >= begin + BLOCKS

    # A receipt that the books do not have is named, and one that the chain does not have.
    db = sqlite3.connect(stage.folder / "data" / "cashier.sqlite")
    before = db.execute("SELECT count(*) FROM posting").fetchone()
    db.execute("UPDATE chain_movement SET txid = replace(txid, substr(txid, 1, 2), 'zz') WHERE id = 1")
    db.commit()
    wrong = await asyncio.to_thread(run, stage, "rescan", "--currency", "BTC", "--from-height", "0")
    assert wrong.returncode == 1
    assert "missing at height" in wrong.stdout
    assert "extra at height" in wrong.stdout
    assert "2 differences" in wrong.stdout
    assert db.execute("SELECT count(*) FROM posting").fetchone() == before
    db.close()

    await asyncio.to_thread(shop.node.stop)
    gone = await asyncio.to_thread(run, stage, "rescan", "--currency", "BTC", "--from-height", "0")
    assert gone.returncode == 3
    assert "no connection to the node" in gone.stderr


async def test_a_rescan_of_an_account_chain(make_stage: MakeStage, open_shop: OpenShop) -> None:
    stage = make_stage("ETH")
    shop = await open_shop(stage)
    await shop.fund("alice", "2", blocks=6)
    stage.kill()
    done = await asyncio.to_thread(run, stage, "rescan", "--currency", "ETH", "--from-height", "0", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["movements"] >= 1
