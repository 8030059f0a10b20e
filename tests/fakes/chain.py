"""A chain in memory that does what real ones do, on demand and always the same way.

One class for both kinds: ``utxo`` (outputs and inputs) and ``account`` (balances and nonces). Blocks form
a fork tree, each keeps the state after it, so that any branch can be mined, undone and mined again.
Money from outside comes from a faucet: every faucet input is spent once per branch, and a payment can
be made to conflict with another by using the same one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from coins.types import AccountTx, Block, BlockRef, ChainDelta, Outpoint, Receipt, Spend, TokenSend
from tests.fakes.index import FakeIndex as FakeIndex
from tests.fakes.tx import FAUCET as FAUCET
from tests.fakes.tx import FAUCET_ACCOUNT as FAUCET_ACCOUNT
from tests.fakes.tx import FakeTx as FakeTx
from tests.fakes.tx import InvalidTxError as InvalidTxError
from tests.fakes.tx import contract_of


@dataclass(frozen=True, slots=True)
class State:
    """What a branch holds after a block: unspent outputs, spent faucet inputs, balances, nonces."""

    outputs: dict[Outpoint, tuple[bytes, int]] = field(default_factory=dict)
    used: frozenset[Outpoint] = frozenset()
    balances: dict[bytes, int] = field(default_factory=dict)
    nonces: dict[bytes, int] = field(default_factory=dict)
    tokens: dict[tuple[str, bytes], int] = field(default_factory=dict)
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
            value = amount if tx.is_success and not tx.token else 0
            balances[sender] = balances.get(sender, 0) - value - tx.gas_fee
            if balances[sender] < 0:
                raise InvalidTxError("insufficient funds")
        nonces[sender] = nonces.get(sender, 0) + 1
        if tx.is_success and not tx.token:
            balances[recipient] = balances.get(recipient, 0) + amount
        tokens = self._move_tokens(tx) if tx.token and tx.is_success else self.tokens
        return replace(self, balances=balances, nonces=nonces, tokens=tokens, txids=self.txids | {tx.txid})

    def _move_tokens(self, tx: FakeTx) -> dict[tuple[str, bytes], int]:
        """The token's own book after a transfer."""
        ((recipient, amount),) = tx.outputs
        tokens, source, target = dict(self.tokens), (tx.token, tx.sender or b""), (tx.token, recipient)
        if tx.is_ignored:
            return tokens
        if tx.sender != FAUCET_ACCOUNT:
            tokens[source] = tokens.get(source, 0) - amount
            if tokens[source] < 0:
                raise InvalidTxError("insufficient tokens")
        tokens[target] = tokens.get(target, 0) + amount - tx.token_fee
        return tokens


