"""The next candidate of a payout that is not mined: the same payees at a higher fee (BIP 125). Pure.

It spends all that the candidate before it spent, so that only one of them can ever be mined; the higher fee
comes out of the change, and out of further confirmed outputs where the change is not enough. Nodes take it
when it pays at a higher rate, and the old fee and the relay of its own bytes on top of that.
"""

from __future__ import annotations

from dataclasses import replace

from coins.bitcoin.plan import Terms, with_payload
from coins.bitcoin.select import INPUTS_MAX, Limits, input_weight, tx_vsize
from coins.errors import PlanError
from coins.types import AttemptPlan, OwnScript, StuckWork, TxOutput, Utxo

RELAY_SAT_VB = 1
"""What a replacement pays for its own relay (``incrementalrelayfee`` of the nodes, at least this)."""


def bump_plan(work: StuckWork, terms: Terms) -> AttemptPlan | None:
    """The plan of the next candidate at the rate of ``terms``; None while that is not above its own.

    Raises PlanError when it may not, or cannot, be paid more for now.
    """
    plan, limits = work.plan, terms.limits
    scripts = [out.script for out in plan.outputs]
    vsize = tx_vsize([utxo.own.script for utxo in plan.inputs], scripts)
    if limits.fee_rate_sat_vb * vsize <= plan.fee:
        return None
    change = plan.change or work.change
    if change is None:
        raise PlanError("no change script was reserved", "node")
    rate4 = [4 * utxo.amount - input_weight(utxo.own.script) * limits.fee_rate_sat_vb for utxo in work.utxos]
    spare = [utxo for worth4, utxo in sorted(zip(rate4, work.utxos, strict=True), key=_order) if worth4 > 0]
    for count in range(len(spare) + 1):
        bumped = _with_inputs(plan, (*plan.inputs, *spare[:count]), change, limits)
        if bumped is not None:
            return with_payload(bumped, terms.is_rbf)
    raise PlanError("what can be spent now does not pay a higher fee")


def _order(entry: tuple[int, Utxo]) -> tuple[int, str, int]:
    """The most useful output first, always in the same order."""
    worth4, utxo = entry
    return (-worth4, utxo.outpoint.txid, utxo.outpoint.index)


def _with_inputs(
    plan: AttemptPlan, inputs: tuple[Utxo, ...], change: OwnScript, limits: Limits
) -> AttemptPlan | None:
    """The payees of a plan paid from these inputs at the wanted rate; None when they are not enough.

    Raises PlanError for too many inputs or a fee above the limit of a chain tx.
    """
    if len(inputs) > INPUTS_MAX:
        raise PlanError(f"more than {INPUTS_MAX} outputs would be needed")
    payees = plan.payees
    rest = sum(utxo.amount for utxo in inputs) - sum(out.amount for out in payees)
    own, paid = [utxo.own.script for utxo in inputs], [out.script for out in payees]
    fee = _fee(plan, tx_vsize(own, [*paid, change.script]), limits)
    left = rest - fee
    if left < max(limits.dust, 1):
        if not payees:
            return None
        fee, left = rest, 0
        if fee < _fee(plan, tx_vsize(own, paid), limits):
            return None
    if fee > limits.max_fee:
        raise PlanError(f"a further candidate would have to pay {fee}, at most {limits.max_fee}", "node")
    outputs = (*payees, TxOutput(change.script, change.address, left)) if left else payees
    return replace(plan, inputs=inputs, outputs=outputs, fee=fee, change=change if left else None)


def _fee(plan: AttemptPlan, vsize: int, limits: Limits) -> int:
    """What a replacement of this size costs: the wanted rate, and by BIP 125 never less than this."""
    return max(limits.fee_rate_sat_vb * vsize, plan.fee + RELAY_SAT_VB * vsize)
