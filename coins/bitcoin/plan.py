"""One payout to one chain tx, and the proof that what was signed is what was planned. Pure.

Order is fixed: the payee first, then the change; the same work gives the same plan.
"""

from __future__ import annotations

import json
from dataclasses import replace

from coins.bitcoin.select import Limits, select
from coins.bitcoin.wire import Tx, TxFormatError, TxIn, TxOut, decode_tx
from coins.errors import PlanError, SignerError
from coins.types import AttemptPlan, PayoutWork, SignedTx, TxOutput

TX_VERSION = 2
LOCKTIME = 0
SEQUENCE_FINAL = 0xFFFFFFFE  # not replaceable, as wallets send it
SEQUENCE_RBF = 0xFFFFFFFD  # replaceable by a higher fee (BIP 125)


def plan_payout(work: PayoutWork, limits: Limits, is_rbf: bool) -> AttemptPlan:
    """Plan one chain tx. Raises PlanError when it cannot be done now."""
    if work.kind != "payout":
        raise PlanError(f"a {work.kind} is not needed on this chain: payouts spend deposits directly")
    change = work.change
    if change is None:
        raise PlanError("no change script was reserved", "node")
    if work.output.script == change.script:
        raise PlanError("the payee is our own change script")
    chosen = select(work.utxos, [work.output], change.script, limits)
    outputs = [work.output]
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
    )
    return replace(plan, payload=_payload(plan, SEQUENCE_RBF if is_rbf else SEQUENCE_FINAL))


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
    expected = 1 if plan.change is None else 2
    if len(plan.outputs) != expected:
        raise SignerError(f"the plan has {len(plan.outputs)} outputs instead of {expected}")
    if plan.change is not None and plan.outputs[-1].script != plan.change.script:
        raise SignerError("the plan's last output is not its change")
    return Tx(
        TX_VERSION,
        tuple(TxIn(utxo.outpoint, sequence) for utxo in plan.inputs),
        tuple(TxOut(out.amount, out.script) for out in plan.outputs),
        LOCKTIME,
    )


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
