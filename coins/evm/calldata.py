"""The one contract call we send: ERC-20 ``transfer(address,uint256)``. Pure.

Calldata is the selector (first 4 bytes of the Keccak-256 of the signature) and two words of 32 bytes.
"""

from __future__ import annotations

TRANSFER = bytes.fromhex("a9059cbb")
"""Selector of ``transfer(address,uint256)``."""
_WORD = 32
_ACCOUNT = 20
_LENGTH = len(TRANSFER) + 2 * _WORD


def encode_transfer(to: bytes, amount: int) -> bytes:
    """Calldata that moves ``amount`` base units to an account. Raises ValueError for what is neither."""
    if len(to) != _ACCOUNT or not 0 <= amount < 2**256:
        raise ValueError("a transfer is of up to 2^256 - 1 base units to an account of 20 bytes")
    return TRANSFER + to.rjust(_WORD, b"\0") + amount.to_bytes(_WORD, "big")


def decode_transfer(data: bytes) -> tuple[bytes, int]:
    """Recipient and amount of calldata. Raises ValueError for any other call, also with more behind it."""
    account = data[len(TRANSFER) : len(TRANSFER) + _WORD]
    if len(data) != _LENGTH or not data.startswith(TRANSFER) or any(account[: _WORD - _ACCOUNT]):
        raise ValueError("the calldata is no transfer")
    return account[-_ACCOUNT:], int.from_bytes(data[-_WORD:], "big")
