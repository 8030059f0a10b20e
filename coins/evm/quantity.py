"""Numbers and bytes as an Ethereum node writes them. Pure.

Quantities are hex with ``0x`` (JSON-RPC of the execution layer). Everything else is refused: the
text comes from outside.
"""

from __future__ import annotations

import re

from coins.errors import NodeDataError

_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}", re.ASCII)
_ACCOUNT = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
_HASH = re.compile(r"0x[0-9a-f]{64}", re.ASCII)


def parse_quantity(text: str, name: str) -> int:
    """Number in 0 … 2^256-1 of ``text``; ``name`` is the field for the error. Raises NodeDataError."""
    if not _QUANTITY.fullmatch(text):
        raise NodeDataError(f"{name} is no quantity: {text[:80]!r}")
    return int(text, 16)


def parse_small(text: str, name: str) -> int:
    """Number below 2^63 (heights, times, gas, nonces). Raises NodeDataError."""
    number = parse_quantity(text, name)
    if number >= 2**63:
        raise NodeDataError(f"{name} is impossibly large: {text[:80]!r}")
    return number


def parse_account(text: str, name: str) -> bytes:
    """The 20 bytes of an account. Raises NodeDataError."""
    if not _ACCOUNT.fullmatch(text):
        raise NodeDataError(f"{name} is no account: {text[:80]!r}")
    return bytes.fromhex(text[2:])


def parse_hash(text: str, name: str) -> str:
    """A 32-byte hash in lower-case hex with ``0x``. Raises NodeDataError."""
    lower = text.lower()
    if not _HASH.fullmatch(lower):
        raise NodeDataError(f"{name} is no hash: {text[:80]!r}")
    return lower


def quantity(number: int) -> str:
    """A number as the node wants it."""
    return hex(number)
