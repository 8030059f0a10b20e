"""Withdrawals taken over HTTP, beside a bare handler that takes transfers.

    python -m tests.benchmarks.bench_accept

Ours is the cashier as it is served, with its signer and a real bitcoind: each request is authenticated, its
signature checked, the client's money reserved and the withdrawal committed before it is answered, and what
was taken is paid meanwhile. The bare handler does the same authentication and one double-entry transfer by
hand, many in one commit. Both are processes of their own with a database file (WAL, FULL); 64 clients.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from coins.bitcoin.address import encode_bech32
from tests.benchmarks.bench_gateway import CONNECTIONS, answered, make_key, signed_post, transfer_request
from tests.benchmarks.bench_latency import p99
from tests.benchmarks.bench_ledger import make_filled
from tests.benchmarks.books import client_name
from tests.benchmarks.table import Row, row
from tests.demo.stage import ROOT, Stage
from tests.fakes.oracle import check_books
from tests.flows.shop import Shop

CLIENTS = 1_000
ROUNDS = 5
REQUESTS = 1_500
SHARE_BAR, P99_BAR_S = 0.5, 0.150
FUNDS = "20.00000000"
MANY = str(10**9)
EXTRA = {
    "CASHIER__GATEWAY__KEY_RATE_PER_S": "1000000",
    "CASHIER__GATEWAY__KEY_BURST": MANY,
    "CASHIER__GATEWAY__IP_RATE_PER_S": "1000000",
    "CASHIER__GATEWAY__IP_BURST": MANY,
    "CASHIER__ACTORS__TICK_S": "1",
    "CASHIER__COINS__BTC__NODE__POLL_INTERVAL_S": "5",
}
Ask = Callable[[str, int], bytes]


async def give_out(stage: Stage) -> None:
    """One deposit, shared among all clients."""
    shop = Shop(stage, "BTC")
    try:
        await shop.fund("bank", FUNDS)
    finally:
        await shop.close()
    posts = [_post(stage, "/v1/transfers", f"give-{n:08d}", _gift(n)) for n in range(CLIENTS)]
    await answered(stage.port, posts, 201)


def _gift(number: int) -> dict[str, str]:
    names = {"from": "bank", "to": client_name(number), "external_id": f"give-{number}", "reason": "bonus"}
    return names | {"currency": "BTC", "amount": "0.01900000"}


def _post(stage: Stage, target: str, name: str, body: dict[str, str]) -> bytes:
    key = stage.key
    return signed_post(key["key"], key["signing_secret"], target, name, json.dumps(body).encode())


def withdrawal_request(stage: Stage, run: str, number: int) -> bytes:
    """A signed POST of a withdrawal to an address that nobody was paid at before."""
    body = {
        "client_id": client_name(number % CLIENTS),
        "currency": "BTC",
        "amount": "0.00050000",
        "address": encode_bech32("bcrt", 0, secrets.token_bytes(20)),
        "external_id": f"{run}-{number}",
    }
    return _post(stage, "/v1/withdrawals", f"{run}-{number:08d}", body)


@asynccontextmanager
async def bare(path: Path) -> AsyncIterator[int]:
    """The bare handler's process; its port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.benchmarks.bare_accept",
        str(path),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        yield int(await asyncio.wait_for(process.stdout.readline(), 60))
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()


async def measure(stage: Stage, path: Path, ask_bare: Ask) -> list[tuple[float, float, float]]:
    """Of each round: requests per second of ours and of the bare one, p99 of ours in seconds."""
    found = []
    async with bare(path) as bare_port:
        for number in range(ROUNDS + 1):
            run = f"run{number}"
            posts = [withdrawal_request(stage, run, n) for n in range(REQUESTS)]
            ours, waits = await answered(stage.port, posts, 201)
            by_hand, _ = await answered(bare_port, [ask_bare(run, n) for n in range(REQUESTS)], 201)
            if number:  # the first round warms up
                found.append((ours, by_hand, p99(waits)))
    return found


def _check(stage: Stage, bare_path: Path) -> None:
    """Nothing was answered that is not in the books."""
    sent = (ROUNDS + 1) * REQUESTS
    ours = stage.folder / "data" / "cashier.sqlite"
    for path, sql in (
        (ours, "SELECT count(*) FROM withdrawal"),
        (bare_path, "SELECT count(*) FROM transfer WHERE external_id LIKE 'run%'"),
    ):
        db = sqlite3.connect(path)
        try:
            (count,) = db.execute(sql).fetchone()
        finally:
            db.close()
        if count != sent:
            raise AssertionError(f"{count} of {sent} are in {path.name}")
        if faults := check_books(path):
            raise AssertionError(faults)


def run(folder: Path) -> list[tuple[float, float, float]]:
    """Both servers on books of the same clients, taking turns."""
    path = make_filled(folder, CLIENTS)
    key = make_key(path)
    stage = Stage(folder / "stage", extra=EXTRA, only=("BTC",))

    async def whole() -> list[tuple[float, float, float]]:
        await stage.until_ready()
        await give_out(stage)
        return await measure(stage, path, lambda run, number: transfer_request(key, run, number, CLIENTS))

    try:
        stage.start_chains()
        stage.configure()
        stage.spawn()
        found = asyncio.run(whole())
    finally:
        stage.stop()
    _check(stage, path)
    return found


def rows() -> list[Row]:
    """The table's rows."""
    with tempfile.TemporaryDirectory(prefix="cashier-bench-") as folder:
        found = run(Path(folder))
    ours, by_hand, late = (statistics.median(column) for column in zip(*found, strict=True))
    share = statistics.median(each[0] / each[1] for each in found)
    what = f"withdrawal requests accepted (signed, reserved, committed), {CONNECTIONS} clients, FULL"
    return [
        row(what, f"{ours:,.0f}/s",
            f"a bare aiohttp handler, same authentication, one group-committed transfer: {by_hand:,.0f}/s",
            share, at_least=SHARE_BAR),
        row(f"{what}: p99 of the replies", f"{late * 1000:.0f} ms",
            f"slowest round {max(each[2] for each in found) * 1000:.0f} ms", late * 1000,
            at_most=P99_BAR_S * 1000, unit=" ms"),
    ]  # fmt: skip


if __name__ == "__main__":
    for each in rows():
        print(each)
