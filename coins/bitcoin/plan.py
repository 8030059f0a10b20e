"""One payout, or many, to one chain tx, and the proof that what was signed is what was planned. Pure.

Order is fixed: the payees in the order they came, then the change; the same work gives the same plan.
Two payouts to one address are two outputs: each withdrawal can be pointed at on the chain.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from coins.bitcoin.select import Limits, Selection, select
from coins.bitcoin.wire import Tx, TxFormatError, TxIn, TxOut, decode_tx
from coins.errors import PayeeRefusedError, PlanError, SignerError
from coins.types import CONSOLIDATE, AttemptPlan, OwnScript, Payee, PayoutWork, SignedTx, TxOutput

TX_VERSION = 2
LOCKTIME = 0
SEQUENCE_FINAL = 0xFFFFFFFE  # not replaceable, as wallets send it
SEQUENCE_RBF = 0xFFFFFFFD  # replaceable by a higher fee (BIP 125)


@dataclass(frozen=True, slots=True)
class Terms:
    """What is planned with: the limits of a chain tx, the most it may pay out (base units), and whether
    it may be replaced (BIP 125)."""

    limits: Limits
    pays_max: int
    is_rbf: bool


def plan_payout(work: PayoutWork, terms: Terms) -> AttemptPlan:
    """Plan one chain tx that pays the oldest payout and as many of the next ones as it can, in order.

    Raises PlanError when not even the oldest can be paid now, PayeeRefusedError for payouts that can
    never be paid.
    """
    if work.kind not in ("payout", "cold"):
        raise PlanError(f"a {work.kind} is not needed on this chain: payouts spend deposits directly")
    change = work.change
    if change is None:
        raise PlanError("no change script was reserved", "node")
    payees = (Payee(work.intent_id, work.output), *work.more)
    _refuse_unpayable(payees, change, terms.limits.dust)
    chosen, paid = _as_many_as_possible(work, _below_cap(payees, terms.pays_max), change, terms.limits)
    outputs = [payee.output for payee in paid]
    if chosen.change:
        outputs.append(TxOutput(change.script, change.address, chosen.change))
    plan = AttemptPlan(
        intent_id=work.intent_id,
        kind=work.kind,
        currency=work.currency,
        outputs=tuple(outputs),
        fee=chosen.fee,
        payload="",
        inputs=chosen.inputs,
        change=change if chosen.change else None,
        more=tuple(payee.intent_id for payee in paid[1:]),
    )
    return with_payload(plan, terms.is_rbf)


def with_payload(plan: AttemptPlan, is_rbf: bool) -> AttemptPlan:
    """A plan with the payload that stands for it."""
    return replace(plan, payload=_payload(plan, SEQUENCE_RBF if is_rbf else SEQUENCE_FINAL))


def _refuse_unpayable(payees: Sequence[Payee], change: OwnScript, dust: int) -> None:
    """Raise PayeeRefusedError for outputs that nodes do not relay, or that are our own change."""
    reasons = {}
    for payee in payees:
        if payee.output.amount < dust:
            reasons[payee.intent_id] = f"amount {payee.output.amount} is below the dust limit {dust}"
        elif payee.output.script == change.script:
            reasons[payee.intent_id] = "the payee is our own change script"
    if reasons:
        raise PayeeRefusedError(reasons)


def _below_cap(payees: Sequence[Payee], most: int) -> Sequence[Payee]:
    """The first payees that together get no more than ``most``; the first one in any case."""
    total, count = 0, 0
    for payee in payees:
        total += payee.output.amount
        if total > most:
            break
        count += 1
    return payees[: max(count, 1)]


def _as_many_as_possible(
    work: PayoutWork, payees: Sequence[Payee], change: OwnScript, limits: Limits
) -> tuple[Selection, Sequence[Payee]]:
    """The longest run of payees from the first on that can be paid: what there is not enough for waits.

    Raises PlanError when the first alone cannot be paid.
    """

    def chosen(count: int) -> Selection:
        return select(work.utxos, [payee.output for payee in payees[:count]], change.script, limits)

    try:
        return chosen(len(payees)), payees
    except PlanError:
        if len(payees) == 1:
            raise
    best, good, bad = chosen(1), 1, len(payees)
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            best, good = chosen(middle), middle
        except PlanError:
            bad = middle
    return best, payees[:good]


def _payload(plan: AttemptPlan, sequence: int) -> str:
    """Canonical JSON of the unsigned chain tx."""
    body = {
        "version": TX_VERSION,
        "locktime": LOCKTIME,
        "inputs": [
            {"txid": u.outpoint.txid, "index": u.outpoint.index, "sequence": sequence} for u in plan.inputs
        ],
        "outputs": [{"script": out.script.hex(), "amount": str(out.amount)} for out in plan.outputs],
    }
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def unsigned_tx(plan: AttemptPlan) -> Tx:
    """The unsigned chain tx of a plan. Raises SignerError if payload and plan tell different things."""
    sequence = SEQUENCE_RBF if f'"sequence":{SEQUENCE_RBF}' in plan.payload else SEQUENCE_FINAL
    if not plan.inputs or plan.payload != _payload(plan, sequence):
        raise SignerError("the payload of the plan is not the chain tx that the plan describes")
    if len({utxo.outpoint for utxo in plan.inputs}) != len(plan.inputs):
        raise SignerError("the plan spends an output twice")
    if any(out.amount <= 0 for out in plan.outputs) or any(utxo.amount <= 0 for utxo in plan.inputs):
        raise SignerError("the plan holds an amount that is not positive")
    spent = sum(utxo.amount for utxo in plan.inputs)
    paid = sum(out.amount for out in plan.outputs)
    if plan.fee < 0 or spent - paid != plan.fee:
        raise SignerError(f"the plan's fee is {plan.fee}, its inputs and outputs say {spent - paid}")
    expected = (0 if plan.kind == CONSOLIDATE else 1 + len(plan.more)) + (plan.change is not None)
    if len({plan.intent_id, *plan.more}) != 1 + len(plan.more):
        raise SignerError("the plan pays a payout twice")
    if len(plan.outputs) != expected or not plan.outputs:
        raise SignerError(f"the plan has {len(plan.outputs)} outputs instead of {expected}")
    if plan.change is not None and plan.outputs[-1].script != plan.change.script:
        raise SignerError("the plan's last output is not its change")
    if plan.change is not None and plan.change.script in {out.script for out in plan.payees}:
        raise SignerError("the plan pays a payee and its own change to one script")
    return Tx(
        TX_VERSION,
        tuple(TxIn(utxo.outpoint, sequence) for utxo in plan.inputs),
        tuple(TxOut(out.amount, out.script) for out in plan.outputs),
        LOCKTIME,
    )


def probes(plan: AttemptPlan) -> list[tuple[str, Tx]]:
    """For each payee, by its intent, an unsigned chain tx that pays nobody else: whether nodes relay it."""
    bare = replace(unsigned_tx(plan), outputs=())
    paid = zip((plan.intent_id, *plan.more), plan.payees, strict=False)
    return [(intent_id, replace(bare, outputs=(TxOut(out.amount, out.script),))) for intent_id, out in paid]


def check_signed(plan: AttemptPlan, raw_hex: str) -> SignedTx:
    """Compare signed bytes with their plan: nothing but signatures may have been added.

    Returns the bytes with the txid that they really have. Raises SignerError.
    """
    wanted = unsigned_tx(plan)
    try:
        signed = decode_tx(bytes.fromhex(raw_hex))
    except (TxFormatError, ValueError) as error:
        raise SignerError(f"what was signed is no chain tx: {error}") from None
    bare = tuple(TxIn(txin.outpoint, txin.sequence) for txin in signed.inputs)
    if (signed.version, bare, signed.outputs, signed.locktime, signed.has_mweb) != (
        wanted.version,
        wanted.inputs,
        wanted.outputs,
        wanted.locktime,
        False,
    ):
        raise SignerError("what was signed differs from the plan")
    if not all(txin.witness or txin.script_sig for txin in signed.inputs):
        raise SignerError("an input was left unsigned")
    return SignedTx(signed.txid, raw_hex.lower())
