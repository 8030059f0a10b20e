"""Catching up an account chain with 200 transactions in a block, beside the node's own rate.

    python -m tests.benchmarks.bench_catchup_evm

Ours asks, decodes, checks and matches against 100,000 accounts; the other sends the very same requests as
bytes, as many at once as ours may, and throws the answers away. A third of the payments are of a token;
measured without it and with it, then with its events, receipts and balances.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from coins.evm.reader import EvmReader
from coins.evm.rpc import EvmRpc
from coins.index import WatchIndex
from config.schema import EvmCoinSettings
from tests.benchmarks.table import Row, row
from tests.coins.evm.world import eth_settings, token_settings
from tests.nodes.contract import Contract, deploy_token
from tests.nodes.regtest import AnvilNode

BLOCKS, TXS, OWN, ACCOUNTS = 20, 200, 5, 100_000
STEP = 10
ROUNDS = 3
BAR = 0.8


class RecordingRpc(EvmRpc):
    """Keeps the body of every request."""

    def __init__(self, settings: EvmCoinSettings) -> None:
        """Nothing was asked yet."""
        super().__init__(settings.node, settings.chain_id)
        self.bodies: list[bytes] = []

    async def _post(self, body: bytes) -> tuple[int, bytes]:
        self.bodies.append(body)
        return await super()._post(body)


def fill(node: AnvilNode, token: Contract, own: Sequence[bytes]) -> int:
    """Make the blocks; the height of the first one. Every block pays ``OWN`` accounts of ours, twice."""
    source = random.Random(7)
    first = node.height + 1
    for _ in range(BLOCKS):
        for number in range(TXS):
            to = "0x" + (own[number // 3] if number < 3 * OWN else source.randbytes(20)).hex()
            if number % 3 == 0:
                token.send("transfer", to, 1_000 + number)
            elif number % 3 == 1:
                node.send(to, 1_000 + number, node.accounts[number % 10], gas="0x5208")
            else:
                node.send(node.accounts[0], 1_000 + number, node.accounts[number % 10], gas="0x5208")
        node.mine()
    return first


async def ours(settings: EvmCoinSettings, index: WatchIndex, first: int) -> tuple[float, list[bytes]]:
    """Blocks per second, read in the steps of a look, and the requests that were made."""
    rpc = RecordingRpc(settings)
    reader = EvmReader(settings, rpc)
    await reader.identify()
    rpc.bodies.clear()
    found, last = 0, first + BLOCKS - 1
    began = time.perf_counter()
    for height in range(first, last + 1, STEP):
        refs = await reader.block_refs(height, min(last, height + 2 * STEP - 1))
        for ref in refs[:STEP]:
            found += len((await reader.read_block(ref.height, ref.block_hash, index)).receipts)
    rate = BLOCKS / (time.perf_counter() - began)
    await reader.close()
    if found != BLOCKS * OWN * (1 + len(settings.tokens)):
        raise AssertionError(f"{found} payments were found")
    return rate, rpc.bodies


async def theirs(settings: EvmCoinSettings, bodies: Sequence[bytes]) -> float:
    """Blocks per second of the node for the same requests."""
    left = list(reversed(bodies))
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(headers=headers) as session:

        async def ask() -> None:
            while left:
                async with session.post(settings.node.url, data=left.pop()) as answer:
                    async for _ in answer.content.iter_any():
                        pass

        began = time.perf_counter()
        await asyncio.gather(*(ask() for _ in range(settings.node.max_parallel)))
        return BLOCKS / (time.perf_counter() - began)


Rates = list[tuple[float, float, float]]


async def _measure(node: AnvilNode) -> tuple[Rates, Rates]:
    """Our rate, the node's and their ratio, without the token and with it."""
    source = random.Random(8)
    own = [source.randbytes(20) for _ in range(OWN)]
    index = WatchIndex([*own, *(source.randbytes(20) for _ in range(ACCOUNTS))])
    token = await asyncio.to_thread(deploy_token, node)
    first = await asyncio.to_thread(fill, node, token, own)
    both: tuple[Rates, Rates] = ([], [])
    for tokens, found in zip(((), (token_settings(token.address),)), both, strict=True):
        settings = eth_settings(node.rpc_url, tokens=tokens)
        for _ in range(ROUNDS):
            rate, bodies = await ours(settings, index, first)
            own_rate = await theirs(settings, bodies)
            found.append((rate, own_rate, rate / own_rate))
    return both


def rows() -> list[Row]:
    """The table's rows."""
    with (
        tempfile.TemporaryDirectory(prefix="cashier-bench-") as name,
        AnvilNode(Path(name) / "anvil") as node,
    ):
        both = asyncio.run(_measure(node))
    made = []
    for found, with_what in zip(both, ("", ", with a token"), strict=True):
        rate, own_rate, ratio = (statistics.median(each) for each in zip(*found, strict=True))
        what = f"catch-up EVM, {TXS}-tx blocks, {ACCOUNTS:,} addresses{with_what}"
        beside = f"the same requests without reading the answers: {own_rate:.1f} blocks/s"
        made.append(row(what, f"{rate:.1f} blocks/s", beside, ratio, at_least=BAR))
    return made


if __name__ == "__main__":
    for each in rows():
        print(each)
