"""Scenes of the house's own ways: money is sent back to where it came from, swept, moved to cold."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from coins.bitcoin.address import encode_bech32
from tests.crash.scene import AMOUNTS, CLIENT, FINAL_DEPTH, Scene, expect
from tests.demo.chains import BitcoinChain
from tests.demo.stage import Stage
from tests.flows.operator import Operator
from tests.flows.shop import Shop
from tests.flows.test_withdrawal_evm import hot_address

SMALL = 8
"""Small outputs that are brought together."""
_KEY_HASH = b"\x5a" * 19 + b"\x01"
COLD = {
    "BTC": encode_bech32("bcrt", 0, _KEY_HASH),
    "LTC": encode_bech32("rltc", 0, _KEY_HASH),
    "ETH": f"0x{_KEY_HASH.hex()}",
    "USDT-ETH": f"0x{_KEY_HASH.hex()}",
}


class Refund(Scene):
    """Money that credits nobody is sent back by an operator."""

    case_id = ""

    async def prepare(self) -> None:
        await super().prepare()
        shop, client = self.shop, self.client
        await self.operator.post(f"clients/{client}/block-deposits", reason="asked by the bank")
        await asyncio.to_thread(shop.pay, await shop.address(client), self.amounts["parked"])
        await shop.mine(FINAL_DEPTH)
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
        await self.debited(Decimal(0))
        await self.agree()


class Sweep(Scene):
    """A deposit is moved to the hot account, whole and once."""

    address = ""

    async def prepare(self) -> None:
        await super().prepare()
        self.address = await self.shop.address(self.client)

    async def act(self) -> None:
        await asyncio.to_thread(self.shop.pay, self.address, self.amounts["held"])
        await self.mine_until_killed()

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


class Cold(Scene):
    """What is above the ceiling is moved to the cold address, with an operator's approval."""

    def __init__(self, shop: Shop, operator: Operator, number: int) -> None:
        """As any scene; nothing has been moved yet."""
        super().__init__(shop, operator, number)
        self.known: set[str] = set()
        self.cold_before = 0

    @property
    def settings(self) -> Mapping[str, str]:
        """A cold address, and a ceiling."""
        return cold_settings(self.shop.currency)

    async def prepare(self) -> None:
        await super().prepare()
        await self.bring_money()
        await self.shop.until(self.movements, bool)

    async def act(self) -> None:
        await self.keep(self._approve)
        await self.mine_until_killed()

    async def finish(self) -> None:
        async def look() -> dict[str, Any]:
            (row,) = await self.movements()
            return await self.operator.get(f"withdrawals/{row['id']}")

        final = await self.shop.until(look, lambda row: row["status"] == "final", mine=True)
        mined = [attempt["txid"] for attempt in final["attempts"] if attempt["state"] == "mined"]
        expect("candidates that are mined", mined, [final["txid"]])
        moved = int(Decimal(final["amount"]).scaleb(self.shop.chain.decimals))
        expect("base units that came to the cold address", await self._held() - self.cold_before, moved)
        await self.debited(Decimal(0))
        await self.agree()
        expect("movements", len(await self.movements()), 1)

    async def bring_money(self) -> None:
        """The hot wallet has more than its ceiling."""
        self.known = {row["id"] for row in await self._all_movements()}
        self.cold_before = await self._held()
        shop = self.shop
        is_utxo = isinstance(shop.chain, BitcoinChain)  # its payouts spend what clients paid in
        address = await shop.address(self.client) if is_utxo else hot_address(shop.stage)
        await asyncio.to_thread(shop.pay, address, self.amounts["above"])
        await shop.mine(FINAL_DEPTH)

    async def movements(self) -> list[dict[str, Any]]:
        """The movements to cold that this scene brought about."""
        return [row for row in await self._all_movements() if row["id"] not in self.known]

    async def _all_movements(self) -> list[dict[str, Any]]:
        listed = await self.operator.get(f"withdrawals?currency={self.shop.currency}&limit=50")
        return [row for row in listed["data"] if row["kind"] == "cold"]

    async def _approve(self) -> dict[str, Any]:
        rows = await self.movements()
        assert rows, "nothing is proposed"
        row = rows[0]
        if row["status"] != "held":
            return row
        return await self.operator.post(f"withdrawals/{row['id']}/approve", digest=row["digest"])

    async def _held(self) -> int:
        """What the cold address owns by the node's word."""
        address = COLD[self.shop.currency]
        if not isinstance(self.shop.chain, BitcoinChain):
            return await self.shop.chain.received(address)
        found = await asyncio.to_thread(self.shop.node.scan, address)
        return int(Decimal(str(found["total_amount"])).scaleb(self.shop.chain.decimals))


