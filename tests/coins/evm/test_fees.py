"""Prices of gas: bounded, never below the base fee by our own doing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coins.errors import PlanError
from coins.evm.fees import quote_fee, refuse_dear, sweep_price
from coins.types import FeeQuote

GWEI = 10**9
PRICES = st.integers(0, 10**15)


def test_twice_the_base_fee_and_the_tip() -> None:
    assert quote_fee(10 * GWEI, GWEI, 300 * GWEI) == FeeQuote(0, 21 * GWEI, GWEI, 10 * GWEI)


@given(PRICES, PRICES, st.integers(1, 10**15))
def test_a_quote_is_within_its_cap_and_valid(base: int, tip: int, cap: int) -> None:
    quote = quote_fee(base, tip, cap)
    assert quote.max_fee_wei <= cap
    assert quote.priority_fee_wei <= quote.max_fee_wei
    assert 0 <= sweep_price(quote) <= quote.max_fee_wei


@given(PRICES, PRICES, st.integers(1, 10**15))
def test_a_price_that_is_not_refused_pays_the_base_fee(base: int, tip: int, cap: int) -> None:
    quote = quote_fee(base, tip, cap)
    if base > cap or quote.max_fee_wei == 0:
        with pytest.raises(PlanError):
            refuse_dear(quote)
        return
    refuse_dear(quote)
    assert quote.max_fee_wei >= base
    assert sweep_price(quote) >= base


def test_too_dear_waits_for_gas() -> None:
    with pytest.raises(PlanError, match="301") as refusal:
        refuse_dear(quote_fee(301, 1, 300))
    assert refusal.value.waiting_for == "gas"
