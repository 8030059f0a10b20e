"""How fast a cashier that was down catches up, beside the node's own serving rate.

    python -m tests.benchmarks.bench_catchup

Real nodes in regtest, the real watcher, reader and ledger on a database in a file. The blocks are full,
a million scripts are watched, and two payments of each block are ours. The node's own rate is that of
plain sockets that ask for the same blocks and throw the answers away.
"""

from __future__ import annotations

import asyncio
import random
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pydantic import SecretStr

from coins.bitcoin.reader import BitcoinReader
from coins.bitcoin.rpc import RpcClient
from coins.family import Coin
from coins.index import WatchIndex
from config.schema import BitcoinCoinSettings
from tests.benchmarks.bench_deposits import House
from tests.benchmarks.books import own_of
from tests.benchmarks.full_chain import FullChain
from tests.benchmarks.table import Row, row
from tests.coins.bitcoin.setup import settings_for
from tests.fakes.chain import FakeChain
from tests.fakes.coin import FakeDeriver, FakeSpender
from tests.nodes.regtest import FAUCET, BitcoinNode

BLOCKS, OWN, SCRIPTS = 100, 2, 1_000_000
ROUNDS = 3
ONE_BAR, TWO_BAR, NAIVE_BAR = 0.15, 0.22, 100.0
NAIVE_ADDRESSES, NAIVE_ASKED = 10_000, 1_000  # the time of those asked counts ten times
NAIVE_WALLET = "naive"
PARALLEL = 4
CATCH_UP_POLL_S = 0.01  # more often, and asking would be a good part of what is measured


def index_of(count: int) -> WatchIndex:
    """An index of so many scripts that no block here pays."""
    source = random.Random(2)
    return WatchIndex(b"\x00\x14" + source.randbytes(20) for _ in range(count))


class NodeHouse(House):
    """The same actors over a real node, from its block ``first`` on."""

    def __init__(self, path: Path, node: BitcoinNode, first: int, index: WatchIndex, workers: int) -> None:
        """Nothing runs yet."""
        super().__init__(path)
        door = {"url": node.rpc_url, "user": node.rpc_user, "password": SecretStr(node.rpc_password)}
        changed = {"node": self.coin_settings.node.model_copy(update=door)}
        self.coin_settings = self.coin_settings.model_copy(update=changed)
        reader = open_reader(self.coin_settings, workers)
        self.coin = Coin("BTC", "bitcoin", reader, FakeDeriver("BTC"), FakeSpender(FakeChain("BTC")), index)
        self.first_height = first
        self.node: Any = SimpleNamespace(height=node.height)


def open_reader(settings: BitcoinCoinSettings, workers: int) -> BitcoinReader:
    """The reader with its pool of workers, if any."""
    return BitcoinReader(settings, RpcClient(settings.node), workers)


