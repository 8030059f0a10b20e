"""Calendar months in UTC."""

from __future__ import annotations

import pytest

from ledger.month import end_of, month_of, next_month


@pytest.mark.parametrize(
    ("month", "end", "following"),
    [
        ("2023-11", 1_701_388_800, "2023-12"),
        ("2023-12", 1_704_067_200, "2024-01"),
        ("2024-02", 1_709_251_200, "2024-03"),  # a leap year
        ("2999-12", 32_503_680_000, "3000-01"),
    ],
)
def test_a_month_ends_with_the_first_second_of_the_next(month: str, end: int, following: str) -> None:
    assert end_of(month) == end
    assert next_month(month) == following
    assert (month_of(end - 1), month_of(end)) == (month, following)


@pytest.mark.parametrize(
    "text",
    ["", "2023", "2023-13", "2023-00", "23-11", "2023-1", "2023-11 ", "１２３４-11", "1999-12", "x" * 9_999],
)
def test_what_is_no_month_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="YYYY-MM") as caught:
        end_of(text)
    assert len(str(caught.value)) < 100
