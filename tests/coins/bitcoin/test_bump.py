"""A payout that is not mined is replaced by the rules of BIP 125: one payment, a higher fee."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coins.bitcoin.bump import bump_plan
from coins.bitcoin.plan import Terms, plan_payout
from coins.bitcoin.select import Limits
from coins.bitcoin.sign import sign_plan
from coins.bitcoin.wire import decode_tx
from coins.errors import PlanError
from coins.types import AttemptPlan, Branch, Outpoint, StuckWork, Utxo
from tests.coins.bitcoin.setup import SEED
from tests.coins.bitcoin.test_plan import work
from tests.coins.bitcoin.test_sign import SETTINGS, own, terms, utxos

CHANGE = own(Branch.CHANGE, 99)


def first(amounts: list[int], count: int = 3) -> AttemptPlan:
    return plan_payout(work(amounts, utxos(count)), terms(5))


def more(count: int) -> tuple[Utxo, ...]:
    return tuple(Utxo(Outpoint(f"{n + 9:064x}", 0), 30_000, own(Branch.HOT, n)) for n in range(count))


@pytest.mark.parametrize("rate", [6, 7, 20, 100])
@pytest.mark.parametrize("payees", [1, 3])
def test_w07_the_same_payees_from_the_same_inputs_at_a_higher_fee(rate: int, payees: int) -> None:
    plan = first([20_000] * payees)
    assert plan.change is not None
    bumped = bump_plan(StuckWork(plan, change=CHANGE), terms(rate))
    assert bumped is not None
    assert bumped.inputs == plan.inputs
    assert bumped.outputs[:payees] == plan.outputs[:payees]
    assert (bumped.intent_id, bumped.more) == (plan.intent_id, plan.more)
    tx = decode_tx(bytes.fromhex(sign_plan(SEED, SETTINGS, bumped).raw))
    assert bumped.fee >= plan.fee + tx.vsize
    assert bumped.fee >= rate * tx.vsize
    assert bumped.fee * tx.vsize > plan.fee * tx.vsize
    assert {txin.sequence for txin in tx.inputs} == {0xFFFFFFFD}


def test_while_the_price_is_not_above_its_own_nothing_is_replaced() -> None:
    plan = first([30_000])
    for rate in (1, 4, 5):
        assert bump_plan(StuckWork(plan, change=CHANGE), terms(rate)) is None


def test_w05_further_inputs_come_beside_the_old_ones_never_in_their_place() -> None:
    plan = first([95_000], 1)
    assert plan.change is None or plan.outputs[-1].amount < 5_000
    bumped = bump_plan(StuckWork(plan, utxos=more(4), change=CHANGE), terms(60))
    assert bumped is not None
    assert bumped.inputs[: len(plan.inputs)] == plan.inputs
    assert len(bumped.inputs) > len(plan.inputs)
    sign_plan(SEED, SETTINGS, bumped)
    with pytest.raises(PlanError) as lacking:
        bump_plan(StuckWork(plan, change=CHANGE), terms(60))
    assert lacking.value.waiting_for == "funds"


def test_change_that_would_be_dust_goes_to_the_fee() -> None:
    plan = first([96_500], 1)
    assert plan.change is not None
    bumped = bump_plan(StuckWork(plan, change=CHANGE), terms(25))
    assert bumped is not None
    assert bumped.change is None
    assert bumped.fee == 3_500
    sign_plan(SEED, SETTINGS, bumped)


def test_w24_a_replacement_stays_below_the_highest_fee_of_a_chain_tx() -> None:
    plan = first([30_000])
    dear = replace(terms(), limits=Limits(100, 546, 10_000, 10))
    with pytest.raises(PlanError, match="at most 10000") as refused:
        bump_plan(StuckWork(plan, change=CHANGE), dear)
    assert refused.value.waiting_for == "node"
    assert isinstance(dear, Terms)
