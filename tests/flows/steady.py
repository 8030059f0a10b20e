"""Withdrawals at a steady pace over three currencies on real nodes, mining along.

    python -m tests.flows.steady SECONDS [PER_SECOND]

Whether each payee was paid exactly once is read from the chains, not from the cashier. The exit code is 1
when one was not, when a withdrawal is not final in the end, or when the replies were late.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from coins.bitcoin.address import encode_bech32
from tests.benchmarks.bench_latency import p99
from tests.demo.stage import Stage
from tests.flows.shop import Shop
from tests.nodes.regtest import AnvilNode, BitcoinNode

PER_SECOND = 10.0
P99_BAR_S = 0.150
CLIENTS = 20
SETTLE_S = 180.0


@dataclass(frozen=True, slots=True)
class Terms:
    """What is withdrawn of a currency, and what one withdrawal takes from its client."""

    amount: str
    base_units: int
    cost_base_units: int
    block_s: float


TERMS: Mapping[str, Terms] = {
    "BTC": Terms("0.00050000", 50_000, 60_000, 2.0),
    "LTC": Terms("0.02000000", 2_000_000, 2_500_000, 2.0),
    "ETH": Terms("0.005000000000000000", 5 * 10**15, 6 * 10**15, 1.0),
}
PREFIXES = {"BTC": "bcrt", "LTC": "rltc"}


@dataclass(slots=True)
class Sent:
    """One request: whom it pays (as an address and as chains show it), what was answered and how late."""

    address: str
    payee: str
    status: int = 0
    withdrawal_id: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a run; ``faults`` is empty when every withdrawal was taken and paid exactly once."""

    accepted: int
    p99_s: float
    settled_s: float
    faults: list[str]


