"""The end of a run: everything becomes final, then the books are held against the chain."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any

from ledger.verify import verify_file
from tests.fakes.oracle import check_books
from tests.fuzz.truth import Truth, hold_bitcoin, hold_evm, read_bitcoin, read_evm
from tests.fuzz.world import World
from tests.ledger.books import balance, rows
from tests.nodes.regtest import AnvilNode

ENDS = {"final", "cancelled", "rejected", "failed"}
NOT_YET = {"confirming", "credited"}
GONE = {"seen", "orphaned", "reversed", "conflicted"}
MATURITY = 106
"""Blocks after which a coinbase is credited and final."""
QUIET_S = 90.0
"""Time within which everything must have come to its end."""


class Judge:
    """Holds one world's API and database against its chain. ``wrong`` is what does not agree, ``met``
    counts how deposits and withdrawals ended."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.shop = world.shop
        self.currency = world.shop.currency
        self.path: Path = world.stage.folder / "data" / "cashier.sqlite"
        self.wrong: list[str] = []
        self.met: Counter[str] = Counter()

    # -- the quiet time --------------------------------------------------------------------------

    async def quiet(self) -> None:
        """Mine until nothing is open. Raises AssertionError with what does not come to its end.

        A node that lost blocks is brought above where it was first; what was sent without an answer is
        sent again after a pause only, so the bound is one of time.
        """
        lost = self.world.highest - self.world.node.height
        if lost > 0:
            await self.shop.chain.mine(lost)
        if self.world.records.fired["coinbase"]:
            await self.shop.chain.mine(MATURITY)
        give_up_at = time.monotonic() + QUIET_S
        open_ = ["everything"]
        while open_ and time.monotonic() < give_up_at:
            await self.shop.mine()
            open_ = await self._open()
        tail = self.world.stage.log_tail()
        assert not open_, f"not at an end after {QUIET_S:.0f} quiet seconds: {open_[:5]}\n{tail}"
        await self.shop.until_state("open")

    async def _open(self) -> list[str]:
        """Deposits and withdrawals that are still on their way."""
        found = [f"deposit {row['id']} {row['status']}" for row in await self._list("deposits")]
        found = [text for text in found if text.rsplit(" ", 1)[1] in NOT_YET]
        for row in await self._list("withdrawals"):
            if row["status"] not in ENDS:
                found.append(f"withdrawal {row['id']} {row['status']} waits for {row['waiting_for']}")
        return found

    async def _list(self, what: str) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = []
        target = f"/v1/{what}?currency={self.currency}&limit=500"
        cursor = ""
        while True:
            page = await self.shop.website.get(target + cursor)
            listed += page["data"]
            if page["next_cursor"] is None:
                return listed
            cursor = f"&cursor={page['next_cursor']}"

    # -- the verdict -----------------------------------------------------------------------------

    async def verdict(self) -> list[str]:
        """Everything that is wrong; empty when the books are the chain's."""
        await self.quiet()
        deposits, orders = await self._list("deposits"), await self._list("withdrawals")
        known = {row["id"] for row in orders}
        self.met.update(f"deposit {row['status']}" for row in deposits)
        self.met.update(f"withdrawal {row['status']}" for row in orders)
        together = (
            "SELECT a.state FROM attempt a JOIN intent i ON i.id = a.intent_id WHERE i.kind = 'consolidate'"
        )
        self.met.update(f"consolidation {state}" for (state,) in rows(self.path, together))
        self._expect("withdrawals the website was told of", set(self.world.records.orders) - known, set())
        truth = await asyncio.to_thread(self._truth, [str(row["address"]) for row in orders])
        self._deposits(deposits, truth)
        self._payouts(orders, truth)
        await self._balances(orders, truth)
        await asyncio.to_thread(self._accounts, orders, truth)
        await self._reconciled()
        self.wrong += check_books(self.path)
        self.wrong += [f"{found.kind} {found.row}: {found.detail}" for found in verify_file(self.path)]
        return self.wrong

    def _expect(self, what: str, found: object, expected: object) -> None:
        if found != expected:
            self.wrong.append(f"{what}: {found}, expected {expected}")

    def _own(self) -> list[str]:
        """Addresses of ours, the house's as well."""
        return [row[0] for row in rows(self.path, "SELECT address FROM own_script")]

    def _truth(self, payees: list[str]) -> Truth:
        node, watched = self.world.node, list(self.world.records.addresses)
        assert len(set(payees)) == len(payees), "each withdrawal has a payee of its own"
        read: Any = read_evm if isinstance(node, AnvilNode) else read_bitcoin
        truth: Truth = read(node, watched, self._own(), payees)
        return truth

    def _status(self, amount: int) -> str:
        return "final" if amount >= self.world.limits["minimum_deposit"] else "parked"

    def _deposits(self, deposits: list[dict[str, Any]], truth: Truth) -> None:
        """Each receipt of the chain is one deposit, and nothing else was ever credited for good."""
        owners, units = self.world.records.addresses, self.world.units
        told = {
            (row["txid"], row["output_index"]): (row["client_id"], units(row["amount"]), row["status"])
            for row in deposits
            if row["status"] not in GONE
        }
        expected = {
            key: (owners[address], amount, self._status(amount))
            for key, (address, amount) in truth.receipts.items()
        }
        for key in sorted({*told, *expected}, key=str):
            self._expect(f"deposit {key}", told.get(key), expected.get(key))
        self._expect("deposits told twice", len(told), sum(row["status"] not in GONE for row in deposits))

    def _payouts(self, orders: list[dict[str, Any]], truth: Truth) -> None:
        """Each final withdrawal arrived once with its exact amount, no other ever."""
        for row in orders:
            expected = [self.world.units(row["amount"])] if row["status"] == "final" else []
            paid = truth.paid[str(row["address"])]
            self._expect(f"paid for withdrawal {row['id']} ({row['status']})", paid, expected)

    async def _balances(self, orders: list[dict[str, Any]], truth: Truth) -> None:
        """Per client: receipts, transfers and withdrawals, added up anew."""
        records, units = self.world.records, self.world.units
        expected = dict.fromkeys(records.addresses.values(), 0) | {"house": 0}
        for address, amount in truth.receipts.values():
            if self._status(amount) == "final":
                expected[records.addresses[address]] += amount
        for giver, taker, amount in records.transfers:
            expected[giver] -= amount
            expected[taker] = expected.get(taker, 0) + amount
        for row in orders:
            if row["status"] == "final":
                expected[row["client_id"]] -= units(row["amount"]) + units(row["fee"])
        self._expect("house", balance(self.path, f"house:{self.currency}"), expected.pop("house"))
        for client, net in expected.items():
            told = {k: units(v) for k, v in (await self.shop.balance(client)).items() if k != "currency"}
            self._expect(f"balance of {client}", told["available"] - told["deficit"], net)
            self._expect(f"open money of {client}", (told["reserved"], told["pending"]), (0, 0))
            self._expect(f"withdrawable of {client}", told["withdrawable"], told["available"])

    def _accounts(self, orders: list[dict[str, Any]], truth: Truth) -> None:
        """What no client owns: parked money, fees, and all that lies on our scripts."""
        node, own = self.world.node, self._own()
        held = hold_evm(node, own) if isinstance(node, AnvilNode) else hold_bitcoin(node, own)
        onchain = sum(
            balance(self.path, f"onchain:{self.currency}:{at}") for at in ("deposit", "hot", "cold")
        )
        self._expect("onchain", onchain, held)
        parked = sum(a for _, a in truth.receipts.values() if self._status(a) == "parked")
        fees = sum(self.world.units(row["fee"]) for row in orders if row["status"] == "final")
        expected = {
            "suspense": parked,
            "withdrawal_fee": fees,
            "network_fee": truth.network_fees,
            "unexplained": 0,
        }
        for name, amount in expected.items():
            self._expect(name, balance(self.path, f"{name}:{self.currency}"), amount)

    async def _reconciled(self) -> None:
        """The cashier's own comparison, made after this moment, finds no difference."""
        mined_at = time.monotonic()
        await self.shop.mine()

        async def verdict() -> float | None:
            found = await self.world.stage.gauges(self.currency)
            age_s = found.get("cashier_reconciliation_age_seconds")
            is_new = age_s is not None and age_s < time.monotonic() - mined_at
            return found.get("cashier_reconciliation_ok") if is_new else None

        told = await self.shop.until(verdict, lambda found: found is not None, mine=True)
        self._expect("reconciliation_ok", told, 1.0)
