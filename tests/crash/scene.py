"""What is played around a point: prepared in peace, acted while the point is set, judged at the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar

import aiohttp

from tests.flows.operator import Operator
from tests.flows.shop import Shop

CLIENT = "crash"
BLOCK_S = 0.4
RETRY_FOR_S = 60.0
CONFIRMATIONS, FINAL_DEPTH = 2, 3
"""Depths of the matrix's chains: small, so that a point takes few blocks; credited and final still differ."""
AMOUNTS: Mapping[str, Mapping[str, str]] = {
    # fund: the client's money, in as many payments as outputs are wanted; held: above approval_above;
    # ceiling and target of the hot wallet, and what is brought to be above them; small: an output to be
    # brought together with others
    "BTC": {"fund": "1", "pay": "0.02", "held": "0.06", "approval": "0.05", "parked": "0.02"}
    | {"ceiling": "4", "target": "3.5", "above": "3", "small": "0.001"},
    "LTC": {"fund": "5", "pay": "0.1", "held": "0.6", "approval": "0.5", "parked": "0.1"}
    | {"ceiling": "20", "target": "17", "above": "15", "small": "0.01"},
    "ETH": {"fund": "10", "pay": "0.1", "held": "0.6", "approval": "0.5", "parked": "0.1"}
    | {"ceiling": "45", "target": "40", "above": "35"},
    "USDT-ETH": {"fund": "2000", "pay": "20", "held": "60", "approval": "50", "parked": "40"}
    | {"ceiling": "8000", "target": "7000", "above": "6000"},
}


class SceneError(Exception):
    """The outcome is not what it has to be."""


def expect(what: str, found: object, wanted: object) -> None:
    """Raise SceneError unless both are equal."""
    if found != wanted:
        raise SceneError(f"{what}: {found}, not {wanted}")


class Scene:
    """One story around one kill.

    ``settings`` are the cashier's from the beginning, ``later`` are added for the one that is killed and
    after; names below the currency. ``is_killed`` is set when the point has been passed.
    """

    ends_all: ClassVar[bool] = True
    """Whether the whole cashier ends at the point; else its signer alone does, at a point of its own."""

    def __init__(self, shop: Shop, operator: Operator, number: int) -> None:
        """``number`` tells the scenes of one run apart."""
        self.shop, self.operator = shop, operator
        self.client = f"{CLIENT}{number}"
        self.amounts = AMOUNTS[shop.currency]
        self.before: dict[str, str] = {}
        self.payees: list[str] = []
        self.orders: list[dict[str, Any]] = []
        self.is_killed = asyncio.Event()

    @property
    def settings(self) -> Mapping[str, str]:
        """As the matrix configures it, unless the scene says otherwise."""
        return {}

    @property
    def later(self) -> Mapping[str, str]:
        """Nothing changes, unless the scene says otherwise."""
        return {}

    async def prepare(self) -> None:
        """Everything up to the act, with a cashier that runs undisturbed."""
        self.before = await self.shop.balance(CLIENT)

    async def act(self) -> None:
        """What leads to the point; goes on through the kill."""
        raise AssertionError("the scene acts")

    async def finish(self) -> None:
        """Follow to the end and judge. Raises SceneError."""
        for order, payee in zip(self.orders, self.payees, strict=True):
            await self.paid_once(order, payee)
        costs = [Decimal(order["amount"]) + Decimal(order["fee"]) for order in self.orders]
        await self.debited(sum(costs, Decimal(0)))
        await self.agree()

    # -- steps -------------------------------------------------------------------------------------

    async def order(self, amount: str) -> None:
        """One more withdrawal to somebody new."""
        payee = await self.shop.chain.foreign_address()
        self.orders.append(await self.shop.withdraw(CLIENT, amount, payee))
        self.payees.append(payee)

    async def mine_until_killed(self) -> None:
        """Blocks come until the point has been passed."""
        while not self.is_killed.is_set():
            await self.shop.chain.mine()
            await asyncio.sleep(BLOCK_S)

    async def bury(self) -> None:
        """Block by block, what is mined becomes final."""
        for _ in range(FINAL_DEPTH + 1):
            await self.shop.chain.mine()
            await asyncio.sleep(BLOCK_S)

    async def sent(self) -> None:
        """Every order is sent and noted, none is mined."""
        for order in self.orders:
            await self.shop.until_withdrawal(order["id"], "broadcast")

    async def keep(self, ask: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        """Ask until there is an answer, as a person does whose page did not load."""
        give_up_at = time.monotonic() + RETRY_FOR_S
        while True:
            try:
                return await ask()
            except (aiohttp.ClientError, ConnectionError, TimeoutError, AssertionError) as error:
                if time.monotonic() > give_up_at:
                    raise SceneError(f"the operator has no answer: {error}") from error
                await asyncio.sleep(BLOCK_S)

    async def candidates(self, count: int) -> None:
        """Wait until the order has so many candidates, the newest of them sent."""

        def is_there(row: dict[str, Any]) -> bool:
            states = [attempt["state"] for attempt in row["attempts"] if attempt["state"] != "abandoned"]
            return len(states) >= count and states[-1] == "broadcast"

        await self.shop.until(partial(self.shop.withdrawal, self.orders[0]["id"]), is_there)

    async def agree(self) -> None:
        """The cashier's own look at the chain, the independent judge of the books: nothing is wrong."""
        await self.shop.agree()
        self.shop.check_books()

    # -- judging -----------------------------------------------------------------------------------

    async def paid_once(self, order: dict[str, Any], payee: str) -> None:
        """Final, by one chain tx of all candidates, and the payee has exactly the amount."""
        await self.shop.until_withdrawal(order["id"], "broadcast", "confirmed", "final")
        done = await self.shop.until_withdrawal(order["id"], "final", mine=True)
        mined = [attempt["txid"] for attempt in done["attempts"] if attempt["state"] == "mined"]
        expect("candidates that are mined", mined, [done["txid"]])
        live = [a["state"] for a in done["attempts"] if a["state"] not in ("mined", "replaced", "abandoned")]
        expect("candidates that are left", live, [])
        expect("needs attention", done["attention"], False)
        await self.received(payee, done["amount"])

    async def nothing_left(self, order: dict[str, Any], payee: str, status: str) -> None:
        """It ended so, with no candidate that could still be mined, and the client has all of it back."""
        await self.shop.mine(FINAL_DEPTH)
        row = await self.shop.until_withdrawal(order["id"], status)
        live = [a["state"] for a in row["attempts"] if a["state"] != "abandoned"]
        expect("candidates that are left", live, [])
        await self.received(payee, "0")
        await self.debited(Decimal(0))

    async def received(self, payee: str, amount: str) -> None:
        """The chain brought the payee exactly this much."""
        units = int(Decimal(amount).scaleb(self.shop.chain.decimals))
        expect("base units at the payee", await self.shop.chain.received(payee), units)

    async def debited(self, amount: Decimal) -> None:
        """The client has so much less, and nothing more is held."""
        after = await self.shop.balance(CLIENT)
        expect("debited", Decimal(self.before["available"]) - Decimal(after["available"]), amount)
        expect("reserved", after["reserved"], self.before["reserved"])
