"""Payments, blocks and reorganisations on bitcoind and litecoind."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal

from tests.flows.forge import Coin, coins, spend, txid_of
from tests.fuzz.actions import Action
from tests.fuzz.world import Nothing, World
from tests.nodes.regtest import BitcoinNode

COIN = 10**8
RIVAL_FEE = Decimal("0.005")
"""Enough to replace a payment together with whatever was built on its change."""


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment with the raw bytes of another that spends the same coin."""

    txid: str
    rival: str


class UtxoWorld(World):
    """Every payment spends one chosen coin, so that it can be replaced or double-spent later."""

    node: BitcoinNode

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.payments: list[Payment] = []

    def patronage(self) -> int:
        return 5 * COIN

    def pay_now(self, address: str, amount: int) -> Payment:
        return self._pay([(address, amount)])

    def _coin(self) -> Coin:
        """A confirmed coin of the faucet that pays for everything; a block is mined where there is none.

        After a start the wallet may offer one that a chain tx of the mempool spends already.
        """
        for _ in range(2):
            for coin in coins(self.node):
                if coin.amount > 6 and self.node.rpc("gettxout", coin.txid, coin.index, True) is not None:
                    return coin
            self.node.mine()
        raise AssertionError("the faucet has no coin left")

    def _pay(self, outputs: list[tuple[str, int]], instead: str | None = None) -> Payment:
        """Send a payment; its rival pays ``instead``, or the faucet itself."""
        coin = self._coin()
        wanted = [(address, Decimal(amount).scaleb(-8)) for address, amount in outputs]
        raw = spend(self.node, coin, wanted)
        other = (instead or self.node.new_address(), Decimal(self.rng.randint(COIN, 2 * COIN)).scaleb(-8))
        rival = spend(self.node, coin, [other], fee=RIVAL_FEE)
        self.node.rpc("sendrawtransaction", raw)
        payment = Payment(txid_of(self.node, raw), rival)
        self.payments.append(payment)
        return payment

    def _amount(self) -> int:
        least = self.limits["minimum_deposit"]
        return self.rng.choice([least, least + 1, 10 * least, 5 * COIN // 100, self.rng.randint(least, COIN)])

    def _owned(self) -> str:
        return self.rng.choice(list(self.records.addresses))

    # -- payments --------------------------------------------------------------------------------

    async def pay(self, action: Action) -> None:
        """One output to one client."""
        await asyncio.to_thread(self._pay, [(self._owned(), self._amount())])

    async def pay_below_minimum(self, action: Action) -> None:
        """Too little to be credited; never so little that no node would relay it."""
        least = self.limits["minimum_deposit"]
        amount = self.rng.choice([least - 1, least - 1, least * 6 // 10])
        await asyncio.to_thread(self._pay, [(self._owned(), amount)])

    async def pay_twice(self, action: Action) -> None:
        """Two outputs to one address."""
        address = self._owned()
        await asyncio.to_thread(self._pay, [(address, self._amount()), (address, self._amount())])

    async def pay_many(self, action: Action) -> None:
        """One chain tx to every address there is."""
        outputs = [(address, self._amount() // 4 + COIN // 1000) for address in self.records.addresses]
        await asyncio.to_thread(self._pay, outputs)

    async def replace(self, action: Action) -> None:
        """A payment is replaced while unconfirmed: by one that is not for us, or by another amount."""
        address = self._owned()
        instead = address if self.rng.random() < 0.4 else None
        payment = await asyncio.to_thread(self._pay, [(address, self._amount())], instead)
        if action.settles and self.node.height == self.highest:
            await self.until_seen(payment.txid)
        await asyncio.to_thread(self.node.rpc, "sendrawtransaction", payment.rival)

    async def until_seen(self, txid: str) -> None:
        """Wait until the cashier shows the payment."""
        await self.shop.until(
            lambda: self.shop.website.get(f"/v1/deposits?txid={txid}"), lambda listed: bool(listed["data"])
        )

    async def coinbase(self, action: Action) -> None:
        """A miner is paid on a client's address."""
        await asyncio.to_thread(self.node.mine, 1, self._owned())

    # -- other branches --------------------------------------------------------------------------

    async def reorg(self, action: Action) -> None:
        """The last blocks are replaced; what they held is mined again at once, or waits in the mempool."""
        await asyncio.to_thread(self._branch, self.depth(), [], is_empty=self.rng.random() < 0.5)

    async def double_spend(self, action: Action) -> None:
        """The last blocks are replaced by others in which payments of theirs have gone elsewhere."""
        await asyncio.to_thread(self._double_spend, self.depth())

    def _double_spend(self, depth: int) -> None:
        undone = set(self.node.rpc("getrawmempool"))
        for back in range(depth):
            block_hash = self.node.rpc("getblockhash", self.node.height - back)
            undone |= set(self.node.rpc("getblock", block_hash)["tx"])
        victims = [payment for payment in self.payments if payment.txid in undone]
        if not victims:
            raise Nothing
        chosen = self.rng.sample(victims, self.rng.randint(1, min(2, len(victims))))
        self._branch(depth, [payment.rival for payment in chosen], is_empty=False)

    def _branch(self, depth: int, rivals: list[str], *, is_empty: bool) -> None:
        """Another branch, one block longer; ``rivals`` replace what came back to the mempool."""
        self.node.invalidate(str(self.node.rpc("getblockhash", self.node.height - depth + 1)))
        waiting = set(self.node.rpc("getrawmempool"))
        for rival in rivals:
            if self._is_sendable(rival, waiting):
                self.node.rpc("sendrawtransaction", rival)
        if is_empty:
            address = self.node.new_address()
            for _ in range(depth + 1):
                self.node.generate_block(address)
        else:
            self.node.mine(depth + 1)
        self.flush()

    def _is_sendable(self, raw: str, waiting: set[str]) -> bool:
        """Whether the mempool would take it: its coin may be younger than the branch."""
        txid = txid_of(self.node, raw)
        if txid in waiting:
            return False
        answer = self.node.rpc("testmempoolaccept", [raw])[0]
        return bool(answer["allowed"])

    def started_again(self) -> None:
        self.node.create_wallet()
