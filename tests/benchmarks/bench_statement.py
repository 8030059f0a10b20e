"""A client's statement of 100,000 movements over HTTP, through the real gateway, reader and ledger.

    python -m tests.benchmarks.bench_statement

The caller reads and throws away, in the same process. Beside it stands the plain question to the same
database, the rows fetched and nothing made of them. What Python held at most is measured in runs of their
own, for tracing memory takes time: five times as many movements must not take more. Both statements are long,
so that the peak of each is reached over and over; that of a short one depends on when memory is collected.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import ClientSession, ClientTimeout, web

from actors.clock import SystemClock
from actors.directory import Directory
from actors.ledger_reader import LedgerReaderActor
from gateway.app import make_app, make_runner
from gateway.statement_format import FORMATS
from gateway.token import new_key
from ledger.commands import CreateKey
from ledger.connection import connect
from ledger.reader import LedgerReader
from monitoring.metrics import Metrics
from tests.benchmarks.books import client_name, fill
from tests.benchmarks.table import Row, row
from tests.gateway.fake import ALL_SCOPES, SECRET, load_settings
from tests.ledger.books import NOW, do, make_books

MOVEMENTS, MANY = 100_000, 500_000
ROUNDS = 3
SECONDS_BAR = 2.0
MEMORY_BAR = 1.2
CHUNK = 65_536
NAMES = {"application/json": "JSON", "text/csv": "CSV", "text/html": "HTML"}
PLAIN = (
    "SELECT p.id, p.amount, p.debit_balance_after, j.at, j.kind, j.ref_id, j.txid FROM posting p"
    " JOIN journal j ON j.id = p.journal_id WHERE p.debit_id = ? OR p.credit_id = ? ORDER BY p.id"
)


def make_long(folder: Path, movements: int) -> tuple[Path, str]:
    """Books of two clients who send each other money; the path, and a website key's token."""
    folder.mkdir(parents=True)
    store = make_books(folder)
    made = new_key(secrets.token_bytes)
    do(store, CreateKey(made.id, "shop", made.key_hash, ALL_SCOPES, "bench"))
    store.close()
    # Each has a deposit and its credit; every transfer moves both.
    fill(store.path, "BTC", NOW, clients=2, postings=movements - 1 + 4)
    return store.path, made.token


@asynccontextmanager
async def serving(path: Path) -> AsyncIterator[str]:
    """The gateway on these books; its address."""
    directory, clock, settings = Directory(), SystemClock(), load_settings()
    reader = LedgerReaderActor.start(lambda: LedgerReader(path, now_s=clock.now_s).open())
    directory.up("ledger_reader", reader)
    app = make_app(settings, directory, Metrics(), clock, secrets.token_bytes, SECRET)
    runner = make_runner(app, settings.gateway)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
        await reader.stop(block=False)


async def read(url: str, token: str, media_type: str) -> tuple[float, int]:
    """Seconds until the last byte, and how many bytes came."""
    headers = {"Authorization": f"Bearer {token}", "Accept": media_type}
    target = f"{url}/v1/clients/{client_name(0)}/statement?currency=BTC"
    size, began = 0, time.perf_counter()
    async with (
        ClientSession(timeout=ClientTimeout(total=None, sock_read=600)) as http,
        http.get(target, headers=headers) as got,
    ):
        got.raise_for_status()
        async for chunk in got.content.iter_chunked(CHUNK):
            size += len(chunk)
    return time.perf_counter() - began, size


async def seconds_of(path: Path, token: str, media_type: str) -> tuple[float, int]:
    """Median of some rounds, and the size."""
    async with serving(path) as url:
        await read(url, token, media_type)
        found = [await read(url, token, media_type) for _ in range(ROUNDS)]
    return statistics.median(seconds for seconds, _ in found), found[0][1]


async def peak_of(path: Path, token: str, media_type: str) -> int:
    """Bytes that Python held at most while a statement was written, above what it held before."""
    async with serving(path) as url:
        await read(url, token, media_type)
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            await read(url, token, media_type)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    return peak - before


def plain_s(path: Path) -> float:
    """Seconds of the bare question for one account's rows."""
    db = connect(path, read_only=True)
    try:
        (account,) = db.execute(
            "SELECT id FROM account WHERE name = ?", (f"client:{client_name(0)}:BTC:available",)
        ).fetchone()
        rounds = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            assert sum(1 for _ in db.execute(PLAIN, (account, account))) >= MOVEMENTS // 2
            rounds.append(time.perf_counter() - began)
    finally:
        db.close()
    return statistics.median(rounds)


def rows() -> list[Row]:
    """Time of the formats, and memory of many movements beside that of five times as many."""
    found = []
    folder = Path(tempfile.mkdtemp(prefix="bench-statement-"))
    try:
        path, token = make_long(folder / "long", MOVEMENTS)
        bare_s = plain_s(path)
        for media_type in FORMATS:
            seconds, size = asyncio.run(seconds_of(path, token, media_type))
            name = NAMES.get(media_type, "XLSX")
            found.append(
                row(
                    f"statement of {MOVEMENTS:,} movements over HTTP, {name}",
                    f"{seconds:.2f} s, {size / 1e6:.1f} MB",
                    f"{bare_s:.2f} s for the rows alone",
                    seconds,
                    at_most=SECONDS_BAR if name in ("JSON", "CSV") else None,
                    unit=" s" if name in ("JSON", "CSV") else "",
                )
            )
        base = asyncio.run(peak_of(path, token, "text/csv"))
        peak = asyncio.run(peak_of(*make_long(folder / "longest", MANY), "text/csv"))
        found.append(
            row(
                f"memory of the CSV of {MANY:,} movements at its peak, beside that of {MOVEMENTS:,}",
                f"{peak / 1e6:.2f} MB",
                f"{base / 1e6:.2f} MB; {(peak - base) / (MANY - MOVEMENTS):.3f} bytes for each one more",
                peak / base,
                at_most=MEMORY_BAR,
            )
        )
    finally:
        shutil.rmtree(folder)
    return found


if __name__ == "__main__":
    for each in rows():
        sys.stdout.write(f"{each['what']}: {each['ours']} ({each['compared_with']})\n")