class Propose(Cold):
    """The same from the moment on at which a cashier with a cold address finds more than its ceiling."""

    @property
    def settings(self) -> Mapping[str, str]:
        """No cold address yet."""
        return {}

    @property
    def later(self) -> Mapping[str, str]:
        """The cold address."""
        return cold_settings(self.shop.currency)

    async def prepare(self) -> None:
        await Scene.prepare(self)
        await self.bring_money()

    async def act(self) -> None:
        await self.keep(self._approve)


class Consolidate(Scene):
    """Small outputs become one while chain txs are cheap."""

    def __init__(self, shop: Shop, operator: Operator, number: int) -> None:
        """As any scene; nothing was brought together yet."""
        super().__init__(shop, operator, number)
        self.mined_before = 0
        self.states = partial(consolidations, shop.stage)

    @property
    def later(self) -> Mapping[str, str]:
        """More than five small outputs are too many."""
        below = str(Decimal(self.amounts["small"]) * 2)
        values = {"FEE_RATE_MAX_SAT_VB": "10", "COUNT": "5", "INTERVAL_S": "1", "BELOW": below}
        return {f"CONSOLIDATE_{name}": text for name, text in values.items()} | {"FEE_RATE__MAX": "10"}

    async def prepare(self) -> None:
        bet = {"from": CLIENT, "to": "house", "currency": self.shop.currency, "reason": "a bet"}
        bet |= {"amount": self.amounts["pay"], "external_id": f"bet-{self.client}"}
        await self.shop.website.post("/v1/transfers", bet)  # the house pays the fee out of its own money
        await super().prepare()
        self.mined_before = self.states().count("mined")
        address = await self.shop.address(self.client)
        for _ in range(SMALL):
            await asyncio.to_thread(self.shop.pay, address, self.amounts["small"])
        await self.shop.mine(FINAL_DEPTH)
        await self.shop.until_deposit(self.client, "final", mine=True)

    async def act(self) -> None:
        await self.mine_until_killed()

    async def finish(self) -> None:
        def is_done(states: list[str]) -> bool:
            return states.count("mined") > self.mined_before and set(states) <= {"mined", "abandoned"}

        await self.shop.until(partial(asyncio.to_thread, self.states), is_done, mine=True)
        await self.agree()
        expect("mined", self.states().count("mined"), self.mined_before + 1)
        balance = await self.shop.balance(self.client)
        expect("credited", Decimal(balance["available"]), SMALL * Decimal(self.amounts["small"]))
        await self.debited(Decimal(0))


def consolidations(stage: Stage) -> list[str]:
    """States of the chain txs that bring outputs together, by the books."""
    return [
        str(state)
        for (state,) in _kept(
            stage,
            "SELECT a.state FROM attempt a JOIN intent i ON i.id = a.intent_id WHERE i.kind = 'consolidate'",
        )
    ]


def mined_sweeps(stage: Stage, address: str, currency: str) -> int:
    """How many chain txs that are mined swept this account of this currency, by the books."""
    ((count,),) = _kept(
        stage,
        "SELECT count(*) FROM attempt a JOIN intent i ON i.id = a.intent_id JOIN own_script s"
        " ON s.script = a.sender WHERE i.kind = 'sweep' AND a.state = 'mined'"
        " AND s.address = ? AND a.currency = ?",
        address,
        currency,
    )
    return int(count)


def _kept(stage: Stage, sql: str, *values: str) -> list[Any]:
    """Rows of the books."""
    path = stage.folder / "data" / "cashier.sqlite"
    db = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        return db.execute(sql, values).fetchall()
    finally:
        db.close()


def cold_settings(currency: str) -> dict[str, str]:
    """A cold address, and what the hot wallet may hold."""
    amounts = AMOUNTS[currency]
    return {
        "COLD_ADDRESS": COLD[currency],
        "HOT_CEILING": amounts["ceiling"],
        "HOT_TARGET": amounts["target"],
    }
