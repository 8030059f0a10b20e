"""How long a client waits: from the broadcast of a payment until it is shown, from a block until the credit.

    python -m tests.benchmarks.bench_latency

The cashier as it is served, on the three real nodes, with the intervals of the main networks. The BTC node
publishes (ZMQ), the others are only asked.
The clocks run from before the node is told until the event is read from the website's stream. Payments and
blocks come at random moments, so that they fall into every phase of the watcher's rounds.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.benchmarks.table import Row, row
from tests.demo.chains import Chain
from tests.demo.stage import Stage
from tests.demo.website import Website
from tests.nodes.regtest import FAUCET, BitcoinNode, free_port

SAMPLES = 100
PER_BLOCK = 20  # a node takes at most 25 unconfirmed ones that spend each other
PAUSE_S = 0.8  # longest pause between two payments, or two blocks
PATIENCE_S = 60.0
SEEN_BAR_S, CREDITED_BAR_S = 2.0, 1.0
INTERVALS = {"BTC": "5", "LTC": "5", "ETH": "0.5"}
WAYS = {"BTC": "hinted", "LTC": "asked", "ETH": "asked"}


class Feed:
    """The moment at which each event of a deposit was read, by its kind and txid."""

    def __init__(self) -> None:
        """Nothing was read yet."""
        self._read: dict[tuple[str, str], float] = {}
        self._news = asyncio.Condition()

    async def follow(self, stage: Stage, is_open: asyncio.Event) -> None:
        """Read the website's stream until it ends."""
        headers = {"Authorization": f"Bearer {stage.key['key']}"}
        timeout = aiohttp.ClientTimeout(total=None)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{stage.base_url}/v1/events/stream", headers=headers) as reply,
        ):
            reply.raise_for_status()
            async for line in reply.content:
                is_open.set()
                if line.startswith(b"data: "):
                    event = json.loads(line[6:])
                    async with self._news:
                        key = (str(event["type"]), str(event["data"].get("txid")))
                        self._read.setdefault(key, time.perf_counter())
                        self._news.notify_all()

    async def read_at(self, kind: str, txid: str) -> float:
        """When that event was read; waits for it."""
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(lambda: (kind, txid) in self._read)
            return self._read[kind, txid]


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[Stage, Feed]]:
    """A cashier on three nodes, and its stream of events."""
    extra = {f"CASHIER__COINS__{name}__NODE__POLL_INTERVAL_S": each for name, each in INTERVALS.items()}
    url = f"tcp://127.0.0.1:{free_port()}"
    stage = Stage(folder, extra=extra | {"CASHIER__COINS__BTC__NODE__ZMQ": url})
    bitcoind = stage.chains[0].node
    if not isinstance(bitcoind, BitcoinNode) or bitcoind.kind != "bitcoind":
        raise AssertionError("the first chain is bitcoind's")
    bitcoind.extra = (f"-zmqpubhashtx={url}",)
    try:
        stage.start_chains()
        stage.configure()
        stage.spawn()
        await stage.until_ready()
        feed, is_open = Feed(), asyncio.Event()
        following = asyncio.create_task(feed.follow(stage, is_open))
        await asyncio.wait_for(is_open.wait(), PATIENCE_S)
        try:
            yield stage, feed
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
    finally:
        stage.stop()


async def pay(chain: Chain, address: str) -> tuple[str, float]:
    """A small payment from the faucet; its txid, and the moment before the node was told."""
    node = chain.node
    if isinstance(node, BitcoinNode):
        raw = await asyncio.to_thread(_signed, node, address)
        began = time.perf_counter()
        return str(await node.call("sendrawtransaction", raw)), began
    began = time.perf_counter()
    return await asyncio.to_thread(node.send, address, 10**17), began


def _signed(node: BitcoinNode, address: str) -> str:
    """A signed payment that was not sent yet, hex."""
    bare = node.rpc("createrawtransaction", [], [{address: "0.01"}])
    funded = node.rpc("fundrawtransaction", bare, wallet=FAUCET)["hex"]
    return str(node.rpc("signrawtransactionwithwallet", funded, wallet=FAUCET)["hex"])


async def measure(
    stage: Stage, feed: Feed, chain: Chain, samples: int, source: random.Random
) -> tuple[list[float], list[float]]:
    """Seconds until each of so many payments was seen, and until each of so many blocks had credited."""
    website = Website(stage.base_url, stage.key["key"], stage.key["signing_secret"])
    try:
        address = str((await website.put(f"/v1/clients/bench/addresses/{chain.currency}"))["address"])
    finally:
        await website.close()
    seen: list[float] = []
    while len(seen) < samples:
        sent: list[tuple[str, float]] = []
        for _ in range(min(PER_BLOCK, samples - len(seen))):
            await asyncio.sleep(source.uniform(0, PAUSE_S))
            sent.append(await pay(chain, address))
        for txid, began in sent:
            seen.append(await feed.read_at("deposit.seen", txid) - began)
        await chain.mine()
    waiting = [(await _paid_and_mined(chain, address))[0] for _ in range(2)]
    credited: list[float] = []
    for _ in range(samples):
        txid, began = await _paid_and_mined(chain, address)
        waiting.append(txid)
        credited.append(await feed.read_at("deposit.credited", waiting.pop(0)) - began)
        await asyncio.sleep(source.uniform(0, PAUSE_S))
    return seen, credited


async def _paid_and_mined(chain: Chain, address: str) -> tuple[str, float]:
    """A payment and its block; the txid, and the moment before the block was made."""
    txid, _ = await pay(chain, address)
    began = time.perf_counter()
    await chain.mine()
    return txid, began


async def _measure_all(folder: Path, samples: int) -> dict[str, tuple[list[float], list[float]]]:
    async with running(folder) as (stage, feed):
        found = await asyncio.gather(
            *(measure(stage, feed, chain, samples, random.Random(3)) for chain in stage.chains)
        )
        return {chain.currency: each for chain, each in zip(stage.chains, found, strict=True)}


def p99(values: list[float]) -> float:
    """The value that 99 in 100 are not above."""
    return statistics.quantiles(values, n=100, method="inclusive")[98]


def rows() -> list[Row]:
    """The table's rows."""
    with tempfile.TemporaryDirectory(prefix="cashier-bench-") as folder:
        found = asyncio.run(_measure_all(Path(folder), SAMPLES))
    made: list[Row] = []
    for currency, (seen, credited) in found.items():
        made += [
            _row(
                f"{currency}, {WAYS[currency]}: seen after the broadcast, p99 of {len(seen)}",
                seen,
                SEEN_BAR_S,
            ),
            _row(f"{currency}: credited after the block, p99 of {len(credited)}", credited, CREDITED_BAR_S),
        ]
    return made


def _row(what: str, values: list[float], bar_s: float) -> Row:
    """One of them, with its middle and its worst beside it."""
    late = p99(values)
    beside = f"median {statistics.median(values):.2f} s, worst {max(values):.2f} s"
    return row(what, f"{late:.2f} s", beside, late, at_most=bar_s, unit=" s")


if __name__ == "__main__":
    for each in rows():
        print(each)
