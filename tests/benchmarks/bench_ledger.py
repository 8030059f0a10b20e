"""Transfers through the ledger actor, beside the same SQL by hand and beside one transaction for each.

All three work on books of their own with 10,000 clients, with the connection settings of the product
(WAL, synchronous FULL). The hand-written batch function is given exactly as many transfers at once as
there are askers; aiosqlite commits each transfer by itself, as one would write it without a ledger. Each
database is checkpointed beside its writer twice a second.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiosqlite

from actors.clock import SystemClock
from actors.directory import Directory
from actors.ledger import LedgerActor
from config.schema import LedgerSettings
from ledger.commands import Idempotency, PostTransfer, SpentNonce
from ledger.connection import connect
from ledger.store import SqliteStore
from monitoring.metrics import Metrics
from tests.benchmarks.books import client_name, fill
from tests.benchmarks.statements import OneEach, apply_batch
from tests.benchmarks.table import Row, row
from tests.ledger.books import NOW, make_books

CLIENTS = 10_000
ROUNDS = 7
CHECKPOINT_S = 0.5
MESSAGES = 4_096
MESSAGES_ONE_EACH = 512
RAW_BAR, ONE_EACH_BAR = 0.7, 8.0


def transfers(run: str, number: int, clients: int, nonce: SpentNonce | None = None) -> PostTransfer:
    """A transfer between two clients of filled books; ``run`` and ``number`` make its ids."""
    payer = random.Random(number).randrange(clients)
    return PostTransfer(
        id=f"tr_{run}_{number}",
        website="shop",
        source=client_name(payer),
        target=client_name((payer + 1) % clients),
        currency="BTC",
        amount=1 + number % 100,
        external_id=f"{run}-{number}",
        reason="bet",
        by="key:shop",
        idempotency=Idempotency("website:shop", f"{run}-{number}", "00" * 32),
        nonce=nonce,
    )


def make_filled(folder: Path, clients: int) -> Path:
    """Books with that many clients; the path of the database."""
    store = make_books(folder)
    store.close()
    fill(store.path, "BTC", NOW, clients=clients, postings=2 * clients)
    return store.path


@asynccontextmanager
async def running_ledger(path: Path, directory: Directory) -> AsyncIterator[None]:
    """The ledger actor on a database, reachable as ``ledger``."""

    def open_store() -> SqliteStore:
        store = SqliteStore(path, now_s=NOW)
        store.open()
        return store

    ref = LedgerActor.start(open_store, directory, SystemClock(), LedgerSettings(path=path), Metrics())
    directory.up("ledger", ref)
    try:
        yield
    finally:
        await ref.stop(block=False)


async def rate_through_actor(directory: Directory, commands: list[PostTransfer], askers: int) -> float:
    """Transfers per second; each asker sends one after the other."""

    async def asker(mine: list[PostTransfer]) -> None:
        for command in mine:
            await directory.ask("ledger", command, timeout_s=60.0)

    began = time.perf_counter()
    await asyncio.gather(*(asker(commands[number::askers]) for number in range(askers)))
    return len(commands) / (time.perf_counter() - began)


def rate_of_batches(
    apply: Callable[[list[PostTransfer]], object], commands: list[PostTransfer], k: int
) -> float:
    """Transfers per second of a batch function given ``k`` at a time."""
    began = time.perf_counter()
    for start in range(0, len(commands), k):
        apply(commands[start : start + k])
    return len(commands) / (time.perf_counter() - began)


async def rate_one_each(one_each: OneEach, commands: list[PostTransfer], askers: int) -> float:
    """Transfers per second, one SQL transaction each."""

    async def asker(mine: list[PostTransfer]) -> None:
        for command in mine:
            await one_each.post(command, int(time.time()))

    began = time.perf_counter()
    await asyncio.gather(*(asker(commands[number::askers]) for number in range(askers)))
    return len(commands) / (time.perf_counter() - began)


@contextmanager
def checkpoints(path: Path) -> Iterator[None]:
    """Checkpoints beside whoever writes, from a thread and connection of their own, as in the product."""
    is_over = threading.Event()
    db = connect(path)

    def run() -> None:
        while not is_over.wait(CHECKPOINT_S):
            db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        db.close()


async def _measure(folder: Path, askers: int) -> tuple[float, float, float, float, float]:
    """Medians: ours, raw, one each, ours / raw, ours / one each."""
    paths = [folder / name / "books.sqlite" for name in ("ours", "raw", "one_each")]
    directory = Directory()
    raw = connect(paths[1])
    # As the product has it for such batches: the pages of savepoints stay in memory.
    raw.execute("PRAGMA temp_store = MEMORY").fetchall()
    one_each_db = await aiosqlite.Connection(lambda: connect(paths[2]), iter_chunk_size=64)
    one_each = OneEach(one_each_db)

    def raw_rate(commands: list[PostTransfer]) -> float:
        now_s = int(time.time())
        with checkpoints(paths[1]):
            return rate_of_batches(lambda some: apply_batch(raw, some, now_s), commands, askers)

    found = []
    try:
        async with running_ledger(paths[0], directory):
            for number in range(ROUNDS + 1):
                run = f"{askers}-{number}"
                commands = [transfers(run, n, CLIENTS) for n in range(MESSAGES)]
                ours = await rate_through_actor(directory, commands, askers)
                by_hand = await asyncio.to_thread(raw_rate, commands)
                with checkpoints(paths[2]):
                    single = await rate_one_each(one_each, commands[:MESSAGES_ONE_EACH], askers)
                if number:  # the first round warms up
                    found.append((ours, by_hand, single, ours / by_hand, ours / single))
    finally:
        raw.close()
        await one_each_db.close()
    medians = [statistics.median(column) for column in zip(*found, strict=True)]
    return medians[0], medians[1], medians[2], medians[3], medians[4]


def rows() -> list[Row]:
    """The table's rows."""
    table: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="cashier-bench-") as folder:
        first = Path(folder) / "ours"
        first.mkdir()
        make_filled(first, CLIENTS)
        for name in ("raw", "one_each"):
            shutil.copytree(first, Path(folder) / name)
        for askers in (64, 256):
            ours, raw, single, to_raw, to_single = asyncio.run(_measure(Path(folder), askers))
            what = f"transfers through the ledger actor, {askers} askers, FULL"
            shown = f"{ours:,.0f}/s"
            table.append(
                row(what, shown, f"the same SQL as one batch function in sqlite3: {raw:,.0f}/s", to_raw,
                    at_least=RAW_BAR)
            )  # fmt: skip
            table.append(
                row(what, shown, f"one transaction each through aiosqlite: {single:,.0f}/s", to_single,
                    at_least=ONE_EACH_BAR)
            )  # fmt: skip
    return table


if __name__ == "__main__":
    for each in rows():
        print(each)