@dataclass(frozen=True, slots=True)
class FakeBlock:
    """One block of the tree with its chain tx and the state after it."""

    ref: BlockRef
    txs: tuple[FakeTx, ...]
    state: State


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
        self.silent: set[str] = set()  # tokens that answer false now
        self.paused: set[str] = set()  # tokens whose transfers fail now, but for the faucet's
        self.taxed: dict[str, int] = {}  # token: what it keeps of each transfer now, in percent
        self.listeners: list[Callable[[], None]] = []  # called when the tip or the mempool changed
        self._count = 0
        self.block_time_s = 600
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

    def pay(self, *outputs: tuple[bytes, int], conflicts: FakeTx | None = None, token: str = "") -> FakeTx:
        """A payment from outside, into the mempool; ``conflicts`` is a payment it excludes."""
        if self.kind == "account":
            waiting = sum(tx.sender == FAUCET_ACCOUNT for tx in self.mempool.values())
            nonce = self.tip.state.nonces.get(FAUCET_ACCOUNT, 0) + waiting
            if conflicts is not None:
                nonce = conflicts.nonce or 0
            tx = FakeTx(outputs=outputs, sender=FAUCET_ACCOUNT, nonce=nonce, token=token)
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
        waiting = [each for each in self.mempool.values() if not _outbids(tx, each)]
        waiting.insert(len(waiting) if len(waiting) == len(self.mempool) else self._place_of(tx), tx)
        self._mempool_state(waiting)
        self.mempool = {each.txid: each for each in waiting}
        self._changed()

    def _place_of(self, tx: FakeTx) -> int:
        """Where in the mempool the candidate is that has the same nonce."""
        return next(n for n, each in enumerate(self.mempool.values()) if _outbids(tx, each))

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
            tx = self._outcome(tx)
            state = state.apply(tx)
            mined.append(tx)
        ref = BlockRef(
            height=parent.ref.height + 1,
            block_hash=self._hash(f"block {self._next()}"),
            parent_hash=parent.ref.block_hash,
            time=parent.ref.time + self.block_time_s,
        )
        block = FakeBlock(ref, tuple(mined), state)
        self.blocks[ref.block_hash] = block
        return block

    def _outcome(self, tx: FakeTx) -> FakeTx:
        """What becomes of a chain tx in a block mined now."""
        ours = tx.sender != FAUCET_ACCOUNT
        fails = tx.txid in self.failing or (tx.token in self.paused and ours)
        fee = tx.outputs[0][1] * self.taxed.get(tx.token, 0) // 100 if tx.token and ours else 0
        return replace(tx, is_success=not fails, is_ignored=tx.token in self.silent and ours, token_fee=fee)

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
                    spends.append(Spend(tx.txid, outpoint, sum(amount for _, amount in tx.outputs)))
            for position, (script, _) in enumerate(tx.outputs):
                if tx.sender is None and script in index.scripts:
                    index.add_outpoint(Outpoint(tx.txid, position))
            if tx.sender is not None and tx.sender in index.scripts:
                recipient, amount = tx.outputs[0]
                nonce = tx.nonce or 0
                if tx.token:
                    recipient, amount = contract_of(tx.token), 0
                sent.append(
                    AccountTx(tx.txid, tx.sender, nonce, recipient, amount, tx.gas_fee, tx.is_success)
                )
        token_sends = [send for tx in found.txs for send in self.token_sends(tx, index)]
        return Block(found.ref, tuple(receipts), tuple(spends), tuple(sent), tuple(token_sends))

    def token_sends(self, tx: FakeTx, index: FakeIndex) -> list[TokenSend]:
        """Token units a chain tx takes from the watched scripts: an event for the payee, one for the fee."""
        if not tx.token or not tx.is_success or tx.is_ignored or tx.sender not in index.scripts:
            return []
        recipient, amount = tx.outputs[0]
        parts = [(recipient, amount - tx.token_fee), (contract_of(tx.token), tx.token_fee)]
        return [
            TokenSend(tx.token, tx.txid, f"log:{ordinal}", tx.sender or b"", to, part)
            for ordinal, (to, part) in enumerate(parts)
            if part
        ]

    def receipts(self, tx: FakeTx, index: FakeIndex) -> list[Receipt]:
        """What a chain tx brings to the watched scripts."""
        if not tx.is_success or tx.is_ignored:
            return []
        kind = "log:0" if tx.token else "native"
        return [
            Receipt(
                currency=tx.token or self.chain,
                txid=tx.txid,
                position=kind if tx.sender is not None else str(position),
                script=script,
                amount=amount - tx.token_fee,
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


def _outbids(tx: FakeTx, other: FakeTx) -> bool:
    """Whether a node takes ``tx`` in the place of ``other``: an account's same nonce for an eighth more, or
    the same payments out of the same outputs (and more of them) for less change."""
    if tx.inputs and other.inputs:
        is_alone = len(tx.outputs) == len(other.outputs) == 1 and tx.outputs[0][0] == other.outputs[0][0]
        is_same = is_alone or tx.outputs[0] == other.outputs[0]
        is_same = is_same and set(tx.inputs) >= set(other.inputs)
        return is_same and (len(tx.outputs) < len(other.outputs) or tx.outputs[-1][1] < other.outputs[-1][1])
    is_rival = tx.sender is not None and (tx.sender, tx.nonce) == (other.sender, other.nonce)
    return is_rival and tx.gas_fee > other.gas_fee and 8 * tx.gas_fee >= 9 * other.gas_fee


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
