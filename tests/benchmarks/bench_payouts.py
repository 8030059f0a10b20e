"""What a payout costs when fifty share a chain tx, and how soon a hundred that wait have left.

    python -m tests.benchmarks.bench_payouts

Cost: signed bytes, over the same outputs at the same rate, alone and together. Time: the cashier as it is
served, with its signer and a real bitcoind on regtest.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from coins.bitcoin.derive import XpubDeriver
from coins.bitcoin.plan import Terms, plan_payout
from coins.bitcoin.select import Limits
from coins.bitcoin.sign import account_xpub, sign_plan
from coins.bitcoin.wire import decode_tx
from coins.types import AttemptPlan, Branch, Outpoint, Payee, PayoutWork, TxOutput, Utxo
from config.schema import BitcoinCoinSettings
from ledger.batch import fee_shares
from tests.benchmarks.table import Row, row
from tests.coins.bitcoin.setup import SEED, coin_settings
from tests.demo.stage import Stage
from tests.flows.shop import Shop

PAYOUTS, WAITING = 50, 100
RATE_SAT_VB = 20
ROUNDS = 3
COST_BAR, TIME_BAR_S = 0.35, 5.0


class Wallet:
    """Deposits of a house, and payouts to make; amounts from a thousandth to one coin."""

    def __init__(self, seed: int) -> None:
        """The same number gives the same wallet."""
        self._settings: BitcoinCoinSettings = coin_settings("BTC")
        settings = self._settings
        keys = (account_xpub(SEED, settings, account) for account in (0, 1))
        deriver = XpubDeriver(settings, *keys)
        chance = random.Random(seed)
        self._utxos = tuple(
            Utxo(
                Outpoint(f"{n + 1:064x}", 0),
                int(10 ** chance.uniform(5, 8)),
                deriver.derive_now(Branch.DEPOSIT, n),
            )
            for n in range(300)
        )
        self._payees = [
            Payee(f"w{n}", TxOutput(b"\x00\x14" + chance.randbytes(20), "", int(10 ** chance.uniform(5, 7))))
            for n in range(PAYOUTS)
        ]
        self._change = deriver.derive_now(Branch.CHANGE, 0)
        self._terms = Terms(
            Limits(RATE_SAT_VB, settings.dust, settings.max_tx_fee, settings.fee_rate.fallback),
            settings.signer_tx_cap,
            settings.rbf,
        )

    def _work(self, payees: Sequence[Payee], utxos: tuple[Utxo, ...]) -> PayoutWork:
        first = payees[0]
        work = PayoutWork(first.intent_id, "payout", "BTC", first.output, utxos, self._change)
        return replace(work, more=tuple(payees[1:]))

    def together(self) -> list[AttemptPlan]:
        """All in one chain tx."""
        plan = plan_payout(self._work(self._payees, self._utxos), self._terms)
        if len(plan.more) != PAYOUTS - 1:
            raise AssertionError(f"{1 + len(plan.more)} of {PAYOUTS} payouts fit")
        return [plan]

    def alone(self) -> list[AttemptPlan]:
        """One chain tx each, from outputs that the ones before have left."""
        plans, utxos = [], self._utxos
        for payee in self._payees:
            plan = plan_payout(self._work([payee], utxos), self._terms)
            taken = {utxo.outpoint for utxo in plan.inputs}
            utxos = tuple(utxo for utxo in utxos if utxo.outpoint not in taken)
            plans.append(plan)
        return plans

    def vbytes(self, plans: Sequence[AttemptPlan]) -> int:
        """Virtual bytes of the signed chain txs."""
        signed = [sign_plan(SEED, self._settings, plan).raw for plan in plans]
        return sum(decode_tx(bytes.fromhex(raw)).vsize for raw in signed)


def cost() -> list[Row]:
    """Virtual bytes and fee per payout, together and alone; medians over several wallets."""
    found = []
    for seed in range(ROUNDS):
        wallet = Wallet(seed)
        together, alone = wallet.together(), wallet.alone()
        fees = [sum(plan.fee for plan in plans) for plans in (together, alone)]
        if sum(fee_shares(fees[0], PAYOUTS)) != fees[0]:
            raise AssertionError("the shares do not sum to the fee")
        sizes = [wallet.vbytes(plans) for plans in (together, alone)]
        found.append((sizes[0] / sizes[1], fees[0] / fees[1], sizes, fees))
    size_ratio, fee_ratio, sizes, fees = sorted(found)[ROUNDS // 2]
    return [
        row(f"BTC batched: virtual bytes per payout, {PAYOUTS} in one",
            f"{sizes[0] / PAYOUTS:.1f} vB", f"each alone: {sizes[1] / PAYOUTS:.1f} vB", size_ratio,
            at_most=COST_BAR),
        row(f"BTC batched: network fee per payout at {RATE_SAT_VB} sat/vB, {PAYOUTS} in one",
            f"{fees[0] / PAYOUTS:,.0f} sat, shares sum to the fee",
            f"each alone: {fees[1] / PAYOUTS:,.0f} sat", fee_ratio, at_most=COST_BAR),
    ]  # fmt: skip


async def leave(stage: Stage, number: int) -> float:
    """Seconds from the approval of the last of a hundred to all of them being with the node."""
    shop = Shop(stage, "BTC")
    try:
        client = f"round{number}"
        await shop.fund(client, "2.00000000")
        payees = [await shop.chain.foreign_address() for _ in range(WAITING)]
        orders = [await shop.withdraw(client, "0.01000000", payee) for payee in payees[:-1]]
        began = time.perf_counter()
        orders.append(await shop.withdraw(client, "0.01000000", payees[-1]))
        for order in reversed(orders):
            while (await shop.withdrawal(order["id"]))["status"] not in ("broadcast", "confirmed", "final"):
                if time.perf_counter() - began > 10 * TIME_BAR_S:
                    raise AssertionError(f"{order['id']} has not left: {stage.log_tail()}")
                await asyncio.sleep(0.02)
        seconds = time.perf_counter() - began
        for order in orders[-1:]:
            await shop.until_withdrawal(order["id"], "final", mine=True)
        return seconds
    finally:
        await shop.close()


async def measure(folder: Path) -> list[float]:
    """Seconds of each round."""
    prefix = "CASHIER__COINS__BTC__BATCH_"
    extra = {f"{prefix}MAX": str(WAITING), f"{prefix}INTERVAL_S": "3600"}
    stage = Stage(folder, extra=extra, only=("BTC",))
    try:
        stage.start_chains()
        stage.configure()
        stage.spawn()
        await stage.until_ready()
        return [await leave(stage, number) for number in range(ROUNDS)]
    finally:
        stage.stop()


def rows() -> list[Row]:
    """The table's rows."""
    found = cost()
    with tempfile.TemporaryDirectory(prefix="cashier-bench-") as folder:
        seconds = asyncio.run(measure(Path(folder) / "stage"))
    middle = statistics.median(seconds)
    return [
        *found,
        row(f"BTC: from approval to broadcast, {WAITING} waiting, one chain tx, real bitcoind",
            f"{middle:.2f} s", f"slowest {max(seconds):.2f} s", middle, at_most=TIME_BAR_S, unit=" s"),
    ]  # fmt: skip


if __name__ == "__main__":
    for each in rows():
        print(each)
