"""A whole coin over a chain in memory: reader, deriver, spender with a signer, as actors hold them."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from coins.codec import encode_plan
from coins.errors import InvalidAddressError, NodeUnavailableError, PlanError
from coins.family import Coin, WatchIndex
from coins.types import (
    CONSOLIDATE,
    AttemptPlan,
    Block,
    BlockRef,
    Branch,
    BroadcastOutcome,
    BroadcastResult,
    ConsolidationTerms,
    ConsolidationWork,
    FeeQuote,
    ForeignAddress,
    Head,
    Holdings,
    Location,
    MempoolView,
    Outpoint,
    OwnOutput,
    OwnScript,
    Payee,
    PayoutWork,
    SignedTx,
    Spend,
    StuckWork,
    TxOutput,
    Utxo,
)
from tests.fakes.chain import FakeChain, FakeIndex, FakeTx, InvalidTxError
from tests.fakes.holding import chain_holdings as chain_holdings
from tests.fakes.holding import fake_holdings

FEE_PER_INPUT = 100
DUST = 546
GAS_MAX = 21_000 * 2


def own_script(currency: str, branch: Branch, index: int) -> OwnScript:
    """The script that the fake seed gives at a path."""
    script = hashlib.sha256(f"{currency}/{branch}/{index}".encode()).digest()[:20]
    return OwnScript(script, f"{currency.lower()}:{script.hex()}", branch, index)


def foreign(name: str, currency: str = "BTC") -> ForeignAddress:
    """The address of somebody else."""
    script = hashlib.sha256(f"foreign/{name}".encode()).digest()[:20]
    return ForeignAddress(f"{currency.lower()}:{script.hex()}", script)


class FakeReader:
    """ChainReader over a FakeChain; ``is_down`` makes every call fail."""

    def __init__(self, chain: FakeChain) -> None:
        self.chain = chain
        self.is_down = False
        self.calls = 0
        self.peer_count = 8
        self.tokens: tuple[str, ...] = ()

    def _answer(self) -> None:
        self.calls += 1
        if self.is_down:
            raise NodeUnavailableError("the node is down")

    async def identify(self) -> None:
        self._answer()

    async def head(self) -> Head:
        self._answer()
        ref = self.chain.tip.ref
        safe_height, finalized_height = self.chain.tags()
        return Head(ref.height, ref.block_hash, None, safe_height, finalized_height)

    async def block_ref(self, height: int) -> BlockRef | None:
        self._answer()
        refs = {ref.height: ref for ref in self.chain.refs()}
        return refs.get(height)

    async def block_refs(self, first: int, last: int) -> Sequence[BlockRef]:
        self._answer()
        return [ref for ref in reversed(self.chain.refs()) if first <= ref.height <= last]

    async def read_block(self, height: int, block_hash: str, index: WatchIndex) -> Block:
        self._answer()
        if not isinstance(index, FakeIndex):
            raise TypeError("a fake reader needs a FakeIndex")
        return self.chain.block(block_hash, index)

    async def wait_change(self, after: Head, timeout_s: float) -> None:
        changed = asyncio.Event()
        self.chain.listeners.append(changed.set)
        try:
            async with asyncio.timeout(timeout_s):
                await changed.wait()
        except TimeoutError:
            return
        finally:
            self.chain.listeners.remove(changed.set)

    async def mempool(self, index: WatchIndex) -> MempoolView:
        self._answer()
        if not isinstance(index, FakeIndex):
            raise TypeError("a fake reader needs a FakeIndex")
        return mempool_view(self.chain, index)

    async def holdings(self, scripts: Sequence[tuple[bytes, Location]]) -> Holdings:
        self._answer()
        return fake_holdings(self.chain, dict(scripts), self.chain.tip, self.tokens)

    async def history(
        self, scripts: Sequence[tuple[bytes, Location]], low: int, known: Sequence[OwnOutput]
    ) -> FakeHistory:
        self._answer()
        return FakeHistory(self, dict(scripts))

    async def peers(self) -> int:
        self._answer()
        return self.peer_count

    def recall(self, txids: Collection[str]) -> None:
        """The whole mempool is told."""

    async def sent_count(self, script: bytes) -> int:
        self._answer()
        return self.chain.tip.state.nonces.get(script, 0)

    async def is_in_chain_or_mempool(self, txid: str) -> bool | None:
        self._answer()
        return txid in self.chain.mempool or txid in self.chain.tip.state.txids

    async def close(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class FakeHistory:
    """States of the chain's best branch."""

    reader: FakeReader
    places: dict[bytes, Location]

    async def at(self, height: int) -> Holdings:
        chain = self.reader.chain
        for ref in chain.refs():
            if ref.height == height:
                return fake_holdings(chain, self.places, chain.blocks[ref.block_hash], self.reader.tokens)
        raise ValueError(f"no block at height {height}")


