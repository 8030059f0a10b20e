"""The main job for one currency, from the handshake to the books, told step by step."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from tests.demo.chains import Chain
from tests.demo.website import Website

STEPS = (
    "handshake",
    "address",
    "payment",
    "seen",
    "1/3",
    "2/3",
    "3/3",
    "credited",
    "final",
    "withdrawal",
    "signed",
    "broadcast",
    "confirmed",
    "books",
)
STEP_S = 60.0
POLL_S = 0.15
REACHED = {
    "signed": {"signed", "broadcast", "confirmed", "final"},
    "broadcast": {"broadcast", "confirmed", "final"},
    "confirmed": {"confirmed", "final"},
}

Gauges = Callable[[], Awaitable[dict[str, float]]]
"""Gives this currency's metrics by name."""
Tell = Callable[[str, str, str], None]
"""Told (currency, step, a few words) when a step is done."""


def short(amount_display: str) -> str:
    """An amount without its trailing zeros, for a narrow column."""
    return amount_display.rstrip("0").rstrip(".") if "." in amount_display else amount_display


class StoryError(Exception):
    """A step did not come about; names the currency and the step."""

    def __init__(self, currency: str, step: str, detail: str) -> None:
        """Say which step."""
        super().__init__(f"{currency}: {step}: {detail}")
        self.step = step


class Story:
    """One client's deposit and withdrawal in one currency, seen from the website."""

    def __init__(self, chain: Chain, website: Website, gauges: Gauges, client_id: str, tell: Tell) -> None:
        """``tell`` shows the steps to whoever looks."""
        self._chain = chain
        self._website = website
        self._gauges = gauges
        self._client = client_id
        self._currency = chain.currency
        self._tell_outside = tell
        self._step = STEPS[0]
        self.link = ""
        self.balances: dict[str, str] = {}

    async def play(self) -> None:
        """All steps in order. Raises StoryError."""
        try:
            async with asyncio.timeout(STEP_S * len(STEPS)):
                deposit = await self._deposit()
                await self._follow_deposit(deposit)
                await self._withdraw()
                await self._compare_books()
        except StoryError:
            raise
        except Exception as error:
            raise StoryError(self._currency, self._step, f"{type(error).__name__}: {error}") from error

    def _tell(self, step: str, words: str = "") -> None:
        self._tell_outside(self._currency, step, words)
        following = STEPS.index(step) + 1
        if following < len(STEPS):
            self._step = STEPS[following]

    async def _deposit(self) -> str:
        """Handshake, address, payment, seen; the id of the deposit."""
        session = await self._website.post(
            "/v1/sessions", {"client_id": self._client, "actions": ["deposit", "withdraw"]}
        )
        self.link = session["url"]
        self._tell("handshake", session["id"])
        issued = await self._website.put(f"/v1/clients/{self._client}/addresses/{self._currency}")
        self._tell("address", issued["address"])
        txid = await self._chain.pay(issued["address"])
        self._tell("payment", txid)
        found = await self._until("seen", self._find_deposit(txid), lambda deposit: deposit is not None)
        self._tell("seen", f"{short(found['amount'])} {self._currency}")
        return str(found["id"])

    def _find_deposit(self, txid: str) -> Callable[[], Any]:
        async def find() -> Any:
            listed = await self._website.get(f"/v1/deposits?client_id={self._client}&txid={txid}")
            return listed["data"][0] if listed["data"] else None

        return find

    async def _follow_deposit(self, deposit_id: str) -> None:
        """Block by block to the credit, then until it may be spent."""

        async def read() -> Any:
            return await self._website.get(f"/v1/deposits/{deposit_id}")

        for count in (1, 2, 3):
            await self._chain.mine()
            step = f"{count}/3"
            await self._until(step, read, _has_confirmations(count))
            self._tell(step)
        credited = await self._until("credited", read, lambda found: found["status"] in ("credited", "final"))
        self._tell("credited", f"{short(credited['amount'])} {self._currency}")
        await self._chain.mine(3)
        await self._until("final", read, lambda found: found["status"] == "final")
        self._tell("final")

    async def _withdraw(self) -> None:
        """Ask for money, mine until it has arrived; check that exactly the amount came."""
        address = await self._chain.foreign_address()
        asked = await self._website.post(
            "/v1/withdrawals",
            {
                "client_id": self._client,
                "currency": self._currency,
                "amount": self._chain.amounts.withdrawal,
                "address": address,
                "external_id": f"{self._client}-{self._currency}",
            },
        )
        self._tell(
            "withdrawal", f"{short(asked['amount'])} + fee {short(asked['fee'])} to {asked['address']}"
        )

        async def read() -> Any:
            return await self._website.get(f"/v1/withdrawals/{asked['id']}")

        for step, statuses in REACHED.items():
            found = await self._until(step, read, _is_one_of(statuses), mine=True)
            self._tell(step, found["txid"] or "")
        whole, _, fraction = self._chain.amounts.withdrawal.partition(".")
        received = await self._chain.received(address)
        if received != int(whole + fraction):
            raise StoryError(self._currency, "confirmed", f"the payee has {received} base units")

    async def _compare_books(self) -> None:
        """After one more block the chain's own answer and the books must agree; then the balances."""
        mined_at = time.monotonic()
        await self._chain.mine()

        async def verdict() -> Any:
            found = await self._gauges()
            age_s = found.get("cashier_reconciliation_age_seconds")
            is_of_that_block = age_s is not None and age_s < time.monotonic() - mined_at
            return found.get("cashier_reconciliation_ok") if is_of_that_block else None

        is_ok = await self._until("books", verdict, lambda found: found is not None, mine=True)
        if is_ok != 1:
            raise StoryError(self._currency, "books", "the chain and the books differ")
        rows = await self._website.get(f"/v1/clients/{self._client}/balances")
        self.balances = next(row for row in rows["data"] if row["currency"] == self._currency)
        currencies = await self._website.get("/v1/currencies")
        height = next(row["height"] for row in currencies["data"] if row["currency"] == self._currency)
        self._tell("books", f"agree at block {height}")

    async def _until(
        self, step: str, read: Callable[[], Any], is_done: Callable[[Any], bool], *, mine: bool = False
    ) -> Any:
        """Read until it is so; with ``mine`` a block is made now and then. Raises StoryError in time."""
        deadline = asyncio.get_running_loop().time() + STEP_S
        rounds = 0
        found = None
        while asyncio.get_running_loop().time() < deadline:
            found = await read()
            if is_done(found):
                return found
            rounds += 1
            if mine and rounds % 10 == 0:
                await self._chain.mine()
            await asyncio.sleep(POLL_S)
        raise StoryError(self._currency, step, f"not within {STEP_S:.0f} s; last seen: {found}")


def _has_confirmations(count: int) -> Callable[[Any], bool]:
    """Whether a deposit is so deep."""
    return lambda found: bool(found["confirmations"] >= count)


def _is_one_of(statuses: set[str]) -> Callable[[Any], bool]:
    """Whether an object has one of these states."""
    return lambda found: found["status"] in statuses
