"""What is played around a point: prepared in peace, acted while the point is set, judged at the end."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar

import aiohttp

from tests.demo.stage import Stage
from tests.flows.operator import Operator
from tests.flows.shop import Shop

CLIENT = "crash"
BLOCK_S = 0.4
RETRY_FOR_S = 60.0
AMOUNTS: Mapping[str, Mapping[str, str]] = {
    # fund: the client's money, in as many payments as outputs are wanted; held: above approval_above
    "BTC": {"fund": "1", "pay": "0.02", "held": "0.06", "approval": "0.05", "parked": "0.02"},
    "LTC": {"fund": "5", "pay": "0.1", "held": "0.6", "approval": "0.5", "parked": "0.1"},
    "ETH": {"fund": "10", "pay": "0.1", "held": "0.6", "approval": "0.5", "parked": "0.1"},
    "USDT-ETH": {"fund": "2000", "pay": "20", "held": "60", "approval": "50", "parked": "40"},
}


class SceneError(Exception):
    """The outcome is not what it has to be."""


def expect(what: str, found: object, wanted: object) -> None:
    """Raise SceneError unless both are equal."""
    if found != wanted:
        raise SceneError(f"{what}: {found}, not {wanted}")


class Scene:
    """One story around one kill. ``environment`` is set for the cashier that is to be killed and after.

    ``is_killed`` tells the act that the point has been passed.
    """

    environment: ClassVar[Mapping[str, str]] = {}

    def __init__(self, shop: Shop, operator: Operator, number: int) -> None:
        """``number`` tells the scenes of one run apart."""
        self.shop, self.operator = shop, operator
        self.client = f"{CLIENT}{number}"
        self.amounts = AMOUNTS[shop.currency]
        self.before: dict[str, str] = {}
        self.payees: list[str] = []
        self.orders: list[dict[str, Any]] = []
        self.is_killed = False

    async def prepare(self) -> None:
        """Everything up to the act, with a cashier that runs undisturbed."""
        self.before = await self.shop.balance(CLIENT)

    async def act(self) -> None:
        """What leads to the point; goes on through the kill."""
        raise AssertionError("the scene acts")

    async def finish(self) -> None:
        """Follow to the end and judge. Raises SceneError."""
        for order, payee in zip(self.orders, self.payees, strict=True):
            await self._paid_once(order, payee)
        costs = [Decimal(order["amount"]) + Decimal(order["fee"]) for order in self.orders]
        await self._debited(sum(costs, Decimal(0)))
        await self.agree()

    # -- steps -------------------------------------------------------------------------------------

    async def order(self, amount: str) -> None:
        """One more withdrawal to somebody new."""
        payee = await self.shop.chain.foreign_address()
        self.orders.append(await self.shop.withdraw(CLIENT, amount, payee))
        self.payees.append(payee)

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

    async def _paid_once(self, order: dict[str, Any], payee: str) -> None:
        """Final, by one chain tx of all candidates, and the payee has exactly the amount."""
        await self.shop.until_withdrawal(order["id"], "broadcast", "confirmed", "final")
        done = await self.shop.until_withdrawal(order["id"], "final", mine=True)
        mined = [attempt["txid"] for attempt in done["attempts"] if attempt["state"] == "mined"]
        expect("candidates that are mined", mined, [done["txid"]])
        live = [a["state"] for a in done["attempts"] if a["state"] not in ("mined", "replaced", "abandoned")]
        expect("candidates that are left", live, [])
        expect("needs attention", done["attention"], False)
        await self.received(payee, done["amount"])

    async def received(self, payee: str, amount: str) -> None:
        """The chain brought the payee exactly this much."""
        units = int(Decimal(amount).scaleb(self.shop.chain.decimals))
        expect("base units at the payee", await self.shop.chain.received(payee), units)

    async def _debited(self, amount: Decimal) -> None:
        """The client has so much less, and nothing more is held."""
        after = await self.shop.balance(CLIENT)
        expect("debited", Decimal(self.before["available"]) - Decimal(after["available"]), amount)
        expect("reserved", after["reserved"], self.before["reserved"])


class Pay(Scene):
    """One withdrawal from its request on."""

    async def act(self) -> None:
        await self.order(self.amounts["pay"])


class Settle(Pay):
    """A withdrawal that was sent is mined, block by block."""

    async def prepare(self) -> None:
        await super().prepare()
        await self.order(self.amounts["pay"])
        await self.sent()

    async def act(self) -> None:
        for _ in range(7):
            await self.shop.chain.mine()
            await asyncio.sleep(BLOCK_S)


class Approve(Scene):
    """A withdrawal that an operator has to let go."""

    async def prepare(self) -> None:
        await super().prepare()
        await self.order(self.amounts["held"])
        expect("state", self.orders[0]["status"], "held")

    async def act(self) -> None:
        path = f"withdrawals/{self.orders[0]['id']}"

        async def approve() -> dict[str, Any]:
            shown = await self.operator.get(path)
            if shown["status"] != "held":
                return shown
            return await self.operator.post(f"{path}/approve", digest=shown["digest"])

        await self.keep(approve)


class Batch(Scene):
    """Two withdrawals that share one chain tx."""

    environment: ClassVar[Mapping[str, str]] = {"BATCH_INTERVAL_S": "2"}

    async def act(self) -> None:
        await asyncio.gather(*(self.order(self.amounts["pay"]) for _ in range(2)))

    async def finish(self) -> None:
        await super().finish()
        rows = [await self.shop.withdrawal(order["id"]) for order in self.orders]
        expect("chain txs", len({row["txid"] for row in rows}), 1)


class Bump(Settle):
    """A withdrawal that is not mined gets a second candidate."""

    environment: ClassVar[Mapping[str, str]] = {"BUMP_AFTER_S": "10", "FEE_RATE__FALLBACK": "40"}

    async def act(self) -> None:
        """Time passes."""

    async def finish(self) -> None:
        await self.candidates(2)
        await super().finish()


class Child(Bump):
    """A withdrawal that is not mined gets a child that pays for both, where nothing is replaced."""

    async def candidates(self, count: int) -> None:
        """Wait until payout and child are at the node."""

        async def waiting() -> list[str]:
            return list(await self.shop.node.call("getrawmempool"))

        await self.shop.until(waiting, lambda txids: len(txids) == count)


class Stop(Settle):
    """An operator stops a withdrawal that was sent: its nonce is used up by a cancel."""

    async def act(self) -> None:
        path = f"withdrawals/{self.orders[0]['id']}/stop"

        async def stop() -> dict[str, Any]:
            return await self.operator.post(path, reason="the client was tricked")

        await self.keep(stop)
        await self.candidates(2)
        for _ in range(7):
            await self.shop.chain.mine()
            await asyncio.sleep(BLOCK_S)

    async def finish(self) -> None:
        (order,), (payee,) = self.orders, self.payees
        await self.shop.until_withdrawal(order["id"], "failed", mine=True)
        await self.received(payee, "0")
        await self._debited(Decimal(0))
        await self.agree()


class Refund(Scene):
    """Money that credits nobody is sent back by an operator."""

    case_id = ""

    async def prepare(self) -> None:
        await super().prepare()
        shop, client = self.shop, self.client
        await self.operator.post(f"clients/{client}/block-deposits", reason="asked by the bank")
        await asyncio.to_thread(shop.pay, await shop.address(client), self.amounts["parked"])
        await shop.mine(6)
        (case,) = (await self.operator.get(f"cases?status=open&client_id={client}"))["data"]
        self.case_id = case["id"]
        self.payees.append(await shop.chain.foreign_address())

    async def act(self) -> None:
        async def refund() -> dict[str, Any]:
            shown = await self.operator.get(f"cases/{self.case_id}")
            if shown["status"] != "open":
                return shown
            return await self.operator.post(
                f"cases/{self.case_id}/refund",
                currency=self.shop.currency,
                address=self.payees[0],
                reason="back to where it came from",
            )

        await self.keep(refund)

    async def finish(self) -> None:
        ask = partial(self.operator.get, f"cases/{self.case_id}")
        await self.shop.until(partial(self.keep, ask), lambda row: row["status"] == "refunded", mine=True)
        await self.received(self.payees[0], self.amounts["parked"])
        await self._debited(Decimal(0))
        await self.agree()


class Sweep(Scene):
    """A deposit is moved to the hot account, whole and once."""

    address = ""

    async def prepare(self) -> None:
        await super().prepare()
        self.address = await self.shop.address(self.client)

    async def act(self) -> None:
        await asyncio.to_thread(self.shop.pay, self.address, self.amounts["held"])
        while not self.is_killed:
            await self.shop.chain.mine()
            await asyncio.sleep(BLOCK_S)

    async def finish(self) -> None:
        async def left() -> int:
            return await self.shop.chain.received(self.address)

        await self.shop.until_tip()
        await self.shop.until_deposit(self.client, "final", mine=True)
        await self.shop.until(left, lambda units: units == 0, mine=True)
        swept = partial(mined_sweeps, self.shop.stage, self.address, self.shop.currency)
        await self.shop.until(partial(asyncio.to_thread, swept), lambda count: count == 1, mine=True)
        balance = await self.shop.balance(self.client)
        expect("credited", Decimal(balance["available"]), Decimal(self.amounts["held"]))
        await self.agree()
        expect("sweeps that are mined", swept(), 1)


def mined_sweeps(stage: Stage, address: str, currency: str) -> int:
    """How many chain txs that are mined swept this account of this currency, by the books."""
    path = stage.folder / "data" / "cashier.sqlite"
    db = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        ((count,),) = db.execute(
            "SELECT count(*) FROM attempt a JOIN intent i ON i.id = a.intent_id JOIN own_script s"
            " ON s.script = a.sender WHERE i.kind = 'sweep' AND a.state = 'mined'"
            " AND s.address = ? AND a.currency = ?",
            (address, currency),
        ).fetchall()
        return int(count)
    finally:
        db.close()


SCENES: Mapping[str, type[Scene]] = {
    "pay": Pay,
    "settle": Settle,
    "approve": Approve,
    "batch": Batch,
    "bump": Bump,
    "child": Child,
    "stop": Stop,
    "refund": Refund,
    "sweep": Sweep,
}
