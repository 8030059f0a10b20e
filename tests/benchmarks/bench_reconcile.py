"""Chain and books compared at one block: 100,000 BTC addresses, 10,000 accounts with ETH and two tokens; and
how many comparisons lead to the first bad one of 10,000 blocks.

    python -m tests.benchmarks.bench_reconcile

Real nodes, real readers, real books with that many scripts, some of them paid. The time that the node is
asked and waited for is shown apart; the bar of BTC is for all of it, that of ETH for what we add.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from actors.bisect import first_bad
from actors.comparer import Comparer
from actors.reconcile_now import Offline
from coins.bitcoin.reader import BitcoinReader
from coins.bitcoin.rpc import RpcClient
from coins.evm.reader import EvmReader
from coins.evm.rpc import EvmRpc
from coins.family import ChainReader
from coins.index import WatchIndex
from coins.types import ChainDelta
from ledger.commands import ApplyChainDelta, RegisterCoin, SetAnchor, SetCurrencyState
from ledger.connection import connect
from ledger.reader import LedgerReader
from ledger.store import SqliteStore
from ledger.views import ReconciliationView
from tests.benchmarks.table import Row, row
from tests.coins.bitcoin.setup import settings_for
from tests.coins.evm.world import eth_settings, token_settings
from tests.ledger.books import BTC, NOW, do, open_store
from tests.ledger.till import ETH
from tests.nodes.contract import deploy_token
from tests.nodes.regtest import AnvilNode, BitcoinNode

ADDRESSES, ACCOUNTS, PAID, BLOCKS = 100_000, 10_000, 50, 10_000
PAYEES = "payees"
BAR_BTC_S, BAR_ETH_S, BAR_BISECT = 10.0, 5.0, 19


class ReconcileBenchError(Exception):
    """Chain and books, which are the same, were found to differ."""


def _write_scripts(path: Path, currency: str, scripts: Sequence[bytes]) -> None:
    """Own scripts of as many clients, as if each had been issued."""
    db = connect(path)
    db.execute("BEGIN IMMEDIATE")
    db.executemany(
        "INSERT INTO own_script (chain, currency, script, address, branch, script_index, location, client_id,"
        " purpose, created_at) VALUES (?, ?, ?, ?, 'deposit', ?, 'deposit', ?, ?, ?)",
        (
            (currency, currency, script, f"address {number}", number, f"c{number}", f"client:{number}", NOW)
            for number, script in enumerate(scripts)
        ),
    )
    db.execute("COMMIT")
    db.close()


async def _books(
    folder: Path, coins: Sequence[RegisterCoin], reader: ChainReader, scripts: Sequence[bytes], first: int
) -> SqliteStore:
    """Books with these scripts that have read the blocks from ``first`` on."""
    store = open_store(folder)
    chain = coins[0].currency
    anchor = await reader.block_ref(first - 1)
    if anchor is None:
        raise ReconcileBenchError(f"no block at height {first - 1}")
    for coin in coins:
        do(store, coin)
    do(store, SetCurrencyState(chain, "open", ""))
    do(store, SetAnchor(chain, anchor))
    _write_scripts(store.path, chain, scripts)
    index = WatchIndex()
    index.add_scripts(scripts)
    head = await reader.head()
    for height in range(first, head.height + 1):
        ref = await reader.block_ref(height)
        if ref is None:
            raise ReconcileBenchError(f"no block at height {height}")
        block = await reader.read_block(height, ref.block_hash, index)
        do(store, ApplyChainDelta(ChainDelta(chain, (), (block,), len(scripts))))
    return store


async def compare(
    folder: Path, coins: Sequence[RegisterCoin], reader: ChainReader, scripts: Sequence[bytes], first: int
) -> tuple[float, float, tuple[ReconciliationView, ...]]:
    """Seconds of one comparison, those of the node among them, and the results."""
    store = await _books(folder, coins, reader, scripts, first)
    books = await LedgerReader(store.path, now_s=lambda: NOW, connections=1).open()
    try:
        ledger = Offline(store, books, NOW)
        comparer = Comparer(ledger.ask, coins[0].currency, reader, lambda: "rec_1", asyncio.sleep)
        began = time.perf_counter()
        views = await comparer.compare("demand", None)
        took = time.perf_counter() - began
    finally:
        await books.close()
        store.close()
    for view in views:
        if view.status != "ok":
            raise ReconcileBenchError(f"{view.currency} differs: {view.lines}")
    return took, views[0].inputs["node_ms"] / 1000, views


async def bitcoin(folder: Path, addresses: int, paid: int) -> tuple[float, float]:
    """Seconds in all and of the node, on a real bitcoind."""
    with BitcoinNode("bitcoind", folder / "node") as node:
        node.create_wallet()
        node.fund_faucet(2)
        settings = settings_for(node)
        first = node.height + 1
        node.create_wallet(PAYEES)  # not the faucet's own: it would spend them again
        mined = [node.new_address(PAYEES) for _ in range(paid)]
        for address in mined:
            node.send(address, "0.01")
        while node.rpc("getmempoolinfo")["size"]:
            node.mine()
        own = [
            bytes.fromhex(node.rpc("getaddressinfo", address, wallet=PAYEES)["scriptPubKey"])
            for address in mined
        ]
        scripts = own + [b"\x00\x14" + number.to_bytes(20, "big") for number in range(addresses - paid)]
        reader = BitcoinReader(settings, RpcClient(settings.node))
        try:
            took, node_s, views = await compare(folder, (BTC,), reader, scripts, first)
        finally:
            await reader.close()
    if views[0].totals["onchain"] != paid * 10**6:
        raise ReconcileBenchError(f"{views[0].totals['onchain']} are booked")
    return took, node_s


async def ether(folder: Path, accounts: int, paid: int) -> tuple[float, float]:
    """Seconds in all and of the node, on a real anvil with two tokens."""
    with AnvilNode(folder / "node") as node:
        tokens = [deploy_token(node, name) for name in ("ONE", "TWO")]
        names = ("ONE-ETH", "TWO-ETH")
        configured = tuple(
            token_settings(token.address, name) for token, name in zip(tokens, names, strict=True)
        )
        settings = eth_settings(node.rpc_url, tokens=configured)
        own = [number.to_bytes(20, "big") for number in range(2**100, 2**100 + accounts)]
        first = node.height + 1
        for account in own[:paid]:
            node.send("0x" + account.hex(), 10**15)
            for token in tokens:
                token.send("transfer", "0x" + account.hex(), 5_000_000)
        node.mine()
        coins = [ETH, *(replace(ETH, currency=name, name=name, decimals=6) for name in names)]
        reader = EvmReader(settings, EvmRpc(settings.node, settings.chain_id))
        try:
            await reader.identify()
            took, node_s, views = await compare(folder, coins, reader, own, first)
        finally:
            await reader.close()
    if [view.totals["onchain"] for view in views[1:]] != [paid * 5_000_000] * 2:
        raise ReconcileBenchError(f"{[view.totals for view in views]} are booked")
    return took, node_s


async def most_compared(blocks: int) -> int:
    """The most comparisons that any first bad block of so many takes."""
    most = 0
    for bad in range(1, blocks + 1, max(1, blocks // 997)):
        asked: list[int] = []

        async def is_bad(height: int, bad: int = bad, asked: list[int] = asked) -> bool:
            asked.append(height)
            return height >= bad

        if await first_bad(0, blocks, is_bad) != bad:
            raise ReconcileBenchError(f"block {bad} was not found")
        most = max(most, len(asked))
    return most


def rows(
    addresses: int = ADDRESSES, accounts: int = ACCOUNTS, blocks: int = BLOCKS, paid: int = PAID
) -> list[Row]:
    """One row for each chain, and one for the search."""
    found: list[Row] = []
    measured: tuple[tuple[str, Any, int, float], ...] = (
        ("BTC addresses", bitcoin, addresses, BAR_BTC_S),
        ("ETH accounts + 2 tokens", ether, accounts, BAR_ETH_S),
    )
    for what, measure, count, bar_s in measured:
        with tempfile.TemporaryDirectory() as folder:
            took, node_s = asyncio.run(measure(Path(folder), count, paid))
        own_s = took - node_s if what.startswith("ETH") else took
        text = f"{took:.2f} s, the node {node_s:.2f} s of it"
        found.append(row(f"reconcile {count:,} {what}", text, "seconds", own_s, at_most=bar_s, unit=" s"))
    most = asyncio.run(most_compared(blocks))
    found.append(
        row(f"first bad of {blocks:,} blocks", f"{most} comparisons", "comparisons", most, at_most=BAR_BISECT)
    )
    return found


if __name__ == "__main__":
    for each in rows():
        print(each)
