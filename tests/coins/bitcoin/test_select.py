"""Which outputs pay, and what it costs."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coins.bitcoin.select import INPUTS_MAX, Limits, output_size, select, tx_vsize
from coins.errors import PlanError
from coins.types import Branch, Outpoint, OwnScript, Utxo

OWN = OwnScript(b"\x00\x14" + b"\x01" * 20, "own", Branch.DEPOSIT, 0)
PAYEE, CHANGE = b"\x00\x14" + b"\x02" * 20, b"\x00\x14" + b"\x03" * 20
LIMITS = Limits(fee_rate_sat_vb=10, dust=546, max_fee=500_000)
ONE_IN_TWO_OUT = 141  # virtual bytes, P2WPKH throughout


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


def test_the_smallest_single_output_that_is_enough() -> None:
    chosen = select([utxo(9_000_000), utxo(200_000), utxo(1_000_000)], PAYEE, 150_000, CHANGE, LIMITS)
    assert [each.amount for each in chosen.inputs] == [200_000]
    assert (chosen.fee, chosen.change) == (10 * ONE_IN_TWO_OUT, 50_000 - 10 * ONE_IN_TWO_OUT)


def test_else_the_largest_ones_first() -> None:
    chosen = select([utxo(n * 1_000) for n in range(1, 101)], PAYEE, 190_000, CHANGE, LIMITS)
    assert [each.amount for each in chosen.inputs] == [100_000, 99_000]


def test_change_below_dust_goes_to_the_fee() -> None:
    exact = 100_000 + 10 * ONE_IN_TWO_OUT
    with_change = select([utxo(exact + 546)], PAYEE, 100_000, CHANGE, LIMITS)
    assert (with_change.fee, with_change.change) == (10 * ONE_IN_TWO_OUT, 546)
    without = select([utxo(exact + 545)], PAYEE, 100_000, CHANGE, LIMITS)
    assert (without.fee, without.change) == (10 * ONE_IN_TWO_OUT + 545, 0)


def test_not_enough_waits_for_funds() -> None:
    with pytest.raises(PlanError, match="more than the 100000") as caught:
        select([utxo(100_000)], PAYEE, 99_000, CHANGE, LIMITS)
    assert caught.value.waiting_for == "funds"
    with pytest.raises(PlanError, match="more than the 0"):
        select([], PAYEE, 99_000, CHANGE, LIMITS)


def test_outputs_not_worth_their_own_fee_are_left_alone() -> None:
    with pytest.raises(PlanError, match="more than the 0"):
        select([utxo(680 + n, n + 1) for n in range(-100, 1)], PAYEE, 1_000, CHANGE, LIMITS)


def test_dust_and_fees_above_the_limit_are_refused() -> None:
    with pytest.raises(PlanError, match="dust"):
        select([utxo(100_000)], PAYEE, 545, CHANGE, LIMITS)
    with pytest.raises(PlanError, match="above the limit") as caught:
        select([utxo(10**9)], PAYEE, 10**8, CHANGE, Limits(10, 546, 1_409))
    assert caught.value.waiting_for == "node"
    many = [utxo(10_000, n + 1) for n in range(INPUTS_MAX + 100)]
    with pytest.raises(PlanError, match="consolidate"):
        select(many, PAYEE, 9_000 * (INPUTS_MAX + 50), CHANGE, Limits(10, 546, 10**9))


@given(
    st.lists(st.integers(1, 10**7), min_size=1, max_size=40),
    st.integers(546, 10**8),
    st.integers(1, 300),
    st.integers(0, 10**6),
)
@settings(deadline=None)
def test_money_adds_up_whatever_the_order(amounts: list[int], amount: int, rate: int, seed: int) -> None:
    utxos = [utxo(each, number + 1) for number, each in enumerate(amounts)]
    limits = Limits(rate, 546, 10**12)
    try:
        chosen = select(utxos, PAYEE, amount, CHANGE, limits)
    except PlanError:
        worth = [each.amount - 68 * rate for each in utxos if each.amount > 68 * rate]
        assert sum(worth) < amount + rate * 45  # with every useful output the fee could not be paid
        return
    random.Random(seed).shuffle(utxos)
    assert select(utxos, PAYEE, amount, CHANGE, limits) == chosen
    assert sum(each.amount for each in chosen.inputs) == amount + chosen.fee + chosen.change
    assert len(set(chosen.inputs)) == len(chosen.inputs)
    outputs = [PAYEE, CHANGE] if chosen.change else [PAYEE]
    least = rate * tx_vsize([OWN.script] * len(chosen.inputs), outputs)
    assert chosen.change == 0 or chosen.change >= 546
    assert least <= chosen.fee <= least + (0 if chosen.change else 546 + 31 * rate)
