"""Payments, blocks and reorganisations on anvil."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from tests.fuzz.actions import Action
from tests.fuzz.world import Nothing, World
from tests.nodes.regtest import AnvilNode

ETHER = 10**18
REFUSER = "0x" + "fe" * 20
REFUSES = "0x60006000fd"
"""PUSH1 0 PUSH1 0 REVERT."""
GWEI = 10**9
PRICE = 20 * GWEI


@dataclass(frozen=True, slots=True)
class Sent:
    """A payment of one of the node's own accounts."""

    txid: str
    sender: str
    nonce: int


class AccountWorld(World):
    """Payers are the node's unlocked accounts; a nonce used again is a replacement or a double spend."""

    node: AnvilNode

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.sent: list[Sent] = []
        self.strangers = 0

    def patronage(self) -> int:
        return 20 * ETHER

    def pay_now(self, address: str, amount: int) -> Sent:
        return self._pay(address, amount)

    def _pay(self, address: str, amount: int, again: Sent | None = None, **fields: str) -> Sent:
        """Send a payment; with ``again`` it takes that one's place."""
        sender = again.sender if again else self.rng.choice(self.node.accounts)
        pending = int(self.node.rpc("eth_getTransactionCount", sender, "pending"), 16)
        nonce = again.nonce if again else pending
        price = 10 * PRICE if again else PRICE
        fields = {"gas": "0xc350", "gasPrice": hex(price), "nonce": hex(nonce)} | fields
        sent = Sent(self.node.send(address, amount, sender, **fields), sender, nonce)
        self.sent.append(sent)
        return sent

    def _amount(self) -> int:
        least = self.limits["minimum_deposit"]
        return self.rng.choice(
            [least, least + 1, 10 * least, 9_223_372_036_854_775_809, self.rng.randint(least, 3 * ETHER)]
        )

    def _owned(self) -> str:
        return self.rng.choice(list(self.records.addresses))

    def _stranger(self) -> str:
        self.strangers += 1
        return f"0x{0xDEAD0000 + self.strangers:040x}"

    # -- payments --------------------------------------------------------------------------------

    async def pay(self, action: Action) -> None:
        """One payment to one client."""
        await asyncio.to_thread(self._pay, self._owned(), self._amount())

    async def pay_below_minimum(self, action: Action) -> None:
        """Too little to be credited."""
        least = self.limits["minimum_deposit"]
        await asyncio.to_thread(self._pay, self._owned(), self.rng.choice([1, least - 1]))

    async def pay_twice(self, action: Action) -> None:
        """Two payments to one address, in one block if nothing comes between."""
        address = self._owned()
        for _ in range(2):
            await asyncio.to_thread(self._pay, address, self._amount())

    async def pay_many(self, action: Action) -> None:
        """A payment to every address there is."""
        for address in self.records.addresses:
            await asyncio.to_thread(self._pay, address, self._amount())

    async def pay_failed(self, action: Action) -> None:
        """Value sent to a contract that refuses it, our address in the data: mined, with status 0."""
        data = f"0x{'00' * 16}{self._owned().removeprefix('0x').lower()}"
        await asyncio.to_thread(self._fail, data)

    def _fail(self, data: str) -> None:
        self.node.rpc("anvil_setCode", REFUSER, REFUSES)
        self._pay(REFUSER, self._amount(), data=data)

    async def replace(self, action: Action) -> None:
        """A payment is replaced while unconfirmed: by one that is not for us, or by another amount."""
        address = self._owned()
        sent = await asyncio.to_thread(self._pay, address, self._amount())
        if action.settles and self.node.height == self.highest:
            await self.until_seen(sent.txid)
        target = address if self.rng.random() < 0.4 else self._stranger()
        await asyncio.to_thread(self._pay, target, self._amount(), sent)

    async def until_seen(self, txid: str) -> None:
        """Wait until the cashier shows the payment."""
        await self.shop.until(
            lambda: self.shop.website.get(f"/v1/deposits?txid={txid}"), lambda listed: bool(listed["data"])
        )

    # -- other branches --------------------------------------------------------------------------

    async def reorg(self, action: Action) -> None:
        """The last blocks are replaced; payments are sent again, or lost for good."""
        await asyncio.to_thread(self._branch, self.depth(), is_again=self.rng.random() < 0.6, victim=None)

    async def double_spend(self, action: Action) -> None:
        """The last blocks are replaced by others in which a payment of theirs has gone elsewhere."""
        depth = self.depth()
        undone = await asyncio.to_thread(self._undone, depth)
        victims = [sent for sent in self.sent if sent.txid in undone]
        if not victims:
            raise Nothing
        await asyncio.to_thread(self._branch, depth, is_again=True, victim=self.rng.choice(victims))

    def _undone(self, depth: int) -> list[str]:
        """Hashes of the chain txs of the top blocks, in order."""
        heights = range(self.node.height - depth + 1, self.node.height + 1)
        blocks = [self.node.rpc("eth_getBlockByNumber", hex(height), False) for height in heights]
        return [str(txid) for block in blocks for txid in block["transactions"]]

    def _branch(self, depth: int, *, is_again: bool, victim: Sent | None) -> None:
        """Another branch, one block longer."""
        payers = {sent.txid for sent in self.sent}
        undone = [txid for txid in self._undone(depth) if txid in payers]
        raws = [str(self.node.rpc("eth_getRawTransactionByHash", txid)) for txid in undone]
        self.node.reorg(depth)
        if victim is not None:
            self._pay(self._stranger(), ETHER, victim)
        for txid, raw in zip(undone, raws, strict=True):
            if is_again and (victim is None or txid != victim.txid):
                self.node.rpc("eth_sendRawTransaction", raw)
        self.node.mine()
        self.flush()
