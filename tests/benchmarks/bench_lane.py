"""100 ETH withdrawals at once: how long from the approval until the node has each, and no nonce is missing.

    python -m tests.benchmarks.bench_lane

The real server with its signer process, over HTTP, and a real anvil. A withdrawal below the limit is approved
when it is taken; time runs from that answer until the withdrawal is seen as broadcast.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.table import Row, row
from tests.demo.chains import WEI
from tests.demo.stage import Stage
from tests.flows.shop import Shop
from tests.flows.test_withdrawal_evm import hot_address

COUNT, AMOUNT, BAR_S = 100, "0.005", 10.0
CLIENT, FUNDS = "bench", "9"
SENT = ("broadcast", "confirmed", "final")


class LaneError(Exception):
    """What was paid is not what was asked for."""


async def order_all(shop: Shop, count: int) -> tuple[list[str], float]:
    """Ask for so many withdrawals at once; their ids, and when the last one was approved."""
    payees = [await shop.chain.foreign_address() for _ in range(count)]
    orders = await asyncio.gather(*(shop.withdraw(CLIENT, AMOUNT, payee) for payee in payees))
    return [str(order["id"]) for order in orders], time.perf_counter()


async def until_sent(shop: Shop, count: int) -> list[dict[str, Any]]:
    """The client's withdrawals, once the node has them all."""

    async def read() -> list[dict[str, Any]]:
        return await shop.withdrawals(CLIENT)

    found: list[dict[str, Any]] = await shop.until(
        read, lambda rows: len(rows) == count and all(each["status"] in SENT for each in rows)
    )
    return found


async def measure(folder: Path, count: int) -> tuple[float, float]:
    """Seconds from the first approval and from the last one until the last broadcast."""
    stage = Stage(folder, only=("ETH",))
    shop = None
    try:
        stage.start_chains()
        stage.configure()
        stage.spawn()
        await stage.until_ready()
        shop = Shop(stage)
        await shop.fund(CLIENT, FUNDS)
        shop.anvil.send(hot_address(stage), 2 * WEI)
        await shop.mine(12)
        began = time.perf_counter()
        _, approved = await order_all(shop, count)
        rows = await until_sent(shop, count)
        ended = time.perf_counter()
        txs = [shop.anvil.rpc("eth_getTransactionByHash", each["txid"]) for each in rows]
        nonces = sorted(int(tx["nonce"], 16) for tx in txs)
        if nonces != list(range(nonces[0], nonces[0] + count)):
            raise LaneError(f"the nonces have a gap: {nonces}")
        return ended - began, max(ended - approved, 0.0)
    finally:
        if shop is not None:
            await shop.close()
        stage.stop()


def rows() -> list[Row]:
    """The table's rows."""
    with tempfile.TemporaryDirectory() as folder:
        whole_s, rest_s = asyncio.run(measure(Path(folder), COUNT))
    return [
        row(f"ETH lane: {COUNT} withdrawals at once, from the first request to the last broadcast, no gap",
            f"{whole_s:.1f} s", f"{rest_s:.1f} s of it after the last approval", whole_s,
            at_most=BAR_S, unit=" s"),
    ]  # fmt: skip


if __name__ == "__main__":
    for each in rows():
        print(each)
