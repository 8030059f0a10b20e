"""A child that pays for a payout that is not mined, where nodes replace nothing (CPFP). Pure.

It spends the payout's own unconfirmed change and pays it back to the very script it lies on, less a fee that
lifts both together to the wanted rate: miners that want the child have to take its parent along. It moves
money of the house only, and is right whether or not the parent is mined without it.
"""

from __future__ import annotations

from coins.bitcoin.plan import Terms, with_payload
from coins.bitcoin.select import tx_vsize
from coins.errors import PlanError
from coins.types import CPFP, AttemptPlan, Outpoint, StuckWork, TxOutput, Utxo, child_intent


def child_plan(work: StuckWork, terms: Terms) -> AttemptPlan | None:
    """The plan of the child at the rate of ``terms``; None while that is not above the parent's own.

    Raises PlanError when there may not, or cannot, be one for now.
    """
    parent, limits = work.plan, terms.limits
    vsize = tx_vsize([utxo.own.script for utxo in parent.inputs], [out.script for out in parent.outputs])
    if limits.fee_rate_sat_vb * vsize <= parent.fee:
        return None
    if not work.txid:
        raise PlanError("the node does not hold it, so that nothing can be spent of it", "node")
    own = parent.change
    if own is None:
        raise PlanError("it has no change that a child could spend")
    change = parent.outputs[-1]
    fee = limits.fee_rate_sat_vb * (vsize + tx_vsize([own.script], [own.script])) - parent.fee
    if fee > limits.max_fee:
        raise PlanError(f"a child would have to pay {fee}, at most {limits.max_fee}", "node")
    left = change.amount - fee
    if left < max(limits.dust, 1):
        raise PlanError(f"its change of {change.amount} does not pay a child that costs {fee}")
    plan = AttemptPlan(
        intent_id=child_intent(work.txid),
        kind=CPFP,
        currency=parent.currency,
        outputs=(TxOutput(own.script, own.address, left),),
        fee=fee,
        payload="",
        inputs=(Utxo(Outpoint(work.txid, len(parent.outputs) - 1), change.amount, own),),
    )
    return with_payload(plan, terms.is_rbf)
