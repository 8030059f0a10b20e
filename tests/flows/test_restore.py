"""A cashier with many addresses whose database is lost while its seed is kept."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.demo.stage import Stage
from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.shop import Shop
from tests.flows.test_catchup import run

pytestmark = [pytest.mark.node, pytest.mark.timeout(240)]
ADDRESSES, SIDE_BY_SIDE = 1_500, 25
EARLY, LATE = 3, 1_499


async def issue_all(shop: Shop) -> list[str]:
    """Addresses of as many clients; the index of each is its place, since nobody else asks."""
    found: dict[str, str] = {}

    async def issue(first: int) -> None:
        for number in range(first, ADDRESSES, SIDE_BY_SIDE):
            found[f"c{number}"] = await shop.address(f"c{number}")

    await asyncio.gather(*(issue(first) for first in range(SIDE_BY_SIDE)))
    return sorted(found.values())


def by_index(stage: Stage) -> dict[int, tuple[str, str]]:
    """Client and address by index, from the books."""
    with sqlite3.connect(stage.folder / "data" / "cashier.sqlite") as db:
        rows = db.execute(
            "SELECT script_index, client_id, address FROM own_script WHERE branch = 'deposit'"
        ).fetchall()
    db.close()
    return {index: (client, address) for index, client, address in rows}


def entries(stage: Stage) -> int:
    """Journal entries in the books."""
    with sqlite3.connect(stage.folder / "data" / "cashier.sqlite") as db:
        (count,) = db.execute("SELECT count(*) FROM journal").fetchone()
    db.close()
    return int(count)


async def test_d42_1500_addresses_outlive_their_database(
    make_stage: MakeStage, open_shop: OpenShop, tmp_path: Path
) -> None:
    stage = make_stage("BTC")
    shop = await open_shop(stage)
    issued = await issue_all(shop)
    owners = by_index(stage)
    assert sorted(address for _, address in owners.values()) == issued
    begin = shop.node.height
    for index, amount in ((EARLY, "0.30000000"), (LATE, "0.70000000")):
        await asyncio.to_thread(shop.pay, owners[index][1], amount)
    await shop.mine(3)
    # The books themselves know no gap: whoever was given an address is credited.
    for index, amount in ((EARLY, "0.30000000"), (LATE, "0.70000000")):
        await shop.until_deposit(owners[index][0], "credited")
        assert (await shop.balance(owners[index][0]))["available"] == amount
    stage.kill()

    empty = Stage(tmp_path / "restored", only=("BTC",))
    empty.chains = stage.chains
    empty.configure()
    for name in ("passphrase", "data/seed.age"):
        shutil.copy(stage.folder / name, empty.folder / name)
    # The record of what was signed is lost too: a new one is begun on purpose.
    (empty.folder / "data" / "seed.age.signed").unlink()
    assert (await asyncio.to_thread(run, empty, "keys", "new-record")).returncode == 0
    try:
        again = await open_shop(empty)
        await again.until_tip()
        empty.kill()
        before = entries(empty)
        where = ("rescan", "--currency", "BTC", "--from-height", str(begin))
        plain = await asyncio.to_thread(run, empty, *where, "--json")
        assert (plain.returncode, json.loads(plain.stdout)["unissued"]) == (0, [])
        # Too small a gap finds the first and says nothing of the other: that is what a gap is.
        told = await asyncio.to_thread(run, empty, *where, "--gap", "20", "--json")
        assert [row["index"] for row in json.loads(told.stdout)["unissued"]] == [EARLY]
        assert told.returncode == 1
        told = await asyncio.to_thread(run, empty, *where, "--gap", "1500", "--json")
        (late,) = json.loads(told.stdout)["unissued"]
        assert (late["index"], late["address"], late["amount"]) == (LATE, owners[LATE][1], 70_000_000)
        assert (late["is_spent"], late["height"]) == (False, begin + 1)
        assert entries(empty) == before
        # Nobody is given an address of before; what still comes to one is nobody's credit, but a case.
        again = await open_shop(empty)
        assert await again.address("newcomer") not in issued
        await asyncio.to_thread(again.pay, owners[LATE][1], "0.10000000")
        await again.mine(3)
        with sqlite3.connect(empty.folder / "data" / "cashier.sqlite") as db:
            cases = db.execute("SELECT kind, amount FROM unclaimed_case").fetchall()
        db.close()
        assert cases == [("funding", "10000000")]
        assert (await again.balance("newcomer"))["available"] == "0.00000000"
        again.check_books()
    finally:
        empty.stop()
