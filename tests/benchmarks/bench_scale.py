"""A million addresses on one machine: memory of all processes, and what a full block costs end to end.

    python -m tests.benchmarks.bench_scale

Memory is that of the cashier as it is served, with its signer and two workers, while it catches up on a real
bitcoind with full blocks; pages that processes share count once. The cost of a block is the processor time
of the real watcher, reader and ledger on the same node, with few and with many addresses in the books.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from coins.index import WatchIndex
from tests.benchmarks.bench_catchup import CATCH_UP_POLL_S, NodeHouse
from tests.benchmarks.bench_restart import DATABASE, stage_in, until_ready
from tests.benchmarks.books import add_addresses, fill, own_of
from tests.benchmarks.full_chain import FullChain
from tests.benchmarks.table import Row, row
from tests.demo.stage import Stage
from tests.ledger.books import NOW
from tests.nodes.regtest import BitcoinNode

MANY, FEW = 1_000_000, 10_000
CLIENTS = 100_000  # of the many, those who have paid and whose money lies unspent
BLOCKS, OWN, ROUNDS = 60, 2, 3
WORKERS = 2
MEMORY_BAR_MB, COST_BAR, RATE_BAR = 800.0, 1.25, 200.0
SAMPLE_S = 0.05


@dataclass(frozen=True, slots=True)
class Memory:
    """Proportional memory in MB, by part."""

    server: float
    signer: float
    workers: float
    processes: int

    @property
    def whole(self) -> float:
        """All processes together."""
        return self.server + self.signer + self.workers


def memory_of(pid: int) -> Memory:
    """Of a cashier and its children, as it is now."""
    parts = {"server": _pss_mb(pid), "signer": 0.0, "workers": 0.0}
    children = _children(pid)
    for child in children:
        name = "workers" if "coins.bitcoin.worker" in _arguments(child) else "signer"
        parts[name] += _pss_mb(child)
    return Memory(processes=1 + len(children), **parts)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, _read(task).split()):
            found += [child, *_children(child)]
    return found


def _arguments(pid: int) -> list[str]:
    return _read(Path(f"/proc/{pid}/cmdline")).split("\0")


def _pss_mb(pid: int) -> float:
    for line in _read(Path(f"/proc/{pid}/smaps_rollup")).splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1_024 / 1e6
    return 0.0


def _read(path: Path) -> str:
    """The file's text, empty for a process that is gone."""
    try:
        return path.read_text("utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def peak_while(pid: int, work: Callable[[], object]) -> Memory:
    """The largest memory of a cashier while something else goes on."""
    found: list[Memory] = []
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(SAMPLE_S):
            found.append(memory_of(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        is_over.set()
        watcher.join()
    if not any(each.processes >= 2 + WORKERS for each in found):
        raise AssertionError("signer and workers were never seen at work")
    return max(found, key=lambda each: each.whole)


def serve_once(stage: Stage) -> None:
    """Let the cashier learn its first block, and end it in good order."""
    stage.spawn()
    until_ready(stage)
    end(stage)


def end(stage: Stage) -> None:
    """End the cashier; the nodes go on."""
    if stage.process is None:
        raise AssertionError("the cashier runs")
    stage.process.send_signal(signal.SIGTERM)
    stage.process.wait(60)


def memory(stage: Stage) -> Memory:
    """Of a cashier whose books hold a million addresses, while it catches up."""
    path = stage.folder / DATABASE
    fill(path, "BTC", NOW, clients=CLIENTS, postings=2 * CLIENTS)
    add_addresses(path, "BTC", NOW, range(CLIENTS, MANY))
    stage.spawn()
    if stage.process is None:
        raise AssertionError("the cashier runs")
    found = peak_while(stage.process.pid, lambda: until_ready(stage))
    end(stage)
    return found


async def _prepared(path: Path, node: BitcoinNode, first: int, addresses: int) -> Path:
    """Books that stand at a block, with so many addresses; the first of them will be paid."""
    house = NodeHouse(path, node, first, WatchIndex(), 0)
    await house.prepare(OWN * BLOCKS)
    await house.coin.reader.close()
    add_addresses(path, "BTC", NOW, range(OWN * BLOCKS, addresses))
    return path


async def _cost(books: Path, node: BitcoinNode, first: int) -> tuple[float, float]:
    """Seconds of processor time and of the clock for one block, from the first step to the node's head."""
    path = books.with_name("copy.sqlite")
    shutil.copyfile(books, path)
    house = NodeHouse(path, node, first, WatchIndex(), 0)
    house.poll_s = CATCH_UP_POLL_S
    begun: list[tuple[int, float, float]] = []

    def note(height: int) -> None:
        if height > first and not begun:
            begun.append((height, time.process_time(), time.perf_counter()))

    await house.start(note)
    ((height, used, began),) = begun
    blocks = node.height - height
    found = (time.process_time() - used) / blocks, (time.perf_counter() - began) / blocks
    await house.stop()
    await house.coin.reader.close()
    for part in path.parent.glob(path.name + "*"):
        part.unlink()
    return found


def costs(folder: Path, node: BitcoinNode, first: int) -> list[tuple[float, float, float]]:
    """Per round: processor time with few addresses, with many, and the clock's with many."""
    few, many = (
        asyncio.run(_prepared(folder / f"{addresses}.sqlite", node, first, addresses))
        for addresses in (FEW, MANY)
    )
    found = []
    for _ in range(ROUNDS):
        small, _ = asyncio.run(_cost(few, node, first))
        large, clock = asyncio.run(_cost(many, node, first))
        found.append((small, large, clock))
    return found


def rows() -> list[Row]:
    """The table's rows."""
    with tempfile.TemporaryDirectory(prefix="cashier-bench-") as name:
        stage = stage_in(Path(name) / "stage")
        stage.extra = {**stage.extra, "CASHIER__ACTORS__PROCESS_WORKERS": str(WORKERS)}
        node = stage.chains[0].node
        if not isinstance(node, BitcoinNode):
            raise AssertionError("the first chain of a stage is that of a bitcoind")
        stage.start_chains()
        try:
            stage.configure()
            serve_once(stage)
            chain = FullChain(node)
            first = node.height
            for number in range(BLOCKS):
                chain.add([own_of(number * OWN + each).script for each in range(OWN)], number)
            used = memory(stage)
            found = costs(Path(name), node, first)
        finally:
            stage.stop()
    few, many, clock = (statistics.median(each) for each in zip(*found, strict=True))
    what = f"full blocks into the books, {MANY:,} addresses"
    return [
        row(f"memory of all processes with {MANY:,} addresses, catching up with {WORKERS} workers",
            f"{used.whole:.0f} MB",
            f"server {used.server:.0f}, signer {used.signer:.0f}, workers {used.workers:.0f} MB",
            used.whole, at_most=MEMORY_BAR_MB, unit=" MB"),
        row(f"{what}: processor time of one", f"{many * 1e3:.1f} ms",
            f"{FEW:,} addresses: {few * 1e3:.1f} ms", many / few, at_most=COST_BAR),
        row(f"{what}, one process", f"{60 / clock:,.0f} blocks/min", f"{clock * 1e3:.1f} ms for one",
            60 / clock, at_least=RATE_BAR, unit=" blocks/min"),
    ]  # fmt: skip


if __name__ == "__main__":
    for each in rows():
        print(each)