def mempool_view(chain: FakeChain, index: FakeIndex) -> MempoolView:
    """The mempool as the watcher is told of it."""
    txs = chain.mempool.values()
    receipts = [receipt for tx in txs for receipt in chain.receipts(tx, index)]
    own = index.outpoints | {Outpoint(r.txid, int(r.position)) for r in receipts if r.position.isdecimal()}
    spends = [
        Spend(tx.txid, outpoint, sum(amount for _, amount in tx.outputs))
        for tx in txs
        for outpoint in tx.inputs
        if outpoint in own
    ]
    return MempoolView(tuple(receipts), frozenset(chain.mempool), tuple(spends))


class FakeDeriver:
    """AddressDeriver of a fake seed; addresses are ``{currency}:{hex of the script}``."""

    def __init__(self, currency: str) -> None:
        self.currency = currency

    async def derive(self, branch: Branch, index: int) -> OwnScript:
        return own_script(self.currency, branch, index)

    def parse(self, text: str) -> ForeignAddress:
        prefix, _, body = text.partition(":")
        if prefix != self.currency.lower():
            raise InvalidAddressError("another network's address", code="wrong_network")
        try:
            script = bytes.fromhex(body)
        except ValueError as error:
            raise InvalidAddressError("not hex") from error
        if len(script) != 20:
            raise InvalidAddressError("not 20 bytes")
        return ForeignAddress(f"{prefix}:{script.hex()}", script)

    def uri(self, address: str, currency: str = "") -> str:
        return f"fake:{address}{f'?token={currency}' if '-' in currency else ''}"


class FakeSpender:
    """Spender that plans largest first, signs by hashing, and sends to the fake chain.

    ``lose_answers`` counts broadcasts whose bytes arrive and whose answer does not, ``consolidation_terms``
    say when small outputs are brought together (None: never).
    """

    def __init__(self, chain: FakeChain) -> None:
        self.chain = chain
        self.lose_answers = 0
        self.is_down = False
        self.sent: list[str] = []
        self.consolidation_terms: ConsolidationTerms | None = None

    async def quote(self) -> FeeQuote:
        if self.is_down:
            raise NodeUnavailableError("the node is down")
        return FeeQuote(fee_rate_sat_vb=1, max_fee_wei=2, priority_fee_wei=1)

    def plan(self, work: PayoutWork, quote: FeeQuote) -> AttemptPlan:
        return plan_payment(work)

    def bump(self, work: StuckWork, quote: FeeQuote) -> AttemptPlan | None:
        return bump_payment(work) if work.is_next or work.is_stopped else None

    def consolidation(self, quote: FeeQuote) -> ConsolidationTerms | None:
        return self.consolidation_terms

    def consolidate(self, work: ConsolidationWork, quote: FeeQuote) -> AttemptPlan:
        return plan_consolidation(work)

    async def vet(self, plan: AttemptPlan) -> None:
        if self.is_down:
            raise NodeUnavailableError("the node is down")

    async def sign(self, plan: AttemptPlan) -> SignedTx:
        tx = to_tx(plan)
        return SignedTx(tx.txid, tx.encode())

    async def broadcast(self, signed: SignedTx) -> BroadcastResult:
        if self.is_down:
            return BroadcastResult(BroadcastOutcome.UNKNOWN, "the node is down")
        self.sent.append(signed.txid)
        if signed.txid in self.chain.mempool or signed.txid in self.chain.tip.state.txids:
            return BroadcastResult(BroadcastOutcome.KNOWN)
        try:
            self.chain.send(FakeTx.decode(signed.raw))
        except InvalidTxError as error:
            return BroadcastResult(BroadcastOutcome.REJECTED, str(error))
        if self.lose_answers:
            self.lose_answers -= 1
            return BroadcastResult(BroadcastOutcome.UNKNOWN, "no answer")
        return BroadcastResult(BroadcastOutcome.ACCEPTED)


def plan_payment(work: PayoutWork) -> AttemptPlan:
    """Plan one piece of work: outputs largest first with change, or one send of an account."""
    return _plan_send(work) if work.source is not None else _plan_spend(work)


def _plan_spend(work: PayoutWork) -> AttemptPlan:
    """The oldest payout with as many of the next ones as there is enough for."""
    for count in range(len(work.more), 0, -1):
        try:
            return _plan_spend_of(work, work.more[:count])
        except PlanError:
            continue
    return _plan_spend_of(work, ())


