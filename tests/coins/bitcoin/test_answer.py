"""The node's JSON, hostile until checked."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coins.bitcoin import answer
from coins.bitcoin.answer import as_amount, parse_json
from coins.bitcoin.spender import fee_rate_sat_vb
from coins.errors import NodeDataError

MAX_MONEY = 21 * 10**14


@pytest.mark.parametrize(
    "text",
    [
        "-1", "-0.00000001", "1e400", "1e-9", '"1.0"', "null", "true", "false", "[]", "{}",
        "21000000.00000001", "0.123456789", "99999999999999999999", "1e999999999999",
        "-1e999999999999", "0.000000001e1000000",
    ],
)  # fmt: skip
def test_d23_hostile_amounts_are_refused_by_name(text: str) -> None:
    with pytest.raises(NodeDataError, match=r"^amount: "):
        as_amount(parse_json(text.encode()), "amount", MAX_MONEY)


@pytest.mark.parametrize(
    "text",
    [
        "NaN", "Infinity", "-Infinity", "", "{", "\xff", "01", "1.", "9" * 5_000, "[" * 100_000,
        '{"result": nan}', "\x00",
    ],
)  # fmt: skip
def test_d23_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(NodeDataError, match="no JSON"):
        parse_json(text.encode("latin-1"))


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0.29", 29_000_000), ("20999999.99999999", 2_099_999_999_999_999), ("0.00000001", 1), ("0", 0),
        ("1", 100_000_000), ("1.00000000", 100_000_000), ("21000000", MAX_MONEY), ("1e-8", 1),
        ("2.1E7", MAX_MONEY),
    ],
)  # fmt: skip
def test_d22_amounts_are_exact(text: str, amount: int) -> None:
    assert as_amount(parse_json(text.encode()), "amount", MAX_MONEY) == amount


@given(st.integers(0, MAX_MONEY))
def test_d22_every_amount_of_the_node_is_exact(amount: int) -> None:
    text = f"{amount // 10**8}.{amount % 10**8:08d}"
    assert as_amount(parse_json(text.encode()), "amount", MAX_MONEY) == amount


CHECKS: list[tuple[Callable[..., Any], list[Any]]] = [
    (answer.as_object, [None, [], "x", 1]),
    (answer.as_list, [None, {}, "x", 1]),
    (answer.as_text, [None, 1, [], True]),
    (answer.as_hash, [None, "ab", "G" * 64, "AB" * 32, "0x" + "ab" * 31, 1, "ab" * 32 + "\n"]),
    (answer.as_bytes, [None, "a", "zz", "AB", 1, "ab\n"]),
    (answer.as_work, [None, "", "f" * 65, "-1", "0x1", 1]),
    (answer.as_int, [None, "1", True, -1, 2**31, Decimal("1.0"), [], 10**400]),
    (answer.as_bool, [None, 0, 1, "true"]),
]


@pytest.mark.parametrize(("check", "value"), [(check, value) for check, values in CHECKS for value in values])
def test_d23_every_field_is_checked(check: Callable[..., Any], value: Any) -> None:
    with pytest.raises(NodeDataError, match=r"^field: ") as caught:
        check(value, "field")
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize(
    ("text", "rate"), [("0.00001", 1), ("0.00010001", 11), ("0.00001000", 1), ("0.5", 50_000)]
)
def test_fee_rates_are_rounded_up(text: str, rate: int) -> None:
    assert fee_rate_sat_vb(Decimal(text)) == rate


@pytest.mark.parametrize(
    "value", [0, -1, "0.1", None, True, Decimal(100), Decimal("1e99"), [], Decimal("-0.1")]
)
def test_d23_hostile_fee_rates_are_refused(value: object) -> None:
    with pytest.raises(NodeDataError, match="feerate"):
        fee_rate_sat_vb(value)


def test_half_of_a_surrogate_pair_is_written_out() -> None:
    told = answer.parse_json(b'"a \\ud800 b \\ud83d\\ude00"')
    assert answer.as_text(told, "message") == "a \\ud800 b \U0001f600"
