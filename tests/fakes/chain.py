"""A chain in memory that does what real ones do, on demand and always the same way.

One class for both kinds: ``utxo`` (outputs and inputs) and ``account`` (balances and nonces). Blocks form
a fork tree, each keeps the state after it, so that any branch can be mined, undone and mined again.
Money from outside comes from a faucet: every faucet input is spent once per branch, and a payment can
be made to conflict with another by using the same one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from coins.types import AccountTx, Block, BlockRef, ChainDelta, Outpoint, Receipt, Spend

FAUCET = "faucet"
FAUCET_ACCOUNT = b"faucet"


class InvalidTxError(Exception):
    """The chain tx cannot be in the mempool or in a block on this branch."""


@dataclass(frozen=True, slots=True)
class FakeTx:
    """A chain tx of either kind. ``outputs`` are (script, amount); ``inputs`` outpoints or faucet marks."""

    outputs: tuple[tuple[bytes, int], ...] = ()
    inputs: tuple[Outpoint, ...] = ()
    sender: bytes | None = None
    nonce: int | None = None
    gas_fee: int = 0
    is_success: bool = True
    coinbase_of: str = ""

    @property
    def txid(self) -> str:
        """Hash of the content; an unsuccessful run of the same tx is the same tx."""
        return hashlib.sha256(self.encode().encode()).hexdigest()

    def encode(self) -> str:
        """The bytes a node would be sent, as hex of JSON."""
        body = {
            "outputs": [[script.hex(), str(amount)] for script, amount in self.outputs],
            "inputs": [[i.txid, i.index] for i in self.inputs],
            "sender": None if self.sender is None else self.sender.hex(),
            "nonce": self.nonce,
            "gas_fee": str(self.gas_fee),
            "coinbase_of": self.coinbase_of,
        }
        return json.dumps(body, sort_keys=True).encode().hex()

    @staticmethod
    def decode(raw: str) -> FakeTx:
        """Inverse of :meth:`encode`."""
        body = json.loads(bytes.fromhex(raw))
        return FakeTx(
            outputs=tuple((bytes.fromhex(script), int(amount)) for script, amount in body["outputs"]),
            inputs=tuple(Outpoint(txid, index) for txid, index in body["inputs"]),
            sender=None if body["sender"] is None else bytes.fromhex(body["sender"]),
            nonce=body["nonce"],
            gas_fee=int(body["gas_fee"]),
            coinbase_of=body["coinbase_of"],
        )


@dataclass(frozen=True, slots=True)
class State:
    """What a branch holds after a block: unspent outputs, spent faucet inputs, balances, nonces."""

    outputs: dict[Outpoint, tuple[bytes, int]] = field(default_factory=dict)
    used: frozenset[Outpoint] = frozenset()
    balances: dict[bytes, int] = field(default_factory=dict)
    nonces: dict[bytes, int] = field(default_factory=dict)
    txids: frozenset[str] = frozenset()

    def apply(self, tx: FakeTx) -> State:
        """The state after one chain tx. Raises InvalidTxError."""
        if tx.txid in self.txids:
            raise InvalidTxError("mined already")
        if tx.sender is not None:
            return self._apply_account(tx)
        outputs, used = dict(self.outputs), set(self.used)
        spent = made = 0
        is_paid_by_us = bool(tx.inputs) and not tx.inputs[0].txid.startswith(FAUCET)
        for outpoint in tx.inputs:
            if outpoint.txid.startswith(FAUCET):
                if outpoint in used:
                    raise InvalidTxError("the faucet's input is spent")
                used.add(outpoint)
            elif outpoint not in outputs:
                raise InvalidTxError(f"{outpoint} is not there")
            else:
                spent += outputs.pop(outpoint)[1]
        for index, (script, amount) in enumerate(tx.outputs):
            outputs[Outpoint(tx.txid, index)] = (script, amount)
            made += amount
        if is_paid_by_us and made > spent:
            raise InvalidTxError("makes money")
        return replace(self, outputs=outputs, used=frozenset(used), txids=self.txids | {tx.txid})

    def _apply_account(self, tx: FakeTx) -> State:
        balances, nonces = dict(self.balances), dict(self.nonces)
        sender = tx.sender or b""
        ((recipient, amount),) = tx.outputs
        if tx.nonce != nonces.get(sender, 0):
            raise InvalidTxError(f"nonce {tx.nonce}, the next is {nonces.get(sender, 0)}")
        if sender != FAUCET_ACCOUNT:
            value = amount if tx.is_success else 0
            balances[sender] = balances.get(sender, 0) - value - tx.gas_fee
            if balances[sender] < 0:
                raise InvalidTxError("insufficient funds")
        nonces[sender] = nonces.get(sender, 0) + 1
        if tx.is_success:
            balances[recipient] = balances.get(recipient, 0) + amount
        return replace(self, balances=balances, nonces=nonces, txids=self.txids | {tx.txid})


@dataclass(frozen=True, slots=True)
class FakeBlock:
    """One block of the tree with its chain tx and the state after it."""

    ref: BlockRef
    txs: tuple[FakeTx, ...]
    state: State


class FakeIndex:
    """A WatchIndex: own scripts and outpoints."""

    def __init__(self) -> None:
        self.scripts: set[bytes] = set()
        self.outpoints: set[Outpoint] = set()

    def add_script(self, script: bytes) -> None:
        self.scripts.add(script)

    def add_scripts(self, scripts: Iterable[bytes]) -> None:
        self.scripts.update(scripts)

    def add_outpoint(self, outpoint: Outpoint) -> None:
        self.outpoints.add(outpoint)

    def discard_outpoint(self, outpoint: Outpoint) -> None:
        self.outpoints.discard(outpoint)

    def __len__(self) -> int:
        return len(self.scripts)


class FakeChain:
    """The tree, the best branch's tip and the mempool of one node."""

    def __init__(self, chain: str = "BTC", kind: str = "utxo", anchor_height: int = 100) -> None:
        self.chain = chain
        self.kind = kind
        ref = BlockRef(anchor_height, self._hash("anchor"), self._hash("before"), 1_700_000_000)
        self.anchor = FakeBlock(ref, (), State())
        self.tip = self.anchor
        self.blocks: dict[str, FakeBlock] = {ref.block_hash: self.anchor}
        self.mempool: dict[str, FakeTx] = {}
        self.failing: set[str] = set()  # txids that will be mined with status 0
        self.listeners: list[Callable[[], None]] = []  # called when the tip or the mempool changed
        self._count = 0
        self.epoch: int | None = None  # length of an epoch where the node names safe and finalized blocks

    def _changed(self) -> None:
        for listener in list(self.listeners):
            listener()

    def _hash(self, text: str) -> str:
        return hashlib.sha256(f"{self.chain}|{text}".encode()).hexdigest()

    def _next(self) -> int:
        self._count += 1
        return self._count

    # -- what people do -----------------------------------------------------------------------------

    def pay(self, *outputs: tuple[bytes, int], conflicts: FakeTx | None = None) -> FakeTx:
        """A payment from outside, into the mempool; ``conflicts`` is a payment it excludes."""
        if self.kind == "account":
            waiting = sum(tx.sender == FAUCET_ACCOUNT for tx in self.mempool.values())
            nonce = self.tip.state.nonces.get(FAUCET_ACCOUNT, 0) + waiting
            if conflicts is not None:
                nonce = conflicts.nonce or 0
            tx = FakeTx(outputs=outputs, sender=FAUCET_ACCOUNT, nonce=nonce)
        else:
            mark = Outpoint(FAUCET, self._next()) if conflicts is None else conflicts.inputs[0]
            tx = FakeTx(outputs=outputs, inputs=(mark,))
        if conflicts is None:
            self.send(tx)
        return tx

    def send(self, tx: FakeTx) -> None:
        """Put a chain tx into the mempool. Raises InvalidTxError when it conflicts or is mined."""
        if tx.txid in self.mempool:
            return
        self._mempool_state([*self.mempool.values(), tx])
        self.mempool[tx.txid] = tx
        self._changed()

    def _mempool_state(self, txs: Sequence[FakeTx]) -> State:
        state = self.tip.state
        for tx in txs:
            state = state.apply(tx)
        return state

    def replace(self, tx: FakeTx, by: FakeTx) -> None:
        """Replace a chain tx in the mempool (RBF)."""
        self.mempool.pop(tx.txid, None)
        self.send(by)

    # -- what miners do -----------------------------------------------------------------------------

    def mine(
        self, count: int = 1, txs: Sequence[FakeTx] | None = None, coinbase: bytes | None = None
    ) -> None:
        """Mine on the tip: the first block takes ``txs``, or the whole mempool."""
        for number in range(count):
            chosen = list(self.mempool.values()) if txs is None else list(txs) if number == 0 else []
            if coinbase is not None and number == 0:
                chosen.insert(0, FakeTx(outputs=((coinbase, 50 * 10**8),), coinbase_of=str(self._next())))
            self.tip = self._extend(self.tip, chosen)
            self._clean_mempool(())

    def _extend(self, parent: FakeBlock, txs: Sequence[FakeTx]) -> FakeBlock:
        state, mined = parent.state, []
        for tx in txs:
            tx = replace(tx, is_success=tx.txid not in self.failing)
            state = state.apply(tx)
            mined.append(tx)
        ref = BlockRef(
            height=parent.ref.height + 1,
            block_hash=self._hash(f"block {self._next()}"),
            parent_hash=parent.ref.block_hash,
            time=parent.ref.time + 600,
        )
        block = FakeBlock(ref, tuple(mined), state)
        self.blocks[ref.block_hash] = block
        return block

    def _clean_mempool(self, returning: Iterable[FakeTx]) -> None:
        """Keep what is still valid on the tip, in order, and take back what was undone."""
        waiting = [*returning, *self.mempool.values()]
        self.mempool = {}
        state = self.tip.state
        for tx in waiting:
            try:
                state = state.apply(tx)
            except InvalidTxError:
                continue
            self.mempool[tx.txid] = tx
        self._changed()

    def reorg(self, depth: int, blocks: Sequence[Sequence[FakeTx]] | None = None) -> None:
        """Undo ``depth`` blocks and mine a longer branch; its blocks take the given chain tx.

        What was undone returns to the mempool, unless the new branch conflicts with it.
        """
        chosen = list(blocks) if blocks is not None else []
        chosen += [()] * (depth + 1 - len(chosen))
        undone: list[FakeTx] = []
        block = self.tip
        for _ in range(depth):
            undone = [tx for tx in block.txs if not tx.coinbase_of] + undone
            block = self.blocks[block.ref.parent_hash]
        for txs in chosen:
            block = self._extend(block, txs)
        self.tip = block
        self._clean_mempool([replace(tx, is_success=True) for tx in undone])

    def switch(self, block_hash: str) -> None:
        """Make another block of the tree the tip, as when two branches take turns."""
        undone = [tx for ref in self.refs() for tx in self.blocks[ref.block_hash].txs if not tx.coinbase_of]
        self.tip = self.blocks[block_hash]
        self._clean_mempool([replace(tx, is_success=True) for tx in reversed(undone)])

    # -- what a node tells ----------------------------------------------------------------------------

    def refs(self) -> list[BlockRef]:
        """The best branch, newest first, down to the anchor."""
        found, block = [], self.tip
        while True:
            found.append(block.ref)
            if block is self.anchor:
                return found
            block = self.blocks[block.ref.parent_hash]

    def block(self, block_hash: str, index: FakeIndex) -> Block:
        """Movements of the watched scripts in one block; its new own outpoints are added to ``index``."""
        found = self.blocks[block_hash]
        receipts: list[Receipt] = []
        spends: list[Spend] = []
        sent: list[AccountTx] = []
        for tx in found.txs:
            receipts += self.receipts(tx, index)
            for outpoint in tx.inputs:
                if outpoint in index.outpoints:
                    spends.append(Spend(tx.txid, outpoint))
            for position, (script, _) in enumerate(tx.outputs):
                if tx.sender is None and script in index.scripts:
                    index.add_outpoint(Outpoint(tx.txid, position))
            if tx.sender is not None and tx.sender in index.scripts:
                recipient, amount = tx.outputs[0]
                nonce = tx.nonce or 0
                sent.append(
                    AccountTx(tx.txid, tx.sender, nonce, recipient, amount, tx.gas_fee, tx.is_success)
                )
        return Block(found.ref, tuple(receipts), tuple(spends), tuple(sent))

    def receipts(self, tx: FakeTx, index: FakeIndex) -> list[Receipt]:
        """What a chain tx brings to the watched scripts."""
        if not tx.is_success:
            return []
        return [
            Receipt(
                currency=self.chain,
                txid=tx.txid,
                position="native" if tx.sender is not None else str(position),
                script=script,
                amount=amount,
                sender=tx.sender,
                is_coinbase=bool(tx.coinbase_of),
            )
            for position, (script, amount) in enumerate(tx.outputs)
            if script in index.scripts and (amount or tx.sender is None)
        ]

    def delta(self, known: Sequence[BlockRef], index: FakeIndex, address_seq: int) -> ChainDelta:
        """The step from ``known`` (newest first) to the tip."""
        branch = {ref.block_hash: ref for ref in self.refs()}
        disconnected = []
        for ref in known:
            if ref.block_hash in branch:
                break
            disconnected.append(ref)
        fork_height = known[len(disconnected)].height
        connected = [ref for ref in reversed(self.refs()) if ref.height > fork_height]
        blocks = tuple(self.block(ref.block_hash, index) for ref in connected)
        return ChainDelta(self.chain, tuple(disconnected), blocks, address_seq, *self.tags())

    def tags(self) -> tuple[int | None, int | None]:
        """Heights of the safe and the finalized block: one and two epochs below the tip, as anvil does it."""
        if self.epoch is None:
            return None, None
        return tuple(max(0, self.tip.ref.height - epochs * self.epoch) for epochs in (1, 2))  # type: ignore[return-value]


class TwinChain(FakeChain):
    """A second node of the same chain: at the same tip as the first while it follows."""

    def __init__(self, first: FakeChain) -> None:
        super().__init__(first.chain, first.kind)
        self.anchor, self.blocks, self.epoch = first.anchor, first.blocks, first.epoch
        self._count = 1_000_000  # its own blocks have hashes of their own
        self.first = first
        self.is_following = True
        first.listeners.append(self.follow)
        self.follow()

    def follow(self) -> None:
        """Take over the first one's tip."""
        if self.is_following:
            self.tip = self.first.tip

    def part(self) -> None:
        """Follow no more: what is mined from now on is its own."""
        self.is_following = False

    def rejoin(self) -> None:
        """Follow again, whatever it mined itself."""
        self.is_following = True
        self.follow()
