"""Chain and books compared from the command line, on real nodes: now, at past heights, and what differs."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from ledger import accounts
from ledger.connection import connect
from ledger.context import Tx
from ledger.journal import JournalEntry, Posting
from ledger.verify import verify_file
from tests.demo.stage import Stage
from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.test_catchup import run

pytestmark = [pytest.mark.node, pytest.mark.timeout(180)]


def plant(stage: Stage, currency: str, height: int, amount: int) -> None:
    """Somebody writes a credit into the books for which nothing came."""
    db = connect(stage.folder / "data" / "cashier.sqlite")
    db.execute("BEGIN IMMEDIATE")
    (block_hash,) = db.execute(
        "SELECT block_hash FROM block WHERE chain = ? AND height = ?", (currency, height)
    ).fetchone()
    credit = accounts.client("alice", currency, accounts.Part.AVAILABLE)
    posting = Posting(f"onchain:{currency}:deposit", credit, amount)
    entry = JournalEntry("deposit_received", "deposit", "dep_x", (posting,), "somebody", currency, height,
                         block_hash, "ab" * 32)  # fmt: skip
    Tx(db, 1_700_000_000).post(entry)
    db.execute("COMMIT")
    db.close()


async def reconciled(stage: Stage, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit code and the one result of `run.py reconcile … --json`."""
    done = await asyncio.to_thread(run, stage, "reconcile", *arguments, "--json")
    assert done.stdout, done.stderr
    (found,) = json.loads(done.stdout)
    return done.returncode, found


@pytest.mark.parametrize("currency", ["BTC", "ETH"])
async def test_l11_the_command_line_compares_now_and_then_and_names_what_is_wrong(
    make_stage: MakeStage, open_shop: OpenShop, currency: str
) -> None:
    stage = make_stage(currency)
    shop = await open_shop(stage)
    await shop.fund("alice", "2", blocks=6)
    order = await shop.withdraw("alice", "0.5", await shop.chain.foreign_address())
    await shop.until_withdrawal(order["id"], "final", mine=True)
    await shop.until_tip()
    tip = shop.chain.node.height

    code, now = await reconciled(stage, currency)
    assert (code, now["explained"]) == (0, [])
    (view,) = now["comparisons"]
    assert (view["status"], view["cause"], view["height"]) == ("ok", "demand", tip)
    places = [line["location"] for line in view["lines"]]
    assert places == ["deposit", "hot", *(["change"] if currency == "BTC" else []), "cold"]
    if currency == "BTC":  # what came back of the payout's input
        (change,) = [line for line in view["lines"] if line["location"] == "change"]
        assert change["chain"] == change["books"] > "1.49"
    assert view["inputs"]["method"] == {"BTC": "scantxoutset", "ETH": "eth_getBalance"}[currency]
    for height in (tip - 1, tip - 3, tip - 5):
        code, past = await reconciled(stage, currency, "--height", str(height))
        assert (code, past["comparisons"][0]["height"]) == (0, height)
        assert past["comparisons"][0]["cause"] == "height"

    stage.kill()
    code, alone = await reconciled(stage, currency)
    assert code == 0
    assert alone["comparisons"][0]["number"] >= view["number"] + 4
    plant(stage, currency, tip - 2, 1_234)
    code, wrong = await reconciled(stage, currency, "--height", str(tip - 3))
    assert code == 0
    code, wrong = await reconciled(stage, currency)
    assert code == 1
    (explained,) = wrong["explained"]
    (block,) = explained["blocks"]
    assert explained["compared"] < 20
    (found,) = block["found"]
    assert (block["height"], found["kind"], int(found["amount"].replace(".", ""))) == (
        tip - 2, "extra_credit", -1_234,
    )  # fmt: skip
    shown = await asyncio.to_thread(run, stage, "reconcile", currency)
    assert shown.returncode == 1
    assert f"block {tip - 2}: extra_credit" in shown.stdout

    stage.spawn()
    await stage.until_ready()
    code, still = await reconciled(stage, currency)
    assert (code, still["explained"][0]["blocks"]) == (1, wrong["explained"][0]["blocks"])
    db = connect(stage.folder / "data" / "cashier.sqlite", read_only=True)
    cases = db.execute("SELECT kind, amount, block_height, status FROM unclaimed_case").fetchall()
    db.close()
    assert cases == [("short", "1234", tip - 2, "open")]
    kinds = {each.kind for each in verify_file(stage.folder / "data" / "cashier.sqlite")}
    assert "reconciliation_chain" not in kinds
