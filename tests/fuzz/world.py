"""A cashier on one real node, and what may happen to both whatever the family."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import signal
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.demo.stage import Stage
from tests.demo.website import ApiError
from tests.flows.shop import Shop
from tests.fuzz.actions import Action

MAX_REORG = 5
"""The deepest reorganisation the stage's cashier follows, counted from the highest block it may have seen."""
CLIENTS = ("alice", "bob", "carol")
PATRON = "patron"
"""Pays the house's own money in, out of which fees and losses come."""
REFUSALS = frozenset({"insufficient_funds", "not_cancellable"})
"""What a website may be told in the middle of it all; anything else fails the run."""


class Nothing(Exception):  # noqa: N818 - it is no error
    """The action found nothing to act on: it does not count as fired."""


@dataclass(slots=True)
class Records:
    """What the website and the payers know they did, by their own notes."""

    addresses: dict[str, str] = field(default_factory=dict)  # address: client
    orders: dict[str, str] = field(default_factory=dict)  # withdrawal id: client
    transfers: list[tuple[str, str, int]] = field(default_factory=list)  # from, to, amount
    fired: Counter[str] = field(default_factory=Counter)


class World:
    """Carries out actions; a family's world adds payments, blocks and reorganisations."""

    def __init__(self, stage: Stage) -> None:
        """``stage`` has one currency; its nodes and its cashier run."""
        self.stage = stage
        self.shop = Shop(stage)
        self.node = stage.chains[0].node
        self.records = Records()
        self.rng = random.Random()
        self.highest = 0
        self.flushed = 0
        self.limits: dict[str, int] = {}

    # -- amounts ---------------------------------------------------------------------------------

    @property
    def decimals(self) -> int:
        return self.shop.chain.decimals

    def display(self, amount: int) -> str:
        """Base units as the API writes them."""
        return f"{Decimal(amount).scaleb(-self.decimals):.{self.decimals}f}"

    def units(self, display: str) -> int:
        """The API's text in base units."""
        return int(Decimal(display).scaleb(self.decimals))

    # -- the run ---------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Three clients with something to take out, and money of the house; all of it final."""
        row = await self.shop.currency_row()
        names = ("minimum_deposit", "minimum_withdrawal", "maximum_withdrawal", "withdrawal_fee")
        self.limits = {name: self.units(row[name]) for name in names}
        address = await self._address(PATRON)
        amount = self.patronage()
        await asyncio.to_thread(self.pay_now, address, amount)
        for client in CLIENTS:
            await asyncio.to_thread(self.pay_now, await self._address(client), amount // 5)
        await self.shop.mine(6)
        for client in (PATRON, *CLIENTS):
            await self.shop.until_deposit(client, "final")
        await self._transfer(PATRON, "house", amount)
        self.saw_height()
        await asyncio.to_thread(self.flush)

    async def act(self, action: Action) -> None:
        """Carry out one action; what finds nothing to act on is left out."""
        self.rng = random.Random(action.draw)
        try:
            await getattr(self, action.kind)(action)
        except Nothing:
            return
        self.records.fired[action.kind] += 1
        self.saw_height()
        if action.settles:
            await self.settle()

    def saw_height(self) -> None:
        """Remember how high the cashier may stand."""
        self.highest = max(self.highest, self.node.height)

    async def settle(self) -> None:
        """Wait for the cashier, unless the node itself has less than it had."""
        if self.node.height == self.highest:
            await self.shop.until_tip()

    def depth(self) -> int:
        """How deep a reorganisation may go now. Raises Nothing when not even one block may be undone."""
        room = self.node.height - (self.highest - MAX_REORG)
        if room < 1:
            raise Nothing
        return self.rng.randint(1, room)

    # -- the website -----------------------------------------------------------------------------

    async def _address(self, client_id: str, *, is_fresh: bool = False) -> str:
        target = f"/v1/clients/{client_id}/addresses/{self.shop.currency}"
        issued = await (self.shop.website.post(target, {}) if is_fresh else self.shop.website.put(target))
        address = str(issued["address"])
        assert self.records.addresses.setdefault(address, client_id) == client_id, "one address, two owners"
        return address

    async def handshake(self, action: Action) -> None:
        """The website sends a client, who may be new; the page exchanges the code and asks for an address."""
        client = f"guest{self.rng.randrange(6)}"
        body = {"client_id": client, "actions": ["deposit"]}
        session = await self.shop.website.post("/v1/sessions", body)
        assert session["url"].startswith(self.stage.base_url)
        await self._address(client)

    async def address(self, action: Action) -> None:
        """A client asks for one more address; the old ones stay watched."""
        await self._address(self.rng.choice(CLIENTS), is_fresh=True)

    async def withdraw(self, action: Action) -> None:
        """A client takes money out, to an address of its own for each."""
        client = self.rng.choice(CLIENTS)
        smallest = self.limits["minimum_withdrawal"]
        largest = min(self.limits["maximum_withdrawal"] // 8, self.patronage() // 20)
        amount = self.rng.choice([smallest, 3 * smallest + 1, self.rng.randint(smallest, largest), largest])
        await self._order(client, amount, await self.shop.chain.foreign_address())

    async def _order(self, client: str, amount: int, payee: str) -> None:
        try:
            order = await self.shop.withdraw(client, self.display(amount), payee)
        except ApiError as error:
            self._expected(error)
        else:
            self.records.orders[str(order["id"])] = client

    async def cancel(self, action: Action) -> None:
        """A withdrawal is called back while it may be."""
        if not self.records.orders:
            raise Nothing
        order = self.rng.choice(list(self.records.orders))
        try:
            await self.shop.website.post(f"/v1/withdrawals/{order}/cancel", {})
        except ApiError as error:
            self._expected(error)

    async def transfer(self, action: Action) -> None:
        """A bet, a win or a gift."""
        giver, taker = self.rng.sample([*CLIENTS, "house"], 2)
        await self._transfer(giver, taker, self.rng.randint(1, 20 * self.limits["minimum_deposit"]))

    async def _transfer(self, giver: str, taker: str, amount: int) -> None:
        body = {"from": giver, "to": taker, "currency": self.shop.currency, "amount": self.display(amount)}
        try:
            body |= {"external_id": secrets.token_hex(8), "reason": "a bet"}
            await self.shop.website.post("/v1/transfers", body)
        except ApiError as error:
            self._expected(error)
        else:
            self.records.transfers.append((giver, taker, amount))

    @staticmethod
    def _expected(error: ApiError) -> None:
        """Let a refusal of the rules pass."""
        if error.code not in REFUSALS:
            raise error

    # -- faults ----------------------------------------------------------------------------------

    async def cashier_kill(self, action: Action) -> None:
        """kill -9 of the cashier, now and then once more before it serves again."""
        for _ in range(self.rng.choice([1, 1, 1, 2])):
            await asyncio.to_thread(self.stage.kill)
            self.stage.spawn()

    async def node_kill(self, action: Action) -> None:
        """kill -9 of the node, which forgets its mempool and its last blocks, and its start."""
        await asyncio.to_thread(self._kill_node)

    def _kill_node(self) -> None:
        if self.highest - self.flushed > MAX_REORG - 1:
            self.flush()
        self.node.kill()
        self.node.start()
        self.started_again()
        self.flushed = min(self.flushed, self.node.height)

    async def node_pause(self, action: Action) -> None:
        """The node answers nobody for a while; everything that needs no node goes on."""
        payee = await self.shop.chain.foreign_address()
        pid = self.node.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            for _ in range(self.rng.randint(1, 3)):
                await self.handshake(action)
                await self.transfer(action)
            if self.rng.random() < 0.5:
                await self._order(self.rng.choice(CLIENTS), self.limits["minimum_withdrawal"], payee)
        finally:
            os.kill(pid, signal.SIGCONT)

    async def mine(self, action: Action) -> None:
        """One to three blocks."""
        for _ in range(self.rng.choice([1, 1, 2, 3])):
            await self.shop.chain.mine()
            self.saw_height()

    # -- what a family adds ----------------------------------------------------------------------

    def patronage(self) -> int:
        """What the house pays in at the start, base units."""
        raise NotImplementedError

    def pay_now(self, address: str, amount: int) -> Any:
        """One payment into the mempool."""
        raise NotImplementedError

    def flush(self) -> None:
        """Write the chain to the disk: a kill goes back no further."""
        self.node.flush()
        self.flushed = self.node.height

    def started_again(self) -> None:
        """After the node's kill and start."""
