"""Scenes of a client's withdrawal, and all scenes by their names."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

from tests.crash.house import Cold, Consolidate, Propose, Refund, Sweep
from tests.crash.scene import Scene, expect
from tests.demo.chains import BitcoinChain
from tests.demo.website import ApiError


class Pay(Scene):
    """One withdrawal from its request on."""

    async def act(self) -> None:
        await self.order(self.amounts["pay"])


class Alone(Pay):
    """The same while the signer alone ends: the cashier lives on and starts another."""

    ends_all: ClassVar[bool] = False


class Settle(Pay):
    """A withdrawal that was sent is mined, block by block."""

    async def prepare(self) -> None:
        await super().prepare()
        await self.order(self.amounts["pay"])
        await self.sent()

    async def act(self) -> None:
        await self.bury()


class Held(Scene):
    """A withdrawal that waits for an operator."""

    async def prepare(self) -> None:
        await super().prepare()
        await self.order(self.amounts["held"])
        expect("state", self.orders[0]["status"], "held")


class Approve(Held):
    """The operator lets it go."""

    async def act(self) -> None:
        path = f"withdrawals/{self.orders[0]['id']}"

        async def approve() -> dict[str, Any]:
            shown = await self.operator.get(path)
            if shown["status"] != "held":
                return shown
            return await self.operator.post(f"{path}/approve", digest=shown["digest"])

        await self.keep(approve)


class Reject(Held):
    """The operator refuses it: nothing leaves, and the money is back once."""

    async def act(self) -> None:
        path = f"withdrawals/{self.orders[0]['id']}"

        async def reject() -> dict[str, Any]:
            shown = await self.operator.get(path)
            if shown["status"] != "held":
                return shown
            return await self.operator.post(f"{path}/reject", reason="asked by the client")

        await self.keep(reject)

    async def finish(self) -> None:
        await self.nothing_left(self.orders[0], self.payees[0], "rejected")
        await self.agree()


class Cancel(Scene):
    """The client takes one back while its address cools: nothing leaves, the money is back once."""

    @property
    def settings(self) -> Mapping[str, str]:
        """The first payout to an address waits."""
        return {"DESTINATION_COOLING_S": "3600"}

    async def prepare(self) -> None:
        await super().prepare()
        await self.order(self.amounts["pay"])
        order = self.orders[0]
        expect("state", (order["status"], order["waiting_for"]), ("approved", "cooling"))

    async def act(self) -> None:
        await self.shop.website.post(f"/v1/withdrawals/{self.orders[0]['id']}/cancel", {})

    async def finish(self) -> None:
        await self.nothing_left(self.orders[0], self.payees[0], "cancelled")
        await self.agree()


class Late(Pay):
    """The client takes one back just as the cashier is there again: it is paid once, or back once."""

    async def act(self) -> None:
        await super().act()
        await self.is_killed.wait()
        try:
            await self.shop.website.post(f"/v1/withdrawals/{self.orders[0]['id']}/cancel", {})
        except ApiError as error:
            expect("why it is not taken back", error.code, "not_cancellable")

    async def finish(self) -> None:
        (order,), (payee,) = self.orders, self.payees
        row = await self.shop.withdrawal(order["id"])
        if row["status"] != "cancelled":
            await super().finish()
            return
        await self.nothing_left(order, payee, "cancelled")
        await self.agree()


class Batch(Scene):
    """Two withdrawals that share one chain tx."""

    @property
    def settings(self) -> Mapping[str, str]:
        """Payouts wait for one another."""
        return {"BATCH_INTERVAL_S": "2"}

    async def act(self) -> None:
        await asyncio.gather(*(self.order(self.amounts["pay"]) for _ in range(2)))

    async def finish(self) -> None:
        await super().finish()
        rows = [await self.shop.withdrawal(order["id"]) for order in self.orders]
        expect("chain txs", len({row["txid"] for row in rows}), 1)


class Bump(Settle):
    """A withdrawal that is not mined gets a second candidate."""

    @property
    def settings(self) -> Mapping[str, str]:
        """What is not mined is looked at soon; what is sent first is cheap, whatever the node estimates."""
        return {"BUMP_AFTER_S": "10"} | ({"FEE_RATE__MAX": "10"} if self._has_rate() else {})

    @property
    def later(self) -> Mapping[str, str]:
        """Blocks have become dear; an account's next candidate always offers more."""
        dear = {"FEE_RATE__MIN": "40", "FEE_RATE__FALLBACK": "40", "FEE_RATE__MAX": "500"}
        return dear if self._has_rate() else {}

    def _has_rate(self) -> bool:
        return isinstance(self.shop.chain, BitcoinChain)

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
        await self.bury()

    async def finish(self) -> None:
        (order,), (payee,) = self.orders, self.payees
        await self.shop.until_withdrawal(order["id"], "failed", mine=True)
        await self.received(payee, "0")
        await self.debited(Decimal(0))
        await self.agree()


SCENES: Mapping[str, type[Scene]] = {
    "pay": Pay,
    "alone": Alone,
    "settle": Settle,
    "approve": Approve,
    "reject": Reject,
    "cancel": Cancel,
    "late": Late,
    "batch": Batch,
    "bump": Bump,
    "child": Child,
    "stop": Stop,
    "refund": Refund,
    "sweep": Sweep,
    "cold": Cold,
    "propose": Propose,
    "gather": Consolidate,
}
