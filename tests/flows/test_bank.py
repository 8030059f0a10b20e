"""The bank: clients pay each other at random, and no read ever finds a unit more or less."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ledger.connection import connect
from ledger.verify import verify_file
from tests.demo.stage import ROOT, Stage
from tests.fakes.oracle import check_books
from tests.flows.conftest import MakeStage, OpenShop
from tests.flows.shop import Shop
from tests.flows.test_catchup import run

pytestmark = [pytest.mark.node, pytest.mark.timeout(900)]
CLIENTS = [f"l01-{number}" for number in range(20)]
EACH, TOTAL = 10_000_000, 200_000_000


def database(stage: Stage) -> Path:
    return stage.folder / "data" / "cashier.sqlite"


def whole(path: Path) -> list[int]:
    """What each client's accounts hold, all at one moment."""
    with closing(connect(path, read_only=True)) as db:
        rows = db.execute("SELECT balance FROM account WHERE client_id IS NOT NULL").fetchall()
    return [int(balance) for (balance,) in rows]


def transfers(path: Path) -> set[str]:
    """Ids of all transfers."""
    with closing(connect(path, read_only=True)) as db:
        return {row[0] for row in db.execute("SELECT id FROM transfer")}


async def open_bank(shop: Shop) -> None:
    """Each client has the same."""
    await shop.fund("bank", "2.00000000")
    for client in CLIENTS:
        body = {"from": "bank", "to": client, "currency": "BTC", "amount": "0.10000000", "reason": "bonus"}
        await shop.website.post("/v1/transfers", body | {"external_id": f"open-{client}"})


async def tell(shop: Shop, seed: int, orders: int) -> list[tuple[str, str, int, str]]:
    """Run one of the processes; what came of each order."""
    key = shop.stage.key
    task: dict[str, Any] = {
        "base_url": shop.stage.base_url,
        "key": key["key"],
        "signing_secret": key["signing_secret"],
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.flows.teller", cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    task |= {"currency": "BTC", "clients": CLIENTS, "seed": seed, "orders": orders}
    out, _ = await process.communicate(json.dumps(task).encode())
    assert process.returncode == 0
    return [(payer, payee, amount, came) for payer, payee, amount, came in json.loads(out)]


class Watch:
    """Reads without an end, over HTTP and whole, until told to stop; keeps what no read may find."""

    def __init__(self, shop: Shop) -> None:
        self.reads = 0
        self.wrong: list[object] = []
        self._shop = shop
        self._is_over = False
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while not self._is_over:
            for client in CLIENTS:
                balance = await self._shop.balance(client)
                held = await asyncio.to_thread(whole, database(self._shop.stage))
                self.reads += 1
                if any(balance[part].startswith("-") for part in ("available", "reserved", "pending")):
                    self.wrong.append(balance)
                if sum(held) != TOTAL or min(held) < 0:
                    self.wrong.append(held)

    async def stop(self) -> None:
        """Let the round end."""
        self._is_over = True
        await self._task


async def until_more(shop: Shop, count: int) -> None:
    """Wait until so many transfers are in the books."""

    async def counted() -> int:
        return len(await asyncio.to_thread(transfers, database(shop.stage)))

    is_reached: Callable[[int], bool] = lambda found: found >= count  # noqa: E731
    await shop.until(counted, is_reached)


@pytest.mark.parametrize(
    ("tellers", "orders", "kills"), [(3, 120, 2), pytest.param(8, 4_000, 60, marks=pytest.mark.long)]
)
async def test_l01_whatever_is_killed_every_read_sums_to_the_same_and_none_is_negative(
    make_stage: MakeStage, open_shop: OpenShop, tellers: int, orders: int, kills: int
) -> None:
    stage = make_stage("BTC")
    shop = await open_shop(stage)
    await open_bank(shop)
    watch = Watch(shop)
    telling = [asyncio.create_task(tell(shop, seed, orders)) for seed in range(tellers)]
    for number in range(kills):
        # More than half are refused at worst for want of money, so this is reached.
        await until_more(shop, len(CLIENTS) + tellers * orders * (number + 1) // (3 * kills))
        stage.kill()
        stage.spawn()
        await stage.until_ready()
    told = [each for done in await asyncio.gather(*telling) for each in done]
    await watch.stop()
    assert watch.wrong == []
    assert watch.reads >= len(CLIENTS)

    assert len(told) == tellers * orders
    taken = [each for each in told if each[3].startswith("tr_")]
    assert {each[3] for each in told if each not in taken} == {"insufficient_funds"}
    ids = [each[3] for each in taken]
    assert len(set(ids)) == len(ids)
    assert len(transfers(database(stage))) == len(ids) + len(CLIENTS)
    held = Counter(dict.fromkeys(CLIENTS, EACH))
    for payer, payee, amount, _ in taken:
        held[payer] -= amount
        held[payee] += amount
    for client in CLIENTS:
        assert (await shop.balance(client))["available"] == f"{held[client] / 10**8:.8f}"
    assert check_books(database(stage), {"transfer": ids}) == []
    assert verify_file(database(stage)) == []


async def test_l20_a_backup_under_load_is_restored_elsewhere_and_goes_on(
    make_stage: MakeStage, open_shop: OpenShop, tmp_path: Path, record_property: Callable[[str, Any], None]
) -> None:
    stage = make_stage("BTC")
    shop = await open_shop(stage)
    await open_bank(shop)
    telling = asyncio.create_task(tell(shop, 1, 200))
    await until_more(shop, len(CLIENTS) + 20)
    before = transfers(database(stage))
    copy = tmp_path / "copy.sqlite"
    made = await asyncio.to_thread(run, stage, "backup", str(copy), "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["is_well"]
    await telling
    assert before <= transfers(copy) <= transfers(database(stage))
    await shop.mine()  # a block that the copy does not know
    stage.kill()

    elsewhere = Stage(tmp_path / "restored", only=("BTC",))
    elsewhere.chains, elsewhere.key = stage.chains, stage.key
    began = time.monotonic()
    elsewhere.configure()
    elsewhere.key = stage.key
    for name in ("passphrase", "data/seed.age", "data/seed.age.signed", "data/gateway.secret"):
        shutil.copy(stage.folder / name, elsewhere.folder / name)
    for left in database(elsewhere).parent.glob("cashier.sqlite*"):
        left.unlink()
    shutil.copy(copy, database(elsewhere))
    try:
        again = await open_shop(elsewhere)
        await again.until_tip()
        record_property("restore_s", round(time.monotonic() - began, 1))
        held = whole(database(elsewhere))
        assert (sum(held), min(held)) == (TOTAL, 0)
        assert transfers(database(elsewhere)) == transfers(copy)
        await again.fund("newcomer", "0.01000000")
        assert verify_file(database(elsewhere)) == []
        again.check_books()
        await again.agree()
    finally:
        elsewhere.stop()
