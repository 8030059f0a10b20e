"""What clients and operators do in a simulated day."""

from __future__ import annotations

import random

from actors.messages import (
    AssignCase,
    DecideAdjustment,
    DecideWithdrawal,
    Filter,
    Idempotency,
    ListAdjustments,
    ListCases,
    ListWithdrawals,
    PostTransfer,
    RequestAdjustment,
    RequestRefund,
    RequestWithdrawal,
)
from coins.types import Outpoint
from ledger.adjustment_command import ImportAdjustments, ImportRow, ReverseAdjustment
from ledger.case_command import WriteOffCase
from ledger.commands import AnnounceHouseFunding
from tests.actors.desk import TOKEN, chain_of
from tests.fakes.chain import FakeTx
from tests.fakes.coin import foreign
from tests.simulation.world import OPERATORS, Excuse, World

COIN = {"BTC": 10**8, "LTC": 10**8, "ETH": 10**18, TOKEN: 10**6}
TYPICAL = {"BTC": COIN["BTC"] // 50, "LTC": COIN["LTC"], "ETH": COIN["ETH"] // 10, TOKEN: 400 * COIN[TOKEN]}
"""A deposit of an ordinary client, in base units."""
FLOAT = {
    "BTC": 2 * COIN["BTC"],
    "LTC": 60 * COIN["LTC"],
    "ETH": 30 * COIN["ETH"],
    TOKEN: 90_000 * COIN[TOKEN],
}
"""What the house begins with."""
CASE_S = 2 * 3600


def operator(number: int) -> str:
    """The first or the second operator."""
    return f"operator:op_{OPERATORS[number]}"


def currency_of(chain: str, rng: random.Random) -> str:
    """A currency of a chain."""
    return rng.choice(("ETH", TOKEN)) if chain == "ETH" else chain


def some(currency: str, rng: random.Random) -> int:
    """An amount as clients have it; one in ten is a large one."""
    factor = 8 if rng.random() < 0.1 else 1
    return factor * rng.randint(TYPICAL[currency] // 10, 3 * TYPICAL[currency])


class People:
    """Each method is a kind of happening; ``rng`` draws its details."""

    def __init__(self, world: World) -> None:
        self.world = world

    # -- clients -------------------------------------------------------------------------------------

    async def _payee(self, currency: str, rng: random.Random) -> bytes:
        world = self.world
        if rng.random() < 0.1:
            world.clients.append(f"client{len(world.clients)}")
        return await world.script_of(rng.choice(world.clients), currency)

    async def pay(self, chain: str, rng: random.Random) -> None:
        """One payment to one client."""
        currency = currency_of(chain, rng)
        self.world.pay(currency, (await self._payee(currency, rng), some(currency, rng)))

    async def pay_many(self, chain: str, rng: random.Random) -> None:
        """One chain tx, or as many in a row, to several clients."""
        currency = currency_of(chain, rng)
        outputs = [(await self._payee(currency, rng), some(currency, rng)) for _ in range(rng.randint(2, 12))]
        for each in [outputs] if chain != "ETH" else [[output] for output in outputs]:
            self.world.pay(currency, *each)

    async def pay_twice(self, chain: str, rng: random.Random) -> None:
        """The same amount twice to one address, at once."""
        currency = currency_of(chain, rng)
        script, amount = await self._payee(currency, rng), some(currency, rng)
        for _ in range(2):
            self.world.pay(currency, (script, amount))

    async def pay_tiny(self, chain: str, rng: random.Random) -> None:
        """Below the minimum: parked, with a case."""
        currency = currency_of(chain, rng)
        least = self.world.settings.currencies[currency].minimum_deposit
        self.world.excuse("CashierCaseOpened", chain, CASE_S)
        self.world.pay(currency, (await self._payee(currency, rng), rng.choice((least - 1, least // 2))))

    async def pay_dust(self, chain: str, rng: random.Random) -> None:
        """One base unit."""
        currency = currency_of(chain, rng)
        self.world.excuse("CashierCaseOpened", chain, CASE_S)
        self.world.pay(currency, (await self._payee(currency, rng), 1))

    async def replace(self, chain: str, rng: random.Random) -> None:
        """A payment in the mempool is replaced by one of another amount, or one to somebody else."""
        if chain == "ETH":
            return
        script = await self._payee(chain, rng)
        tx = self.world.pay(chain, (script, some(chain, rng)))
        await self.world.cashier.rest()
        to = script if rng.random() < 0.5 else foreign("elsewhere", chain).script
        node = self.world.chains[chain]
        if tx.txid in node.mempool:
            node.replace(tx, node.pay((to, some(chain, rng)), conflicts=tx))

    async def withdraw(self, chain: str, rng: random.Random) -> None:
        """A part of what a client has, to an address of his own."""
        world = self.world
        currency, client, available = await self._owner(chain, rng)
        settings = world.settings.currencies[currency]
        least = settings.minimum_withdrawal + settings.withdrawal_fee
        if available < least:
            world.done["withdraw: nothing there"] += 1
            return
        request = RequestWithdrawal(
            id=world.fresh("wd"),
            website="shop",
            client_id=client,
            currency=currency,
            amount=rng.randint(least, available),
            is_fee_included=True,
            address=foreign(world.fresh("payee"), chain).address,
            external_id=world.fresh("order"),
            by="key:shop",
            idempotency=world.key(),
        )
        outcome = await world.attempt("withdraw", f"withdrawal:{chain}", request)
        if outcome is not None:
            world.orders.append((request.id, client))

    async def _owner(self, chain: str, rng: random.Random) -> tuple[str, str, int]:
        """A client who has something in a currency of the chain, and how much; nothing when nobody has."""
        currency = currency_of(chain, rng)
        for client in rng.sample(self.world.clients, len(self.world.clients)):
            available = (await self.world.balances(client)).get(currency, 0)
            if available:
                return currency, client, available
        return currency, self.world.clients[0], 0

    async def cancel(self, chain: str, rng: random.Random) -> None:
        """A client thinks better of one of his withdrawals; often it is too late."""
        page = await self.world.ask("ledger_reader", ListWithdrawals(Filter(status="held"), 200))
        orders = [(view.id, view.client_id) for view in page.data if view.kind == "payout"]
        orders = orders or self.world.orders[-3:]
        if not orders:
            return
        order, client = rng.choice(orders)
        command = DecideWithdrawal(order, "cancel", f"client:{client}", idempotency=self.world.key())
        await self.world.attempt("cancel", "ledger", command)

    async def transfer(self, chain: str, rng: random.Random) -> None:
        """A bet: from one client to another, or to the house and back."""
        world = self.world
        currency, source, available = await self._owner(chain, rng)
        target = rng.choice([each for each in (*world.clients, "house") if each != source])
        if rng.random() < 0.2:
            source, target = target, source  # who has nothing is refused
        amount = rng.randint(1, max(1, available // 3))
        command = PostTransfer(
            world.fresh("tr"), "shop", source, target, currency, amount,
            world.fresh("bet"), "a bet", "key:shop", world.key(),
        )  # fmt: skip
        await world.attempt("transfer", "ledger", command)

    # -- operators -----------------------------------------------------------------------------------

    async def fund(self, chain: str, rng: random.Random) -> None:
        """House money for the hot wallet, announced before it is mined."""
        currency = currency_of(chain, rng)
        await self.fund_with(currency, some(currency, rng))

    async def fund_with(self, currency: str, amount: int) -> None:
        """So much of it."""
        world, began_s = self.world, self.world.now_s
        tx = world.pay(currency, (world.hot_script(chain_of(currency)), amount))
        command = AnnounceHouseFunding(currency, tx.txid, operator(0), "float", self._key())
        if await world.attempt("fund", "ledger", command) is None:
            # It was mined before anybody could be told of it.
            excuse = Excuse("CashierCaseOpened", currency, began_s, world.now_s + CASE_S)
            world.excuses.append(excuse)

    async def fund_unannounced(self, chain: str, rng: random.Random) -> None:
        """The same by somebody who forgot to tell: a case."""
        currency = currency_of(chain, rng)
        self.world.excuse("CashierCaseOpened", chain, CASE_S)
        self.world.pay(currency, (self.world.hot_script(chain), some(currency, rng) // 10))

    async def from_cold(self, chain: str, rng: random.Random) -> None:
        """Back from the cold address to the hot wallet, announced."""
        world, node, cold = self.world, self.world.chains[chain], foreign("cold", chain).script
        hot, state = world.hot_script(chain), self.world.chains[chain].tip.state
        if chain == "ETH":
            held = state.balances.get(cold, 0)
            if held < 2:
                return
            nonce = state.nonces.get(cold, 0)
            tx = FakeTx(outputs=((hot, held // 2),), sender=cold, nonce=nonce, gas_fee=21_000)
            if any(each.sender == cold for each in node.mempool.values()):
                return
        else:
            found = [(outpoint, amount) for outpoint, (script, amount) in state.outputs.items()
                     if script == cold]  # fmt: skip
            spent = {outpoint for each in node.mempool.values() for outpoint in each.inputs}
            found = [each for each in found if each[0] not in spent]
            if not found:
                return
            (outpoint, amount), fee = found[0], 500
            outputs = ((hot, amount // 3), (cold, amount - amount // 3 - fee))
            tx = FakeTx(outputs=outputs, inputs=(Outpoint(outpoint.txid, outpoint.index),))
        command = AnnounceHouseFunding(chain, tx.txid, operator(0), "from cold", self._key())
        await world.ask("ledger", command)
        node.send(tx)
        world.done["from_cold"] += 1

    async def adjust(self, chain: str, rng: random.Random) -> None:
        """A bonus or a correction; a third of them is undone later."""
        world, currency = self.world, currency_of(chain, rng)
        source, target = rng.sample([rng.choice(world.clients), "house"], 2)
        command = RequestAdjustment(
            world.fresh("adj"), source, target, currency, some(currency, rng) // 3, "goodwill",
            operator(0), self._key(), world.fresh("ticket"),
        )  # fmt: skip
        outcome = await world.attempt("adjust", "ledger", command)
        if outcome is not None and rng.random() < 0.5:
            world.reversible.append(command.id)
        elif world.reversible:
            undo = ReverseAdjustment(
                world.fresh("rev"), world.reversible.pop(0), "a mistake", operator(0), self._key()
            )
            await world.attempt("reverse", "ledger", undo)

    async def import_(self, chain: str, rng: random.Random) -> None:
        """A sheet of bonuses."""
        world, currency = self.world, currency_of(chain, rng)
        rows = tuple(
            ImportRow(
                number, "house", client, currency, some(currency, rng) // 50, world.fresh("row"), "bonus"
            )
            for number, client in enumerate(rng.sample(world.clients, 3), 2)
        )
        command = ImportAdjustments(world.fresh("imp"), rows, (), False, operator(0), self._key())
        await world.attempt("import", "ledger", command)

    def _key(self) -> Idempotency:
        return self.world.key(operator(0))

    async def look_at_held(self, chain: str, rng: random.Random) -> None:
        """Operators decide what waits for them: they approve most of it."""
        world = self.world
        page = await world.ask("ledger_reader", ListWithdrawals(Filter(status="held"), 200))
        for view in page.data:
            decision = "reject" if view.kind == "payout" and rng.random() < 0.2 else "approve"
            for by in (operator(1), operator(2))[: view.approvals_needed if decision == "approve" else 1]:
                command = DecideWithdrawal(
                    view.id, decision, by, reason="looked at", digest=view.digest, idempotency=world.key()
                )
                await world.attempt(f"{decision} {view.kind}", "ledger", command)
        adjustments = await world.ask("ledger_reader", ListAdjustments(200, status="held"))
        for held in adjustments.data:
            for by in (operator(1), operator(2))[: held.approvals_needed]:
                decide = DecideAdjustment(
                    held.import_id or held.id, "approve", by, "looked at", world.key(), held.digest
                )
                await world.attempt("approve adjustment", "ledger", decide)

    async def look_at_cases(self, chain: str, rng: random.Random) -> None:
        """Operators decide about money that credits nobody."""
        world = self.world
        page = await world.ask("ledger_reader", ListCases(Filter(status="open"), 200))
        for case in page.data:
            how = rng.choice(("assign", "refund", "keep", "later"))
            reason, by = "looked at", operator(rng.randrange(2))
            if how == "assign" and "assign" in case.actions:
                to = case.client_id or "house"
                assign = AssignCase(case.id, to, by, reason, world.key())
                await world.attempt("assign", "ledger", assign)
            elif how == "refund" and "refund" in case.actions:
                name = chain_of(case.currency)
                refund = RequestRefund(
                    case.id, world.fresh("wd"), case.currency, foreign(world.fresh("back"), name).address,
                    by, reason, world.key(),
                )  # fmt: skip
                await world.attempt("refund", f"withdrawal:{name}", refund)
            elif how == "keep" and "write-off" in case.actions:
                keep = WriteOffCase(case.id, by, reason, world.key())
                await world.attempt("write off", "ledger", keep)
