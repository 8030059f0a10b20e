"""Numbers from outside."""

from __future__ import annotations

import pytest

from coins.errors import NodeDataError
from coins.evm.quantity import parse_account, parse_hash, parse_quantity, parse_small, quantity


@pytest.mark.parametrize("number", [0, 1, 255, 2**63, 2**256 - 1])
def test_round_trip(number: int) -> None:
    assert parse_quantity(quantity(number), "value") == number


@pytest.mark.parametrize(
    "text",
    ["", "0x", "-0x1", "0x-1", "1", "1.0", "0x1.0", "NaN", "Infinity", "1e400", "0x" + "f" * 65, "0x1 ",
     "0x1\n", "0x1_0", "0x٣", "0X1", " 0x1"],
)  # fmt: skip
def test_d23_hostile_numbers_are_refused_by_name(text: str) -> None:
    with pytest.raises(NodeDataError, match=r"transaction\.value is no quantity"):
        parse_quantity(text, "transaction.value")


def test_small_numbers_are_small() -> None:
    assert parse_small(hex(2**63 - 1), "nonce") == 2**63 - 1
    with pytest.raises(NodeDataError, match="nonce is impossibly large"):
        parse_small(hex(2**63), "nonce")


def test_accounts_and_hashes() -> None:
    assert parse_account("0x" + "Ab" * 20, "to") == b"\xab" * 20
    assert parse_hash("0x" + "AB" * 32, "hash") == "0x" + "ab" * 32
    for text in ("0x" + "ab" * 19, "ab" * 20, "0x" + "zz" * 20, ""):
        with pytest.raises(NodeDataError):
            parse_account(text, "to")
        with pytest.raises(NodeDataError):
            parse_hash(text, "hash")
