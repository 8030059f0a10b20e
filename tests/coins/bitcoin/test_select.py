"""Which outputs pay, and what it costs."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coins.bitcoin.select import INPUTS_MAX, Limits, Selection, input_weight, output_size, select, tx_vsize
from coins.errors import PlanError
from coins.types import Branch, Outpoint, OwnScript, TxOutput, Utxo

OWN = OwnScript(b"\x00\x14" + b"\x01" * 20, "own", Branch.DEPOSIT, 0)
PAYEE, CHANGE = b"\x00\x14" + b"\x02" * 20, b"\x00\x14" + b"\x03" * 20
LIMITS = Limits(fee_rate_sat_vb=10, dust=546, max_fee=500_000, long_term_sat_vb=10)
ONE_IN_TWO_OUT = 141  # virtual bytes, P2WPKH throughout


def pay(utxos: list[Utxo], amount: int, limits: Limits = LIMITS) -> Selection:
    return select(utxos, [TxOutput(PAYEE, "payee", amount)], CHANGE, limits)


def utxo(amount: int, number: int = 0) -> Utxo:
    return Utxo(Outpoint(f"{number or amount:064x}", 0), amount, OWN)


def test_sizes_are_the_known_ones() -> None:
    p2pkh, p2sh = b"\x76\xa9\x14" + b"\x04" * 20 + b"\x88\xac", b"\xa9\x14" + b"\x05" * 20 + b"\x87"
    long = b"\x51\x20" + b"\x06" * 32
    assert [output_size(script) for script in (PAYEE, p2pkh, p2sh, long)] == [31, 34, 32, 43]
    assert tx_vsize([OWN.script], [PAYEE, CHANGE]) == ONE_IN_TWO_OUT
    assert tx_vsize([OWN.script] * 2, [PAYEE, CHANGE]) == 209
    assert tx_vsize([p2pkh], [p2pkh, p2pkh]) == 227  # 226 and the two bytes that mark a witness
    with pytest.raises(PlanError, match="cannot spend"):
        tx_vsize([p2sh], [PAYEE])


def test_without_change_where_inputs_fit() -> None:
    """Branch and bound: 40,000 + 60,000 + two inputs' fees is within the cost of change."""
    fee = 10 * tx_vsize([OWN.script] * 2, [PAYEE])
    coins = [utxo(n) for n in (40_000, 60_000 + fee + 500, 1_000_000, 77_000, 5_000)]
    chosen = pay(coins, 100_000)
    assert sorted(each.amount for each in chosen.inputs) == [40_000, 60_000 + fee + 500]
    assert (chosen.fee, chosen.change) == (fee + 500, 0)


def test_the_smallest_single_output_that_is_enough() -> None:
    dear = Limits(100, 546, 500_000, 10)
    chosen = pay(
        [utxo(9_000_000), utxo(200_000), utxo(1_000_000), utxo(70_000, 9), utxo(71_000)], 150_000, dear
    )
    assert [each.amount for each in chosen.inputs] == [200_000]
    assert (chosen.fee, chosen.change) == (100 * ONE_IN_TWO_OUT, 50_000 - 100 * ONE_IN_TWO_OUT)


def test_many_small_ones_are_swept_together_while_fees_are_low() -> None:
    coins = [utxo(1_000_000), *(utxo(21_000 + n) for n in range(10))]
    cheap, dear = Limits(1, 546, 500_000, 20), Limits(40, 546, 500_000, 20)
    assert len(pay(coins, 150_000, cheap).inputs) >= 7
    assert [each.amount for each in pay(coins, 150_000, dear).inputs] == [1_000_000]


def test_many_payees_share_one_chain_tx() -> None:
    payees = [TxOutput(b"\x00\x14" + bytes([n]) * 20, f"p{n}", 10_000 + n) for n in range(10, 60)]
    chosen = select([utxo(5_000_000)], payees, CHANGE, LIMITS)
    total = sum(payee.amount for payee in payees)
    vsize = tx_vsize([OWN.script], [*(payee.script for payee in payees), CHANGE])
    assert (chosen.fee, chosen.change) == (10 * vsize, 5_000_000 - total - 10 * vsize)
    assert vsize / 50 < 0.35 * ONE_IN_TWO_OUT