def _plan_spend_of(work: PayoutWork, more: Sequence[Payee]) -> AttemptPlan:
    inputs: list[Utxo] = []
    total = 0
    payees = [work.output, *(payee.output for payee in more)]
    amount = sum(payee.amount for payee in payees)
    for utxo in sorted(work.utxos, key=lambda u: (-u.amount, u.outpoint.txid, u.outpoint.index)):
        inputs.append(utxo)
        total += utxo.amount
        if total >= amount + FEE_PER_INPUT * len(inputs):
            break
    else:
        raise PlanError("not enough spendable outputs", waiting_for="funds")
    fee = FEE_PER_INPUT * len(inputs)
    rest = total - amount - fee
    outputs, change = payees, None
    if rest >= DUST:
        if work.change is None:
            raise PlanError("no change script yet", waiting_for="node")
        change = work.change
        outputs.append(TxOutput(change.script, change.address, rest))
    else:
        fee += rest
    return AttemptPlan(
        work.intent_id,
        work.kind,
        work.currency,
        tuple(outputs),
        fee,
        "{}",
        tuple(inputs),
        change,
        more=tuple(payee.intent_id for payee in more),
    )


def plan_consolidation(work: ConsolidationWork) -> AttemptPlan:
    """All outputs of a piece of work into its change, less the fee of each input."""
    own, fee = work.change, FEE_PER_INPUT * len(work.utxos)
    assert own is not None
    back = TxOutput(own.script, own.address, sum(utxo.amount for utxo in work.utxos) - fee)
    return AttemptPlan(work.intent_id, CONSOLIDATE, work.currency, (back,), fee, "{}", work.utxos, own)


def _plan_send(work: PayoutWork) -> AttemptPlan:
    output, balance = work.output, work.balance or 0
    gas = GAS_MAX if work.gas_balance is None else 0
    if work.kind == "sweep":
        output = TxOutput(output.script, output.address, balance - gas)
    if output.amount < 1 or balance < output.amount + gas:
        raise PlanError("the account does not hold enough", waiting_for="funds")
    if work.gas_balance is not None and work.gas_balance < GAS_MAX:
        missing = GAS_MAX - work.gas_balance
        raise PlanError("the account has no gas", waiting_for="gas", gas_missing=missing)
    payload = json.dumps({"nonce": work.nonce})
    return AttemptPlan(
        work.intent_id,
        work.kind,
        work.currency,
        (output,),
        GAS_MAX,
        payload,
        sender=work.source,
        nonce=work.nonce,
    )


def bump_payment(work: StuckWork) -> AttemptPlan:
    """The same payment at twice the price; of a sweep of the chain's own currency less is moved."""
    plan, fee = work.plan, 2 * work.plan.fee
    if plan.sender is None:
        return _bump_spend(plan)
    (output,) = plan.outputs
    if work.is_stopped and plan.kind != "cancel" and plan.sender is not None:
        output = TxOutput(plan.sender.script, plan.sender.address, 0)
        return replace(plan, kind="cancel", fee=fee, outputs=(output,))
    if plan.kind == "cancel":
        return replace(plan, fee=fee)
    if plan.kind == "sweep" and "-" not in plan.currency:
        output = TxOutput(output.script, output.address, output.amount - plan.fee)
    elif work.spare < plan.fee:
        raise PlanError("the account has no gas", waiting_for="gas")
    if output.amount < 1:
        raise PlanError("nothing would be left", waiting_for="funds")
    return replace(plan, fee=fee, outputs=(output,))


def _bump_spend(plan: AttemptPlan) -> AttemptPlan:
    """The higher fee comes out of the change."""
    if plan.change is None or plan.outputs[-1].amount - plan.fee < DUST:
        raise PlanError("there is not enough change")
    change = replace(plan.outputs[-1], amount=plan.outputs[-1].amount - plan.fee)
    return replace(plan, fee=2 * plan.fee, outputs=(*plan.outputs[:-1], change))


def to_tx(plan: AttemptPlan) -> FakeTx:
    """The chain tx of a plan; the same plan always gives the same one. A token's name has a dash."""
    outputs = tuple((o.script, o.amount) for o in plan.outputs)
    if plan.sender is not None:
        token = plan.currency if "-" in plan.currency and plan.kind != "cancel" else ""
        sender = plan.sender.script
        return FakeTx(outputs=outputs, sender=sender, nonce=plan.nonce, gas_fee=plan.fee // 2, token=token)
    return FakeTx(outputs=outputs, inputs=tuple(u.outpoint for u in plan.inputs))


def signed(plan: AttemptPlan) -> SignedTx:
    """What the fake signer answers for a plan."""
    if not encode_plan(plan):
        raise PlanError("an empty plan")
    tx = to_tx(plan)
    return SignedTx(tx.txid, tx.encode())


def make_coin(chain: FakeChain, family: str | None = None) -> Coin:
    """The bundle that an actor gets, over ``chain``."""
    spender = FakeSpender(chain)
    return Coin(
        currency=chain.chain,
        family=family or ("evm" if chain.kind == "account" else "bitcoin"),
        reader=FakeReader(chain),
        deriver=FakeDeriver(chain.chain),
        spender=spender,
        index=FakeIndex(),
        bumper=spender,
        consolidator=spender,
    )
