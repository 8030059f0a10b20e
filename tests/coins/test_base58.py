"""Base58Check: known texts, leading zeros, refusal."""

from __future__ import annotations

import pytest

from coins.base58 import Base58Error, decode_check, encode_check


def test_known_address() -> None:
    # the first address ever mined to
    data = decode_check("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa")
    assert data.hex() == "0062e907b15cbf27d5425399ebf6f0fb50ebb88f18"
    assert encode_check(data) == "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"


@pytest.mark.parametrize("data", [b"\0", b"\0\0\0abc", b"\xff" * 78, bytes(21)])
def test_round_trip_keeps_leading_zeros(data: bytes) -> None:
    assert decode_check(encode_check(data)) == data


@pytest.mark.parametrize("text", ["", "0OIl", "1", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", "1" * 201, "ä"])
def test_refusal(text: str) -> None:
    with pytest.raises(Base58Error):
        decode_check(text)
