"""One currency of a running cashier as its website sees it, with the node in the other hand."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

import aiohttp

from tests.demo.chains import Chain, TokenChain
from tests.demo.stage import Stage
from tests.demo.website import Website, sign
from tests.fakes.oracle import check_books
from tests.nodes.regtest import AnvilNode, BitcoinNode

WAIT_S = 30.0
POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply as it came: nothing is retried, nothing is raised."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def code(self) -> str:
        """The stable code of a problem document."""
        return str(self.body.get("code"))


class Shop:
    """Asks one cashier about one currency. Each wait is bounded and says what it saw last."""

    def __init__(self, stage: Stage, currency: str = "") -> None:
        """``currency`` may be left out where the stage has one only."""
        self.stage = stage
        self.chain: Chain = next(c for c in stage.chains if currency in ("", c.currency))
        self.currency = self.chain.currency
        self.website = Website(stage.base_url, stage.key["key"], stage.key["signing_secret"])
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))

    async def close(self) -> None:
        """Close the connections; the cashier runs on."""
        await self.website.close()
        await self._http.close()

    @property
    def node(self) -> BitcoinNode:
        """The UTXO node."""
        assert isinstance(self.chain.node, BitcoinNode)
        return self.chain.node

    @property
    def anvil(self) -> AnvilNode:
        """The EVM node."""
        assert isinstance(self.chain.node, AnvilNode)
        return self.chain.node

    # -- deposits --------------------------------------------------------------------------------

    async def address(self, client_id: str) -> str:
        """The client's address."""
        issued = await self.website.put(f"/v1/clients/{client_id}/addresses/{self.currency}")
        return str(issued["address"])

    async def deposits(self, client_id: str) -> list[dict[str, Any]]:
        """All of the client's deposits in this currency, newest first."""
        target = f"/v1/deposits?client_id={client_id}&currency={self.currency}&limit=500"
        listed = await self.website.get(target)
        return list(listed["data"])

    async def until_deposit(self, client_id: str, status: str, *, mine: bool = False) -> dict[str, Any]:
        """The client's newest deposit once it has this status."""
        read = partial(self.deposits, client_id)
        found = await self.until(read, lambda rows: bool(rows) and rows[0]["status"] == status, mine=mine)
        newest: dict[str, Any] = found[0]
        return newest

    async def balance(self, client_id: str) -> dict[str, str]:
        """The client's balances in this currency; zeros where nothing ever moved."""
        rows = await self.website.get(f"/v1/clients/{client_id}/balances")
        mine = [row for row in rows["data"] if row["currency"] == self.currency]
        if mine:
            return dict(mine[0])
        zero = f"{Decimal(0):.{self.chain.decimals}f}"
        return dict.fromkeys(("available", "withdrawable", "reserved", "pending", "deficit"), zero)

    async def fund(self, client_id: str, amount_display: str, *, blocks: int = 6) -> str:
        """Pay the client this much and bury it; the address."""
        address = await self.address(client_id)
        await asyncio.to_thread(self.pay, address, amount_display)
        await self.mine(blocks)
        await self.until_deposit(client_id, "final" if blocks >= 6 else "credited")
        return address

    def pay(self, address: str, amount_display: str) -> str:
        """A payment from the node's own money; the txid."""
        if isinstance(self.chain.node, BitcoinNode):
            return self.chain.node.send(address, amount_display)
        whole, _, fraction = amount_display.partition(".")
        amount = int(whole + fraction.ljust(self.chain.decimals, "0"))
        if isinstance(self.chain, TokenChain):
            return self.chain.send(address, amount)
        return self.chain.node.send(address, amount)

    async def mine(self, blocks: int = 1) -> None:
        """Mine and wait until the cashier stands at that block."""
        await self.chain.mine(blocks)
        await self.until_tip()

    async def until_tip(self) -> None:
        """Wait until the cashier stands where the node stands."""
        height = await asyncio.to_thread(lambda: self.chain.node.height)
        await self.until_currency(lambda row: row["height"] == height)

    # -- currency --------------------------------------------------------------------------------

    async def currency_row(self) -> dict[str, Any]:
        """What the website is told of the currency; without state and height while it is not offered."""
        rows = await self.website.get("/v1/currencies")
        found = (dict(row) for row in rows["data"] if row["currency"] == self.currency)
        return next(found, {"state": "", "height": None})

    async def until_currency(self, is_done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The currency once it is so."""
        found: dict[str, Any] = await self.until(self.currency_row, is_done)
        return found

    async def until_state(self, state: str) -> dict[str, Any]:
        """The currency once it has this state."""
        return await self.until_currency(lambda row: row["state"] == state)

    # -- withdrawals -----------------------------------------------------------------------------

    def order(self, client_id: str, amount: str, address: str, **more: Any) -> dict[str, Any]:
        """The body of a withdrawal."""
        body = {"client_id": client_id, "currency": self.currency, "amount": amount, "address": address}
        return body | {"external_id": secrets.token_hex(8)} | more

    async def withdraw(self, client_id: str, amount: str, address: str, **more: Any) -> dict[str, Any]:
        """A withdrawal that is taken. Raises ApiError (of the website) when it is refused."""
        return dict(
            await self.website.post("/v1/withdrawals", self.order(client_id, amount, address, **more))
        )

    async def refused(self, client_id: str, amount: Any, address: str, **more: Any) -> str:
        """The code with which a withdrawal is refused; fails when it is taken."""
        order = self.order(client_id, amount, address, **more)
        answer = await self.send("POST", "/v1/withdrawals", order, key=secrets.token_hex(8))
        assert answer.status in (400, 409, 422), answer
        return answer.code

    async def withdrawal(self, withdrawal_id: str) -> dict[str, Any]:
        """One withdrawal."""
        return dict(await self.website.get(f"/v1/withdrawals/{withdrawal_id}"))

    async def withdrawals(self, client_id: str) -> list[dict[str, Any]]:
        """All of the client's withdrawals, newest first."""
        return list((await self.website.get(f"/v1/withdrawals?client_id={client_id}&limit=500"))["data"])

    async def until_withdrawal(
        self, withdrawal_id: str, *statuses: str, mine: bool = False
    ) -> dict[str, Any]:
        """A withdrawal once it has one of these states."""
        read = partial(self.withdrawal, withdrawal_id)
        found: dict[str, Any] = await self.until(read, lambda row: row["status"] in statuses, mine=mine)
        return found

    # -- raw -------------------------------------------------------------------------------------

    async def send(
        self, method: str, target: str, body: Any = None, *, key: str | None = None, raw: bytes | None = None
    ) -> Answer:
        """One request, signed, answered as it comes."""
        data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        secret, nonce = self.stage.key["signing_secret"], secrets.token_hex(12)
        headers = {"Authorization": f"Bearer {self.stage.key['key']}", "Content-Type": "application/json"}
        headers["Cashier-Signature"] = sign(secret, method, target, data, int(time.time()), nonce)
        if key is not None:
            headers["Idempotency-Key"] = key
        url = self.stage.base_url + target
        async with self._http.request(method, url, data=data or None, headers=headers) as reply:
            text = await reply.text()
            return Answer(reply.status, reply.headers, json.loads(text) if text else None)

    # -- the end ---------------------------------------------------------------------------------

    async def until(
        self, read: Callable[[], Awaitable[Any]], is_done: Callable[[Any], bool], *, mine: bool = False
    ) -> Any:
        """Read until it is so; with ``mine`` a block is made now and then."""
        deadline = time.monotonic() + WAIT_S
        rounds, found = 0, None
        while time.monotonic() < deadline:
            found = await read()
            if is_done(found):
                return found
            rounds += 1
            if mine and rounds % 3 == 0:
                await self.chain.mine()
            await asyncio.sleep(POLL_S)
        raise AssertionError(f"not within {WAIT_S:.0f} s; last seen: {found}\n{self.stage.log_tail()}")

    async def agree(self) -> None:
        """After one more block the cashier's own look at the whole chain finds what the books hold."""
        await self.mine()
        mined_at = time.monotonic()

        async def verdict() -> float | None:
            found = await self.stage.gauges(self.currency)
            age_s = found.get("cashier_reconciliation_age_seconds")
            is_newer = age_s is not None and age_s < time.monotonic() - mined_at
            return found.get("cashier_reconciliation_ok") if is_newer else None

        is_ok = await self.until(verdict, lambda found: found is not None, mine=True)
        assert is_ok == 1, "the chain and the books differ"

    def check_books(self) -> None:
        """The independent judge finds nothing wrong in the database."""
        assert check_books(self.stage.folder / "data" / "cashier.sqlite") == []
