"""A child pays for its parent too, out of the parent's change, and moves nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from coins.bitcoin.child import child_plan
from coins.bitcoin.plan import plan_payout, with_payload
from coins.bitcoin.select import Limits, tx_vsize
from coins.bitcoin.sign import sign_plan
from coins.bitcoin.wire import decode_tx
from coins.errors import PlanError, SignerError
from coins.signer.entry import entry_of, outgoing
from coins.types import CPFP, AttemptPlan, Branch, Outpoint, StuckWork, TxOutput
from tests.coins.bitcoin.setup import SEED
from tests.coins.bitcoin.test_plan import work
from tests.coins.bitcoin.test_sign import SETTINGS, own, terms, utxos

TXID = "cd" * 32


def parent(amounts: list[int], count: int = 3, each: int = 100_000) -> AttemptPlan:
    return plan_payout(work(amounts, utxos(count, each)), terms(5))


def child(plan: AttemptPlan, rate: int) -> AttemptPlan:
    made = child_plan(StuckWork(plan, txid=TXID), terms(rate))
    assert made is not None
    return made


@pytest.mark.parametrize("rate", [6, 20, 100])
@pytest.mark.parametrize("payees", [1, 20])
def test_w07_parent_and_child_together_pay_the_rate_of_the_day(rate: int, payees: int) -> None:
    plan = parent([20_000] * payees, 10, 1_000_000)
    assert plan.change is not None
    made = child(plan, rate)
    signed = sign_plan(SEED, SETTINGS, made)
    assert signed == sign_plan(SEED, SETTINGS, made)
    tx, before = (
        decode_tx(bytes.fromhex(signed.raw)),
        decode_tx(bytes.fromhex(sign_plan(SEED, SETTINGS, plan).raw)),
    )
    fees, size = plan.fee + made.fee, tx.vsize + before.vsize
    assert rate * size <= fees <= rate * (size + len(plan.inputs) + 2)
    assert [txin.outpoint for txin in tx.inputs] == [Outpoint(TXID, payees)]
    assert [(out.script, out.amount) for out in tx.outputs] == [
        (plan.change.script, plan.outputs[-1].amount - made.fee)
    ]
    assert made.intent_id == f"cpfp_{TXID}"


def test_while_the_price_is_not_above_its_own_there_is_no_child() -> None:
    plan = parent([30_000])
    for rate in (1, 4, 5):
        assert child_plan(StuckWork(plan, txid=TXID), terms(rate)) is None


def test_w07_there_is_no_child_without_enough_change_or_a_parent_that_the_node_holds() -> None:
    plan = parent([95_000], 1)
    with pytest.raises(PlanError) as lacking:
        child(plan, 100)
    assert lacking.value.waiting_for == "funds"
    bare = replace(plan, change=None, outputs=plan.outputs[:1])
    with pytest.raises(PlanError, match="no change"):
        child(bare, 100)
    with pytest.raises(PlanError, match="does not hold it") as unsure:
        child_plan(StuckWork(parent([30_000])), terms(100))
    assert unsure.value.waiting_for == "node"


def test_w24_a_child_stays_below_the_highest_fee_and_leaves_no_dust() -> None:
    plan = parent([30_000])
    vsize = tx_vsize([u.own.script for u in plan.inputs], [out.script for out in plan.outputs])
    change = plan.outputs[-1]
    price = 100 * (vsize + tx_vsize([change.script], [change.script])) - plan.fee
    exact = replace(terms(), limits=Limits(100, change.amount - price, price, 10))
    made = child_plan(StuckWork(plan, txid=TXID), exact)
    assert made is not None
    assert made.fee == price
    for limits in (Limits(100, change.amount - price + 1, price, 10), Limits(100, 546, price - 1, 10)):
        with pytest.raises(PlanError):
            child_plan(StuckWork(plan, txid=TXID), replace(exact, limits=limits))


def other_script(plan: AttemptPlan) -> AttemptPlan:
    return replace(plan, outputs=(replace(plan.outputs[0], script=bytes.fromhex("0014" + "66" * 20)),))


def other_change(plan: AttemptPlan) -> AttemptPlan:
    elsewhere = own(Branch.CHANGE, 7)
    return replace(plan, outputs=(replace(plan.outputs[0], script=elsewhere.script),))


def of_a_deposit(plan: AttemptPlan) -> AttemptPlan:
    mine = own(Branch.DEPOSIT, 3)
    outputs = (replace(plan.outputs[0], script=mine.script),)
    return replace(plan, inputs=(replace(plan.inputs[0], own=mine),), outputs=outputs)


def two_inputs(plan: AttemptPlan) -> AttemptPlan:
    further = replace(plan.inputs[0], outpoint=Outpoint("ab" * 32, 0))
    outputs = (replace(plan.outputs[0], amount=plan.outputs[0].amount + further.amount),)
    return replace(plan, inputs=(*plan.inputs, further), outputs=outputs)


def another_payee(plan: AttemptPlan) -> AttemptPlan:
    payee = TxOutput(bytes.fromhex("0014" + "66" * 20), "somebody", 1_000)
    kept = replace(plan.outputs[0], amount=plan.outputs[0].amount - 1_000)
    return replace(plan, outputs=(kept, payee), more=("w2",))


def with_change(plan: AttemptPlan) -> AttemptPlan:
    payee = TxOutput(bytes.fromhex("0014" + "66" * 20), "somebody", 1_000)
    kept = replace(plan.outputs[0], amount=plan.outputs[0].amount - 1_000)
    return replace(plan, outputs=(payee, kept), change=plan.inputs[0].own)


def above_the_cap(plan: AttemptPlan) -> AttemptPlan:
    more = SETTINGS.max_tx_fee + 1
    rich = replace(plan.inputs[0], amount=plan.outputs[0].amount + more)
    return replace(plan, inputs=(rich,), fee=more)


HOSTILE = (other_script, other_change, of_a_deposit, two_inputs, another_payee, with_change, above_the_cap)


@pytest.mark.parametrize("change", HOSTILE, ids=lambda change: change.__name__)
def test_w07_the_signer_signs_a_child_only_back_to_its_own_change_script(
    change: Callable[[AttemptPlan], AttemptPlan],
) -> None:
    bad = with_payload(change(child(parent([30_000]), 20)), SETTINGS.rbf)
    with pytest.raises(SignerError):
        sign_plan(SEED, SETTINGS, bad)


def test_a_child_leaves_the_amounts_of_the_signer_alone_and_counts_its_fee() -> None:
    made = child(parent([30_000]), 20)
    assert made.kind == CPFP
    assert outgoing(made) == 0
    noted = entry_of(made, "BTC", 1_000)
    assert (noted.pays, noted.spent, noted.fee) == ({}, {}, made.fee)
    assert noted.claims == {f"BTC:{TXID}:1"}
    rich = replace(made.inputs[0], amount=SETTINGS.signer_tx_cap * 3)
    kept = replace(made.outputs[0], amount=rich.amount - made.fee)
    large = with_payload(replace(made, inputs=(rich,), outputs=(kept,)), SETTINGS.rbf)
    assert sign_plan(SEED, SETTINGS, large).txid
