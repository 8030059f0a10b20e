"""Many small outputs become one at the wanted rate, as far as that is worth its fee, on a change script."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coins.bitcoin.bump import bump_plan
from coins.bitcoin.child import child_plan
from coins.bitcoin.consolidate import FEWEST, FeeBounds, consolidation_plan, input_cost
from coins.bitcoin.plan import Terms, probes, with_payload
from coins.bitcoin.rpc import RpcClient
from coins.bitcoin.select import Limits, tx_vsize
from coins.bitcoin.sign import sign_plan
from coins.bitcoin.spender import BitcoinSpender
from coins.bitcoin.wire import decode_tx
from coins.errors import PlanError, SignerError
from coins.signer.entry import entry_of, outgoing
from coins.signer.limits import check_fee
from coins.types import (
    CONSOLIDATE,
    AttemptPlan,
    Branch,
    ConsolidationTerms,
    ConsolidationWork,
    FeeQuote,
    Outpoint,
    OwnScript,
    StuckWork,
    TxOutput,
    Utxo,
)
from tests.coins.bitcoin.setup import SEED, FakeSigner, coin_settings
from tests.coins.bitcoin.test_sign import PAYEES, own, terms

ON = coin_settings("BTC", consolidate_fee_rate_max_sat_vb=10)
CHANGE = own(Branch.CHANGE, 77)
SCRIPTS = [own(branch, n) for branch in (Branch.DEPOSIT, Branch.HOT, Branch.CHANGE) for n in range(3)]
BOUNDS = FeeBounds(ON.signer_fee_percent_max, ON.plain_fee_max)


def work(amounts: list[int], change: OwnScript | None = CHANGE, fee_max: int = 10**9) -> ConsolidationWork:
    utxos = [
        Utxo(Outpoint(f"{n + 1:064x}", n), amount, SCRIPTS[n % len(SCRIPTS)])
        for n, amount in enumerate(sorted(amounts))
    ]
    return ConsolidationWork("consolidate_BTC_1", "BTC", tuple(utxos), fee_max, change)


def planned(amounts: list[int], rate: int = 2) -> AttemptPlan:
    return consolidation_plan(work(amounts), terms(rate), BOUNDS)


@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 10**7), min_size=FEWEST, max_size=40),
    st.integers(1, 10),
    st.integers(500, 100_000),
)
def test_what_is_planned_pays_the_rate_and_wastes_nothing(amounts: list[int], rate: int, cap: int) -> None:
    limits = Limits(rate, ON.dust, cap, 10)
    offered = work(amounts)
    try:
        plan = consolidation_plan(offered, Terms(limits, ON.signer_tx_cap, ON.rbf), BOUNDS)
    except PlanError:
        worth = [amount for amount in amounts if amount > input_cost(rate)]
        fewest_fee = rate * tx_vsize([CHANGE.script] * FEWEST, [CHANGE.script])
        assert (
            len(worth) < FEWEST
            or fewest_fee > cap
            or sum(worth) <= len(worth) * input_cost(rate) + 600 * rate
        )
        return
    spent = sum(utxo.amount for utxo in plan.inputs)
    size = tx_vsize([utxo.own.script for utxo in plan.inputs], [CHANGE.script])
    assert plan.fee == rate * size <= cap
    assert [(out.script, out.amount) for out in plan.outputs] == [(CHANGE.script, spent - plan.fee)]
    assert all(utxo.amount > input_cost(rate) for utxo in plan.inputs)
    useful = [utxo for utxo in offered.utxos if utxo.amount > input_cost(rate)]
    assert list(plan.inputs) == useful[: len(plan.inputs)]
    assert len(plan.inputs) == len(useful) or plan.fee + rate * 69 > cap
    assert plan.payees == () == tuple(probes(plan))
    assert plan == consolidation_plan(offered, Terms(limits, ON.signer_tx_cap, ON.rbf), BOUNDS)


def test_the_signed_bytes_are_the_plan_at_its_rate() -> None:
    plan = planned([30_000] * 60)
    signed = sign_plan(SEED, ON, plan)
    assert signed == sign_plan(SEED, ON, plan)
    tx = decode_tx(bytes.fromhex(signed.raw))
    assert [txin.outpoint for txin in tx.inputs] == [utxo.outpoint for utxo in plan.inputs]
    assert [(out.script, out.amount) for out in tx.outputs] == [(CHANGE.script, 60 * 30_000 - plan.fee)]
    assert 2 * tx.vsize <= plan.fee <= 2 * (tx.vsize + 60 + 2)


@pytest.mark.parametrize(
    ("amounts", "words"),
    [
        ([30_000] * (FEWEST - 1), "only 4 outputs"),
        ([input_cost(2)] * 50, "only 0 outputs"),
        ([input_cost(2) + 1] * 50, "dust"),
    ],
)
def test_what_is_not_worth_its_fee_is_left_where_it_is(amounts: list[int], words: str) -> None:
    with pytest.raises(PlanError, match=words):
        planned(amounts)


def test_a_fee_that_the_signer_would_refuse_is_not_planned() -> None:
    with pytest.raises(PlanError, match="above 1 % of"):
        consolidation_plan(work([30_000] * 50), terms(10), FeeBounds(1, 1_000))
    assert consolidation_plan(work([300_000] * 50), terms(2), FeeBounds(1, 1_000)).fee > 1_000


def test_it_costs_no_more_than_the_house_has() -> None:
    whole = planned([30_000] * 20)
    poor = consolidation_plan(work([30_000] * 20, fee_max=whole.fee - 1), terms(2), BOUNDS)
    assert (len(poor.inputs), poor.inputs) == (19, whole.inputs[:19])
    with pytest.raises(PlanError, match="only"):
        consolidation_plan(work([30_000] * 20, fee_max=500), terms(2), BOUNDS)


def test_without_a_change_script_nothing_is_planned() -> None:
    with pytest.raises(PlanError, match="no change script"):
        consolidation_plan(work([30_000] * 9, None), terms(2), BOUNDS)


def spender(**changes: Any) -> BitcoinSpender:
    made = coin_settings("BTC", **changes)
    return BitcoinSpender(made, RpcClient(made.node), FakeSigner(made))


def test_it_is_off_by_default_and_above_its_price() -> None:
    assert spender().consolidation(FeeQuote(1)) is None
    limited = spender(consolidate_fee_rate_max_sat_vb=3, consolidate_below="0.01", consolidate_count=20)
    assert limited.consolidation(FeeQuote(4)) is None
    assert limited.consolidation(FeeQuote(3)) == ConsolidationTerms(input_cost(3), 1_000_000, 20, 100)
    offered = work([30_000] * 9)
    with pytest.raises(PlanError, match="not low"):
        limited.consolidate(offered, FeeQuote(4))
    assert limited.consolidate(offered, FeeQuote(3)).kind == CONSOLIDATE


def test_w07_its_replacement_takes_the_fee_out_of_its_only_output() -> None:
    plan = planned([30_000] * 20)
    assert bump_plan(StuckWork(plan, change=CHANGE), terms(2)) is None
    dear = bump_plan(StuckWork(plan, change=CHANGE), terms(20))
    assert dear is not None
    assert (dear.inputs, len(dear.outputs), dear.kind) == (plan.inputs, 1, CONSOLIDATE)
    assert dear.fee > 5 * plan.fee
    assert sign_plan(SEED, ON, dear).txid
    with pytest.raises(PlanError, match="higher fee"):
        bump_plan(StuckWork(planned([2_000] * 20), change=CHANGE), terms(40))


def test_w07_where_nothing_is_replaced_a_child_is_spent_from_it() -> None:
    plan = planned([30_000] * 20)
    made = child_plan(StuckWork(plan, txid="cd" * 32), terms(20))
    assert made is not None
    assert made.inputs[0].outpoint == Outpoint("cd" * 32, 0)
    assert sign_plan(SEED, ON, made).txid


def to_a_stranger(plan: AttemptPlan) -> AttemptPlan:
    script = bytes.fromhex(PAYEES["p2wpkh"])
    return replace(plan, outputs=(replace(plan.outputs[0], script=script),))


def change_of_a_stranger(plan: AttemptPlan) -> AttemptPlan:
    stranger = replace(CHANGE, script=bytes.fromhex(PAYEES["p2wpkh"]))
    return replace(to_a_stranger(plan), change=stranger)


def to_a_client(plan: AttemptPlan) -> AttemptPlan:
    deposit = own(Branch.DEPOSIT, 1)
    output = replace(plan.outputs[0], script=deposit.script)
    return replace(plan, outputs=(output,), change=deposit)


def with_a_payee(plan: AttemptPlan) -> AttemptPlan:
    half = plan.outputs[0].amount // 2
    thief = TxOutput(bytes.fromhex(PAYEES["p2wpkh"]), "thief", half)
    return replace(plan, outputs=(thief, replace(plan.outputs[0], amount=plan.outputs[0].amount - half)))


def with_more(plan: AttemptPlan) -> AttemptPlan:
    return replace(plan, more=("w2",))


def without_change(plan: AttemptPlan) -> AttemptPlan:
    return replace(plan, change=None)


def all_to_the_miners(plan: AttemptPlan) -> AttemptPlan:
    return replace(plan, outputs=(), change=None, fee=plan.fee + plan.outputs[0].amount)


def dearer_than_a_chain_tx(plan: AttemptPlan) -> AttemptPlan:
    left = replace(plan.outputs[0], amount=plan.outputs[0].amount + plan.fee - ON.max_tx_fee - 1)
    return replace(plan, outputs=(left,), fee=ON.max_tx_fee + 1)


def too_cheap(plan: AttemptPlan) -> AttemptPlan:
    return replace(
        plan, outputs=(replace(plan.outputs[0], amount=plan.outputs[0].amount + plan.fee - 9),), fee=9
    )


def foreign_input(plan: AttemptPlan) -> AttemptPlan:
    stranger = replace(plan.inputs[0].own, script=bytes.fromhex(PAYEES["p2wpkh"]))
    return replace(plan, inputs=(replace(plan.inputs[0], own=stranger), *plan.inputs[1:]))


HOSTILE = (
    to_a_stranger,
    change_of_a_stranger,
    to_a_client,
    with_a_payee,
    with_more,
    without_change,
    all_to_the_miners,
    dearer_than_a_chain_tx,
    too_cheap,
    foreign_input,
)


@pytest.mark.parametrize("change", HOSTILE, ids=lambda change: change.__name__)
def test_w21_the_signer_brings_outputs_together_on_a_change_script_of_its_own_only(
    change: Callable[[AttemptPlan], AttemptPlan],
) -> None:
    bad = with_payload(change(planned([300_000] * 20)), ON.rbf)
    with pytest.raises(SignerError):
        sign_plan(SEED, ON, bad)


def test_the_signer_brings_nothing_together_where_that_is_off() -> None:
    with pytest.raises(SignerError, match="no consolidate_fee_rate_max_sat_vb"):
        sign_plan(SEED, coin_settings("BTC"), planned([30_000] * 20))


def test_only_its_fee_counts_against_the_signers_caps() -> None:
    plan = planned([ON.signer_tx_cap] * 20)
    assert sign_plan(SEED, ON, plan).txid
    assert outgoing(plan) == 0
    noted = entry_of(plan, "BTC", 1_000)
    assert (noted.pays, noted.spent, noted.fee, len(noted.claims)) == ({}, {}, plan.fee, 20)
    check_fee(plan, 10, 0)
    with pytest.raises(SignerError, match="above 10 % of"):
        check_fee(planned([1_000] * 20, 5), 10, 1_000)
