"""How fast the gateway answers while a currency catches up, beside the same server with nothing to do.

    python -m tests.benchmarks.bench_quiet

The cashier as it is served, on a real bitcoind with full blocks. It is killed, its books are set back to
before these blocks, and it is started again; a client asks for balances at a steady pace, while the currency
is behind and as long afterwards. Two payments of each block are ours.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.bench_latency import p99
from tests.benchmarks.bench_restart import DATABASE
from tests.benchmarks.full_chain import FullChain
from tests.benchmarks.table import Row, row
from tests.demo.stage import START_S, Stage
from tests.demo.website import Website
from tests.nodes.regtest import BitcoinNode

BLOCKS, OWN, ROUNDS = 250, 2, 5
PER_SECOND, CONNECTIONS = 100, 16
SECONDS = 20.0
POLL_S = 0.05
BAR = 2.0


class CatchUpError(Exception):
    """The currency did not catch up while replies were measured."""


async def prepare(stage: Stage, blocks: int) -> Path:
    """Books with addresses, and full blocks that they do not know; the books' copy."""
    stage.start_chains()
    stage.configure()
    node = stage.chains[0].node
    if not isinstance(node, BitcoinNode):
        raise AssertionError("a UTXO chain")
    chain = await asyncio.to_thread(FullChain, node)
    stage.spawn()
    await stage.until_ready()
    website = Website(stage.base_url, stage.key["key"], stage.key["signing_secret"])
    addresses = [
        str((await website.put(f"/v1/clients/c{number}/addresses/BTC"))["address"]) for number in range(OWN)
    ]
    await website.close()
    if stage.process is None:
        raise AssertionError("it runs")
    stage.process.terminate()
    await asyncio.to_thread(stage.process.wait)
    scripts = [bytes.fromhex(node.rpc("validateaddress", each)["scriptPubKey"]) for each in addresses]
    for number in range(blocks):
        await asyncio.to_thread(chain.add, scripts, number)
    copy = stage.folder / "before"
    shutil.copytree((stage.folder / DATABASE).parent, copy)
    return copy


async def round_of(stage: Stage, copy: Path) -> tuple[list[float], list[float], float]:
    """Seconds of the replies while it caught up, of those afterwards, and blocks per second."""
    stage.kill()
    data = (stage.folder / DATABASE).parent
    shutil.rmtree(data)
    shutil.copytree(copy, data)
    stage.spawn()
    begun = await _standing(stage)
    began = time.monotonic()
    pace = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.http_pace",
        str(stage.port), str(PER_SECOND), str(SECONDS), str(CONNECTIONS),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    request = (
        f"GET /v1/clients/c0/balances HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
        f"{stage.key['key']}\r\n\r\n"
    )
    asking = asyncio.create_task(pace.communicate(request.encode()))
    await stage.until_ready()
    caught_up = time.monotonic()
    out, _ = await asking
    told: dict[str, Any] = json.loads(out)
    if set(told["statuses"]) != {"200"}:
        raise CatchUpError(f"unexpected answers: {told['statuses']}")
    busy = [took for due, took in told["replies"] if due < caught_up]
    idle = [took for due, took in told["replies"] if due > caught_up + 1]
    if min(len(busy), len(idle)) < PER_SECOND:
        raise CatchUpError(f"{len(busy)} replies while it caught up, {len(idle)} afterwards")
    return busy, idle, (stage.chains[0].node.height - begun) / (caught_up - began)


async def _standing(stage: Stage) -> int:
    """Where the cashier stands, once it has read its first blocks after the start."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        found = await stage.gauges("BTC")
        if found.get("cashier_node_height_blocks"):
            return int(found["cashier_node_height_blocks"] - found["cashier_node_lag_blocks"])
        await asyncio.sleep(POLL_S)
    raise CatchUpError(f"no block was read within {START_S:.0f} s: {stage.log_tail()}")


async def measure(folder: Path, blocks: int, rounds: int) -> list[tuple[float, float, float]]:
    """Per round: p99 while catching up, p99 idle, blocks per second."""
    stage = Stage(folder, only=("BTC",))
    try:
        copy = await prepare(stage, blocks)
        found = []
        for _ in range(rounds):
            busy, idle, rate = await round_of(stage, copy)
            found.append((p99(busy), p99(idle), rate))
        return found
    finally:
        stage.stop()


def rows() -> list[Row]:
    """The table's rows."""
    with tempfile.TemporaryDirectory(prefix="cashier-bench-") as folder:
        found = asyncio.run(measure(Path(folder), BLOCKS, ROUNDS))
    busy, idle, rate = (statistics.median(column) for column in zip(*found, strict=True))
    ratio = statistics.median(each[0] / each[1] for each in found)
    return [
        row(f"gateway p99 at {PER_SECOND}/s while a currency catches up", f"{busy * 1e3:.1f} ms",
            f"the same with nothing to do: {idle * 1e3:.1f} ms; {rate:.0f} full blocks/s", ratio,
            at_most=BAR, unit=" x"),
    ]  # fmt: skip


if __name__ == "__main__":
    for each in rows():
        print(each)
