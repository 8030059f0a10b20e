"""Base58Check as in Bitcoin: a text form of bytes with a 4-byte double-SHA-256 checksum. Pure."""

from __future__ import annotations

import hashlib

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)}
TEXT_MAX = 200


class Base58Error(ValueError):
    """A text that is no Base58Check; says why, never shows the text."""


def checksum(data: bytes) -> bytes:
    """First four bytes of the double SHA-256."""
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()[:4]


def encode_check(data: bytes) -> str:
    """Base58Check text of ``data`` (version byte or bytes included by the caller)."""
    full = data + checksum(data)
    number = int.from_bytes(full, "big")
    letters: list[str] = []
    while number:
        number, rest = divmod(number, 58)
        letters.append(_ALPHABET[rest])
    zeros = len(full) - len(full.lstrip(b"\0"))
    return "1" * zeros + "".join(reversed(letters))


def decode_check(text: str) -> bytes:
    """Bytes of a Base58Check text, checksum removed. Raises Base58Error.

    At most :data:`TEXT_MAX` letters, so that a hostile text costs nothing.
    """
    if not text or len(text) > TEXT_MAX:
        raise Base58Error("is empty or too long")
    number = 0
    for letter in text:
        value = _VALUES.get(letter)
        if value is None:
            raise Base58Error("has a letter that base58 does not have")
        number = number * 58 + value
    zeros = len(text) - len(text.lstrip("1"))
    full = b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")
    if len(full) < 5:
        raise Base58Error("is too short")
    data, check = full[:-4], full[-4:]
    if checksum(data) != check:
        raise Base58Error("has a wrong checksum")
    return data
