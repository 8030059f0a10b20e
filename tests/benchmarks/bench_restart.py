"""A restart with 1,000,000 postings and 100,000 addresses: how long until /readyz says ready.

    python -m tests.benchmarks.bench_restart

The cashier as it is served (its own process, its signer, a real bitcoind on regtest), killed and started
again. The first run makes the books, which takes a while, and keeps them in the system's temporary folder
for the next one; the folder's name changes with the schema.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import statistics
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from tests.benchmarks import books
from tests.benchmarks.table import Row, row
from tests.demo.stage import ROOT, Stage
from tests.ledger.books import NOW

CLIENTS, POSTINGS = 100_000, 1_000_000
ROUNDS = 3
BAR_S, PATIENCE_S, POLL_S = 5.0, 120.0, 0.02
DATABASE = Path("data", "cashier.sqlite")
IS_MADE = "made"


class RestartError(Exception):
    """The cashier ended or did not become ready."""


def stage_in(folder: Path) -> Stage:
    """A stage with the BTC node alone; the ports are given by the environment, anew in each run."""
    stage = Stage(folder)
    stage.chains = stage.chains[:1]
    stage.extra = {
        "CASHIER__GATEWAY__PORT": str(stage.port),
        "CASHIER__MONITORING__PORT": str(stage.monitoring_port),
        "CASHIER__ACTORS__RECONCILE_INTERVAL_S": "600",
        "CASHIER__COINS__BTC__CUSTODY": "seed",
    }
    return stage


def readiness(port: int) -> dict[str, Any]:
    """The currencies of /readyz; none while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as reply:
            found: dict[str, Any] = json.load(reply)["currencies"]
            return found
    except (OSError, ValueError):
        return {}


def until_ready(stage: Stage) -> float:
    """Seconds until the currency is open, from now."""
    began = time.perf_counter()
    while time.perf_counter() - began < PATIENCE_S:
        if stage.process is None or stage.process.poll() is not None:
            raise RestartError(f"the cashier ended: {stage.log_tail()}")
        currencies = readiness(stage.monitoring_port)
        if currencies and all(currency["ready"] for currency in currencies.values()):
            return time.perf_counter() - began
        time.sleep(POLL_S)
    raise RestartError(f"not ready within {PATIENCE_S:.0f} s: {stage.log_tail()}")


def resident_mb(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def make(folder: Path, clients: int, postings: int) -> None:
    """A cashier that was started once and stopped, then filled."""
    stage = stage_in(folder)
    stage.start_chains()
    try:
        stage.configure()
        stage.spawn()
        until_ready(stage)
    finally:
        stage.stop()
    books.fill(folder / DATABASE, "BTC", NOW, clients=clients, postings=postings)
    (folder / IS_MADE).touch()


def made(clients: int, postings: int) -> Path:
    """The folder with the books, made now or before."""
    sources = (ROOT / "ledger" / "schema.sql", Path(books.__file__), Path(__file__))
    parts = [source.read_bytes() for source in sources] + [f"{os.getuid()} {clients} {postings}".encode()]
    name = f"cashier-bench-books-{hashlib.sha256(b''.join(parts)).hexdigest()[:16]}"
    folder = Path(tempfile.gettempdir()) / name
    if not (folder / IS_MADE).exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        make(folder, clients, postings)
    return folder


def counted(path: Path) -> tuple[int, int]:
    """How many postings and addresses there are."""
    db = sqlite3.connect(path)
    try:
        ((postings,), (addresses,)) = (
            db.execute(f"SELECT count(*) FROM {table}").fetchone() for table in ("posting", "own_script")
        )
        return postings, addresses
    finally:
        db.close()


def measure(folder: Path, rounds: int) -> tuple[list[float], float]:
    """Seconds of each start, and the resident memory after the last one."""
    stage = stage_in(folder)
    for chain in stage.chains:
        chain.node.start()
    found, memory_mb = [], 0.0
    try:
        stage.chains[0].node.mine(1)  # a node whose last block is a day old says that it still downloads
        for number in range(rounds + 1):
            stage.spawn()
            seconds = until_ready(stage)
            if number:  # the first one reads the files from the disk
                found.append(seconds)
            if stage.process is not None:
                memory_mb = resident_mb(stage.process.pid)
                stage.process.send_signal(signal.SIGKILL)
                stage.process.wait()
    finally:
        stage.stop()
    return found, memory_mb


def rows() -> list[Row]:
    """The table's rows."""
    folder = made(CLIENTS, POSTINGS)
    postings, addresses = counted(folder / DATABASE)
    found, memory_mb = measure(folder, ROUNDS)
    seconds = statistics.median(found)
    return [
        row(f"restart after kill -9 with {postings:,} postings and {addresses:,} addresses: ready",
            f"{seconds:.2f} s", f"slowest {max(found):.2f} s; {memory_mb:.0f} MB resident", seconds,
            at_most=BAR_S, unit=" s"),
    ]  # fmt: skip


if __name__ == "__main__":
    for each in rows():
        print(each)
