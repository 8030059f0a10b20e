"""Amount texts: exact or refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coins.amounts import AMOUNT_MAX, AmountError, format_amount, parse_amount


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0.29", 29_000_000),
        ("20999999.99999999", 2_099_999_999_999_999),
        ("0.00000001", 1),
        ("0", 0),
        ("0.0", 0),
        ("1", 100_000_000),
        ("1.10000000", 110_000_000),
    ],
)
def test_d22_money_is_parsed_exactly(text: str, amount: int) -> None:
    assert parse_amount(text, 8) == amount


@given(st.integers(0, AMOUNT_MAX), st.integers(0, 30))
def test_d22_every_amount_comes_back(amount: int, decimals: int) -> None:
    text = format_amount(amount, decimals)
    assert parse_amount(text, decimals) == amount
    assert Decimal(text) == Decimal(f"{amount}e-{decimals}")
    assert format_amount(-amount, decimals) == ("-" if amount else "") + text


@given(st.integers(0, 10**12), st.integers(0, 10**8 - 1))
def test_d22_hundredths_of_a_millionth_are_kept(whole: int, fraction: int) -> None:
    assert parse_amount(f"{whole}.{fraction:08d}", 8) == whole * 10**8 + fraction


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "-1", "+1", "1e5", "1E-8", "0x10", "1.", ".5", "01", "00.1", "1,5", "1 ", " 1", "1\n", "NaN",
        "Infinity", "abc", "0.123456789", "1.000000000", "٣", "１", "1_000", "--1", "1.2.3", "9" * 79,
        str(AMOUNT_MAX), "1" * 100_000, None, 1, 1.5, True, b"1", [], {},
    ],
)  # fmt: skip
def test_d22_anything_else_is_refused(text: object) -> None:
    with pytest.raises(AmountError):
        parse_amount(text, 8)


def test_the_largest_amount_is_a_word_of_the_evm() -> None:
    assert parse_amount(str(AMOUNT_MAX), 0) == AMOUNT_MAX
    with pytest.raises(AmountError, match="too large"):
        parse_amount(str(AMOUNT_MAX + 1), 0)


@given(st.text(max_size=30))
def test_no_text_makes_it_fail_otherwise(text: str) -> None:
    try:
        assert parse_amount(text, 8) >= 0
    except AmountError:
        return