class Line:
    """One currency's share of the withdrawals."""

    def __init__(self, shop: Shop) -> None:
        """Nothing was sent yet."""
        self.shop = shop
        self.terms = TERMS[shop.currency]
        self.sent: list[Sent] = []
        self.first_block = 0

    async def fund(self, withdrawals: int) -> None:
        """Several clients with enough for all withdrawals, a few deposits each so that outputs suffice."""
        each = -(-withdrawals // CLIENTS) + 1
        amount = each * self.terms.cost_base_units
        whole, fraction = divmod(amount, 10**self.shop.chain.decimals)
        shown = f"{whole}.{fraction:0{self.shop.chain.decimals}d}"
        for number in range(CLIENTS):
            address = await self.shop.address(f"steady-{number}")
            await asyncio.to_thread(self.shop.pay, address, shown)
        await self.shop.mine(6)
        for number in range(CLIENTS):
            await self.shop.until_deposit(f"steady-{number}", "final", mine=True)
        self.first_block = self.shop.chain.node.height + 1

    def new_payee(self) -> Sent:
        """Somebody whom nobody has paid."""
        prefix, program = PREFIXES.get(self.shop.currency), secrets.token_bytes(20)
        if prefix is None:
            return Sent(f"0x{program.hex()}", f"0x{program.hex()}")
        return Sent(encode_bech32(prefix, 0, program), f"0014{program.hex()}")

    async def ask(self, due: float) -> None:
        """One withdrawal; its time runs from when it was due."""
        sent = self.new_payee()
        self.sent.append(sent)
        client = f"steady-{len(self.sent) % CLIENTS}"
        order = self.shop.order(client, self.terms.amount, sent.address)
        answer = await self.shop.send("POST", "/v1/withdrawals", order, key=secrets.token_hex(12))
        sent.seconds = time.monotonic() - due
        sent.status = answer.status
        sent.withdrawal_id = str(answer.body.get("id") or answer.code)

    async def mine_along(self) -> None:
        """Blocks until cancelled."""
        while True:
            await self.shop.chain.mine()
            await asyncio.sleep(self.terms.block_s)

    async def until_final(self) -> list[str]:
        """Wait until every withdrawal is final; those that are not in time are named."""
        deadline = time.monotonic() + SETTLE_S
        states: Counter[str] = Counter()
        while time.monotonic() < deadline:
            states = Counter([row async for row in self._states()])
            if set(states) == {"final"} and states["final"] == len(self.sent):
                return []
            await asyncio.sleep(1.0)
        return [f"{self.shop.currency}: of {len(self.sent)} withdrawals {dict(states)}"]

    async def _states(self) -> AsyncIterator[str]:
        """The state of each withdrawal of the currency, as the website sees it."""
        target, cursor = f"/v1/withdrawals?currency={self.shop.currency}&limit=500", ""
        while True:
            page = await self.shop.website.get(target + cursor)
            for row in page["data"]:
                yield row["status"]
            if page["next_cursor"] is None:
                return
            cursor = f"&cursor={page['next_cursor']}"

    def paid_wrong(self) -> list[str]:
        """Payees that the chain did not pay their amount exactly once."""
        node = self.shop.chain.node
        paid = received_by_utxo(node, self.first_block) if isinstance(node, BitcoinNode) else None
        if isinstance(node, AnvilNode):
            paid = received_by_account(node, self.first_block)
        assert paid is not None
        return [
            f"{self.shop.currency}: {sent.address} was paid {paid.get(sent.payee, [])}"
            for sent in self.sent
            if sent.status == 201 and paid.get(sent.payee) != [self.terms.base_units]
        ]


def received_by_utxo(node: BitcoinNode, first: int) -> dict[str, list[int]]:
    """Every output since a block, by its script (hex)."""
    paid: dict[str, list[int]] = {}
    for height in range(first, node.height + 1):
        block = node.rpc("getblock", str(node.rpc("getblockhash", height)), 2)
        for tx in block["tx"]:
            for output in tx["vout"]:
                script = str(output["scriptPubKey"]["hex"])
                paid.setdefault(script, []).append(round(float(output["value"]) * 10**8))
    return paid


def received_by_account(node: AnvilNode, first: int) -> dict[str, list[int]]:
    """Every native payment since a block, by address; its sum is also what the address holds."""
    paid: dict[str, list[int]] = {}
    for height in range(first, node.height + 1):
        for tx in node.rpc("eth_getBlockByNumber", hex(height), True)["transactions"]:
            if tx["to"] is not None:
                paid.setdefault(str(tx["to"]).lower(), []).append(int(tx["value"], 16))
    return {address: amounts for address, amounts in paid.items() if node.balance(address) == sum(amounts)}


@asynccontextmanager
async def _mining(lines: list[Line]) -> AsyncIterator[None]:
    """Blocks on every chain meanwhile."""
    tasks = [asyncio.create_task(line.mine_along()) for line in lines]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def hold(stage: Stage, seconds: float, per_second: float = PER_SECOND) -> Report:
    """Ask at this pace for so long, in turn in each currency, and wait for the end of all of it."""
    lines = [Line(Shop(stage, chain.currency)) for chain in stage.chains]
    total = int(seconds * per_second)
    try:
        await asyncio.gather(*[line.fund(-(-total // len(lines))) for line in lines])
        async with _mining(lines):
            first, asking = time.monotonic(), []
            for number in range(total):
                due = first + number / per_second
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                asking.append(asyncio.create_task(lines[number % len(lines)].ask(due)))
            await asyncio.gather(*asking)
            asked = time.monotonic()
            late = await asyncio.gather(*[line.until_final() for line in lines])
            settled_s = time.monotonic() - asked
        faults = [fault for part in late for fault in part]
        for line in lines:
            faults += await asyncio.to_thread(line.paid_wrong)
        lines[0].shop.check_books()
    finally:
        for line in lines:
            await line.shop.close()
    sent = [each for line in lines for each in line.sent]
    faults += [f"answered {each.status} {each.withdrawal_id}" for each in sent if each.status != 201]
    accepted = sum(each.status == 201 for each in sent)
    return Report(accepted, p99([each.seconds for each in sent]), settled_s, faults)


async def main(seconds: float, per_second: float) -> int:
    """Play it once and say what became of it; the exit code."""
    with tempfile.TemporaryDirectory(prefix="cashier-steady-") as folder:
        stage = Stage(Path(folder) / "stage", only=tuple(TERMS))
        try:
            await asyncio.to_thread(stage.start_chains)
            stage.configure()
            stage.spawn()
            await stage.until_ready()
            report = await hold(stage, seconds, per_second)
        finally:
            stage.stop()
    print(
        f"{report.accepted} withdrawals at {per_second:g}/s over {', '.join(TERMS)}: "
        f"p99 {report.p99_s * 1000:.0f} ms, all final {report.settled_s:.0f} s after the last"
    )
    for fault in report.faults[:20]:
        print(fault)
    if report.p99_s > P99_BAR_S:
        print(f"the replies were late: at most {P99_BAR_S * 1000:.0f} ms at p99")
    return 1 if report.faults or report.p99_s > P99_BAR_S else 0


if __name__ == "__main__":
    pace = float(sys.argv[2]) if len(sys.argv) > 2 else PER_SECOND
    sys.exit(asyncio.run(main(float(sys.argv[1]), pace)))
