"""Calldata of a token's transfer, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coins.evm.calldata import TRANSFER, decode_transfer, encode_transfer

TO = bytes(range(1, 21))


def test_the_layout_is_selector_and_two_words() -> None:
    data = encode_transfer(TO, 258)
    assert data.hex() == "a9059cbb" + "00" * 12 + TO.hex() + "00" * 30 + "0102"


@given(st.binary(min_size=20, max_size=20), st.integers(0, 2**256 - 1))
def test_round_trip(to: bytes, amount: int) -> None:
    assert decode_transfer(encode_transfer(to, amount)) == (to, amount)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        TRANSFER,
        encode_transfer(TO, 1)[:-1],
        encode_transfer(TO, 1) + b"\0",
        bytes.fromhex("095ea7b3") + encode_transfer(TO, 1)[4:],  # approve
        bytes.fromhex("23b872dd") + encode_transfer(TO, 1)[4:],  # transferFrom
        TRANSFER + b"\1" + encode_transfer(TO, 1)[5:],
    ],
)
def test_any_other_call_is_none(data: bytes) -> None:
    with pytest.raises(ValueError, match="no transfer"):
        decode_transfer(data)


@pytest.mark.parametrize(("to", "amount"), [(TO[:19], 1), (TO, -1), (TO, 2**256)])
def test_impossible_transfers_are_refused(to: bytes, amount: int) -> None:
    with pytest.raises(ValueError, match="transfer"):
        encode_transfer(to, amount)