def serving_rate(port: int, hashes: Sequence[str]) -> float:
    """Blocks per second that the node's REST gives to four plain sockets."""

    def fetch(mine: Sequence[str]) -> None:
        with socket.create_connection(("127.0.0.1", port)) as link:
            for block_hash in mine:
                link.sendall(f"GET /rest/block/{block_hash}.bin HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                _swallow(link)

    threads = [threading.Thread(target=fetch, args=(hashes[place::PARALLEL],)) for place in range(PARALLEL)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(hashes) / (time.perf_counter() - began)


def _swallow(link: socket.socket) -> None:
    """Read one answer to its end."""
    buffer = bytearray(1 << 20)
    head = b""
    while b"\r\n\r\n" not in head:
        head += link.recv(65_536)
    fields, _, body = head.partition(b"\r\n\r\n")
    (size,) = (
        int(line.split(b":")[1]) for line in fields.lower().split(b"\r\n") if b"content-length" in line
    )
    rest = size - len(body)
    while rest:
        rest -= link.recv_into(buffer, min(rest, len(buffer)))


async def catch_up(path: Path, node: BitcoinNode, first: int, index: WatchIndex, workers: int) -> float:
    """Blocks per second of a cashier with its books at ``first``, from its first step to the node's head."""
    house = NodeHouse(path, node, first, index, workers)
    await house.prepare(OWN * BLOCKS)
    house.poll_s = CATCH_UP_POLL_S
    begun: list[tuple[int, float]] = []

    def note(height: int) -> None:
        if height > first and not begun:
            begun.append((height, time.perf_counter()))

    await house.start(note)
    ((height, began),) = begun
    rate: float = (house.node.height - height) / (time.perf_counter() - began)
    await house.stop()
    await house.coin.reader.close()
    return rate


async def _rounds(folder: Path, node: BitcoinNode, first: int, hashes: Sequence[str]) -> list[list[float]]:
    index = index_of(SCRIPTS)
    found = []
    for number in range(ROUNDS):
        one = await catch_up(folder / f"one{number}.sqlite", node, first, index, 0)
        two = await catch_up(folder / f"two{number}.sqlite", node, first, index, 2)
        own = await asyncio.to_thread(serving_rate, node.port, hashes)
        found.append([own, one, two, one / own, two / own])
    return found


async def _naive(node: BitcoinNode, block_hash: str) -> tuple[float, float]:
    """Seconds for one block: the node's wallet asked address by address, and our reader."""
    addresses = await asyncio.to_thread(_watched_by_node, node)
    began = time.perf_counter()
    for address in addresses[:NAIVE_ASKED]:
        await asyncio.to_thread(node.rpc, "getreceivedbyaddress", address, wallet=NAIVE_WALLET)
    naive_s = (time.perf_counter() - began) * NAIVE_ADDRESSES / NAIVE_ASKED
    reader = open_reader(settings_for(node), 0)
    index, height = index_of(NAIVE_ADDRESSES), node.height
    times = []
    for _ in range(2 * ROUNDS + 1):
        began = time.perf_counter()
        await reader.block_refs(height, height)
        await reader.read_block(height, block_hash, index)
        times.append(time.perf_counter() - began)
    await reader.close()
    return naive_s, statistics.median(times)


def _watched_by_node(node: BitcoinNode) -> list[str]:
    """Addresses that a wallet of the node watches, by one descriptor with a range."""
    node.create_wallet()
    listed = node.rpc("listdescriptors", wallet=FAUCET)["descriptors"]
    found = next(
        str(each["desc"]) for each in listed if each["desc"].startswith("wpkh(") and each["internal"]
    )
    last = NAIVE_ADDRESSES - 1
    node.rpc("createwallet", NAIVE_WALLET, True, True)
    wanted = [{"desc": found, "range": [0, last], "timestamp": "now"}]
    if not node.rpc("importdescriptors", wanted, wallet=NAIVE_WALLET)[0]["success"]:
        raise AssertionError("the node takes the descriptor")
    return [str(each) for each in node.rpc("deriveaddresses", found, [0, last])]


def rows() -> list[Row]:
    """The table's rows."""
    with tempfile.TemporaryDirectory(prefix="cashier-bench-") as name:
        folder = Path(name)
        with BitcoinNode("bitcoind", folder / "bitcoind") as node:
            chain = FullChain(node)
            first = node.height
            hashes = [
                chain.add([own_of(number * OWN + each).script for each in range(OWN)], number)
                for number in range(BLOCKS)
            ]
            found = asyncio.run(_rounds(folder, node, first, hashes))
            naive_s, block_s = asyncio.run(_naive(node, hashes[-1]))
    own, one, two, one_ratio, two_ratio = (statistics.median(each) for each in zip(*found, strict=True))
    what = f"catch-up BTC, full blocks, {SCRIPTS:,} addresses"
    beside = f"the node's own REST: {own:.0f} blocks/s"
    return [
        row(f"{what}, one process", f"{one:.0f} blocks/s", beside, one_ratio, at_least=ONE_BAR),
        row(f"{what}, two workers", f"{two:.0f} blocks/s", beside, two_ratio, at_least=TWO_BAR),
        row(
            f"one full block, {NAIVE_ADDRESSES:,} addresses",
            f"{block_s * 1e3:.0f} ms",
            f"asking the node for each address: {naive_s:.1f} s",
            naive_s / block_s,
            at_least=NAIVE_BAR,
        ),
    ]


if __name__ == "__main__":
    for each in rows():
        print(each)