def test_change_not_worth_its_own_cost_goes_to_the_fee() -> None:
    exact = 100_000 + 10 * tx_vsize([OWN.script], [PAYEE])
    cost = 10 * 31 + 10 * input_weight(CHANGE) // 4
    with_change = pay([utxo(exact + cost + 1)], 100_000)
    assert (with_change.fee, with_change.change) == (10 * ONE_IN_TWO_OUT, cost + 1 - 310)
    without = pay([utxo(exact + cost)], 100_000)
    assert (without.fee, without.change) == (exact - 100_000 + cost, 0)


def test_w25_change_below_dust_goes_to_the_fee() -> None:
    limits = Limits(1, 546, 500_000, 1)
    exact = 100_000 + ONE_IN_TWO_OUT
    with_change = pay([utxo(exact + 546)], 100_000, limits)
    assert (with_change.fee, with_change.change) == (ONE_IN_TWO_OUT, 546)
    without = pay([utxo(exact + 545)], 100_000, limits)
    assert (without.fee, without.change) == (ONE_IN_TWO_OUT + 545, 0)


def test_not_enough_waits_for_funds() -> None:
    with pytest.raises(PlanError, match="more than the 100000") as caught:
        pay([utxo(100_000)], 99_000)
    assert caught.value.waiting_for == "funds"
    with pytest.raises(PlanError, match="more than the 0"):
        pay([], 99_000)


def test_outputs_not_worth_their_own_fee_are_left_alone() -> None:
    with pytest.raises(PlanError, match="more than the 0"):
        pay([utxo(680 + n, n + 1) for n in range(-100, 1)], 1_000)


def test_dust_and_fees_above_the_limit_are_refused() -> None:
    with pytest.raises(PlanError, match="dust"):
        pay([utxo(100_000)], 545)
    with pytest.raises(PlanError, match="above the limit") as caught:
        pay([utxo(10**9)], 10**8, Limits(10, 546, 1_409, 10))
    assert caught.value.waiting_for == "node"
    many = [utxo(10_000, n + 1) for n in range(INPUTS_MAX + 100)]
    with pytest.raises(PlanError, match="consolidate"):
        pay(many, 9_000 * (INPUTS_MAX + 50), Limits(10, 546, 10**9, 10))


@given(
    st.lists(st.integers(1, 10**7), min_size=1, max_size=40),
    st.lists(st.integers(546, 10**7), min_size=1, max_size=5),
    st.integers(1, 300),
    st.integers(1, 300),
    st.integers(0, 10**6),
)
def test_money_adds_up_whatever_the_order(
    amounts: list[int], paid: list[int], rate: int, long_term: int, seed: int
) -> None:
    utxos = [utxo(each, number + 1) for number, each in enumerate(amounts)]
    payees = [TxOutput(PAYEE, "payee", each) for each in paid]
    limits = Limits(rate, 546, 10**12, long_term)
    try:
        chosen = select(utxos, payees, CHANGE, limits)
    except PlanError:
        worth = [each.amount - 68 * rate for each in utxos if each.amount > 68 * rate]
        assert sum(worth) < sum(paid) + rate * (14 + 31 * len(paid))  # all the useful ones cannot pay the fee
        return
    random.Random(seed).shuffle(utxos)
    assert select(utxos, payees, CHANGE, limits) == chosen
    assert sum(each.amount for each in chosen.inputs) == sum(paid) + chosen.fee + chosen.change
    assert len(set(chosen.inputs)) == len(chosen.inputs)
    outputs = [PAYEE] * len(paid) + ([CHANGE] if chosen.change else [])
    least = rate * tx_vsize([OWN.script] * len(chosen.inputs), outputs)
    assert chosen.change == 0 or chosen.change >= 546
    assert (
        least
        <= chosen.fee
        <= least + (0 if chosen.change else max(546 + 31 * rate, 31 * rate + 69 * long_term))
    )
