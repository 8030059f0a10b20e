"""The audit of a million postings beside the running gateway, and what it costs those who ask meanwhile.

    python -m tests.benchmarks.bench_verify

The audit is `run.py verify` itself, in a process of its own. The gateway serves balances at a steady pace,
idle first, then while the audit reads; replies are counted from the moment their request was due. The
audit's time on the processor stands beside its time on the clock, for the machine may be busy.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.bench_gateway import make_key, ours, read_request
from tests.benchmarks.books import fill
from tests.benchmarks.table import Row, row
from tests.ledger.books import NOW, make_books
from tests.source import REPOSITORY

POSTINGS, CLIENTS = 1_000_000, 10_000
SECONDS_BAR, P99_BAR = 60.0, 2.0
PER_SECOND, CONNECTIONS = 100, 16
IDLE_S = 10.0
STEP_S = 1.0


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds of the audit on the clock and on the processor; the 99th percentile of replies, in seconds."""

    audit_s: float
    audit_cpu_s: float
    idle_p99_s: float
    busy_p99_s: float


def make_large(folder: Path, clients: int, postings: int) -> Path:
    """Books with so many postings, and a configuration that names them; the path of the database."""
    store = make_books(folder)
    store.close()
    fill(store.path, "BTC", NOW, clients=clients, postings=postings)
    (folder / "cashier.toml").write_text(f'[ledger]\npath = "{store.path.name}"\n')
    return store.path


def p99(waits: list[float]) -> float:
    """The wait that one of a hundred exceeds."""
    return statistics.quantiles(waits, n=100)[98]


async def pace(port: int, request: bytes, seconds: float) -> list[tuple[float, float]]:
    """Ask at a steady pace for so long: when each was due, and how long its reply took."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.http_pace", str(port), str(PER_SECOND), str(seconds),
        str(CONNECTIONS), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate(request)
    told = json.loads(out)
    if set(told["statuses"]) != {"200"}:
        raise AssertionError(f"unexpected answers: {told['statuses']}")
    return [(due, took) for due, took in told["replies"]]


def audit(config: Path) -> tuple[float, float, float]:
    """Run the audit; when it ended (the machine's monotonic clock), its seconds, and its processor's."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, str(REPOSITORY / "run.py"), "verify", "--json", "--config", str(config)],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    told = json.load(process.stdout)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if not told["is_well"]:
        raise AssertionError(f"the made-up books are wrong: {told['findings'][:3]}")
    ended = time.monotonic()
    return ended, ended - began, usage.ru_utime + usage.ru_stime


async def measure(folder: Path, clients: int, postings: int, idle_s: float) -> Measured:
    """Both at once, after the gateway alone."""
    path = make_large(folder, clients, postings)
    key = make_key(path)
    request = read_request(key, 7)
    async with ours(path) as port:
        await pace(port, request, 1.0)
        idle = await pace(port, request, idle_s)
        working = asyncio.create_task(asyncio.to_thread(audit, folder / "cashier.toml"))
        replies: list[tuple[float, float]] = []
        while not working.done():
            replies += await pace(port, request, STEP_S)
        ended, audit_s, cpu_s = await working
    busy = [took for due, took in replies if due < ended]
    return Measured(audit_s, cpu_s, p99([took for _, took in idle]), p99(busy))


def rows() -> list[Row]:
    """The audit's time, and what those who ask notice of it."""
    with tempfile.TemporaryDirectory(prefix="cashier-bench-") as folder:
        found = asyncio.run(measure(Path(folder), CLIENTS, POSTINGS, IDLE_S))
    return [
        row(
            f"verify {POSTINGS:,} postings beside the running gateway",
            f"{found.audit_s:.1f} s",
            f"{found.audit_cpu_s:.1f} s of it on the processor",
            found.audit_s,
            at_most=SECONDS_BAR,
            unit=" s",
        ),
        row(
            f"p99 of GET balance, {PER_SECOND}/s, while it is audited",
            f"{found.busy_p99_s * 1e3:.1f} ms",
            f"{found.idle_p99_s * 1e3:.1f} ms before",
            found.busy_p99_s / found.idle_p99_s,
            at_most=P99_BAR,
        ),
    ]


if __name__ == "__main__":
    for each in rows():
        sys.stdout.write(f"{each['what']}: {each['ours']} ({each['compared_with']})\n")
