"""Many small outputs of ours become one, while chain tx are cheap. Pure.

Spending them one day at a high rate would cost more. Nothing leaves the house but the fee: the only output
is the change, on a script of its own. An output that costs more to spend than it holds is left where it is.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from coins.bitcoin.plan import Terms, with_payload
from coins.bitcoin.select import P2WPKH_INPUT_WEIGHT, input_weight, tx_vsize
from coins.errors import PlanError
from coins.types import CONSOLIDATE, AttemptPlan, ConsolidationWork, TxOutput

FEWEST = 5
"""Fewer outputs cost more to bring together than they spare later at one and a half times the rate."""


@dataclass(frozen=True, slots=True)
class FeeBounds:
    """What the signer accepts: a fee up to ``floor`` base units, or ``percent_max`` of what is moved."""

    percent_max: int
    floor: int


def input_cost(rate: int) -> int:
    """Base units that the spending of one of our outputs costs at a rate (base units a virtual byte)."""
    return -(-P2WPKH_INPUT_WEIGHT * rate // 4)


def consolidation_plan(work: ConsolidationWork, terms: Terms, bounds: FeeBounds) -> AttemptPlan:
    """The plan that spends what is worth it, the smallest first, as far as the fee may go.

    Raises PlanError when there is no change script, or what there is is not worth a chain tx.
    """
    change, limits = work.change, terms.limits
    if change is None:
        raise PlanError("no change script was reserved", "node")
    rate = limits.fee_rate_sat_vb
    useful = [utxo for utxo in work.utxos if 4 * utxo.amount > input_weight(utxo.own.script) * rate]

    def fee_of(count: int) -> int:
        return rate * tx_vsize([utxo.own.script for utxo in useful[:count]], [change.script])

    fee_max = min(limits.max_fee, work.fee_max)
    useful = useful[: max(bisect_right(range(len(useful) + 1), fee_max, key=fee_of) - 1, 0)]
    if len(useful) < FEWEST:
        raise PlanError(f"only {len(useful)} outputs can be brought together for their worth")
    fee = fee_of(len(useful))
    left = sum(utxo.amount for utxo in useful) - fee
    if left < max(limits.dust, 1):
        raise PlanError(f"{left} would be left of {left + fee}: that is dust")
    if fee > bounds.floor and fee * 100 > left * bounds.percent_max:
        raise PlanError(f"fee {fee} is above {bounds.percent_max} % of {left}")
    plan = AttemptPlan(
        intent_id=work.intent_id,
        kind=CONSOLIDATE,
        currency=work.currency,
        outputs=(TxOutput(change.script, change.address, left),),
        fee=fee,
        payload="",
        inputs=tuple(useful),
        change=change,
    )
    return with_payload(plan, terms.is_rbf)
