"""Ethereum addresses: strict check of foreign ones, EIP-55 text of own ones, EIP-681 links."""

from __future__ import annotations

import re

from eth_hash.auto import keccak

from coins.base58 import Base58Error, decode_check
from coins.errors import InvalidAddressError
from coins.types import ForeignAddress

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
_TEXT_MAX = 200
_SYSTEM_BELOW = 0x10000
"""Zero address, precompiles (0x01 … 0x11, 0x100, more with every fork), the 0xdead sink: nobody's keys."""
_BURN = frozenset(
    bytes.fromhex(text)
    for text in ("dead000000000000000042069420694206942069", "00000000000000000000000000000000deadbeef")
)
"""Sinks in use, beside the system's and accounts of one repeated byte: nobody's keys."""
_OTHER_NETWORKS = (
    "bc1", "tb1", "bcrt1", "ltc1", "tltc1", "rltc1", "ltcmweb1", "tmweb1",
    "bitcoincash:", "bchtest:", "bchreg:", "bitcoin:", "litecoin:", "dogecoin:",
)  # fmt: skip


def parse_address(text: str) -> ForeignAddress:
    """Checked foreign address: EIP-55 text and 20-byte script.

    Accepted: ``0x`` and 40 hex digits, all lower case, all upper case, or mixed case with a right
    EIP-55 checksum. Raises InvalidAddressError with code ``wrong_network`` for an address of
    another kind of chain, ``forbidden_address`` for a sink, else ``invalid_address``.
    """
    if len(text) > _TEXT_MAX:
        raise InvalidAddressError("is far too long for an address")
    if not _ADDRESS.fullmatch(text):
        if _is_of_other_network(text):
            raise InvalidAddressError("is an address of another network", "wrong_network")
        raise InvalidAddressError("is no address: expected 0x and 40 hex digits")
    digits = text[2:]
    script = bytes.fromhex(digits)
    checksummed = to_checksum(script)
    if digits not in (digits.lower(), digits.upper()) and text != checksummed:
        raise InvalidAddressError("has a wrong EIP-55 checksum: a letter was changed")
    if int.from_bytes(script, "big") < _SYSTEM_BELOW:
        raise InvalidAddressError("is a system address that nobody holds the key of")
    if script in _BURN or len(set(script)) == 1:
        raise InvalidAddressError("is a sink: what it is sent is lost", "forbidden_address")
    return ForeignAddress(checksummed, script)


def to_checksum(script: bytes) -> str:
    """EIP-55 text of a 20-byte account."""
    if len(script) != 20:
        raise ValueError(f"an account has 20 bytes, not {len(script)}")
    digits = script.hex()
    digest = keccak(digits.encode("ascii")).hex()
    letters = (
        letter.upper() if int(nibble, 16) >= 8 else letter
        for letter, nibble in zip(digits, digest, strict=False)
    )
    return "0x" + "".join(letters)


def script_of_public_key(uncompressed: bytes) -> bytes:
    """Account of a public key: the last 20 bytes of the Keccak-256 of its 64 coordinate bytes.

    ``uncompressed`` is the 65-byte SEC form (0x04 first).
    """
    if len(uncompressed) != 65 or uncompressed[0] != 4:
        raise ValueError("an uncompressed public key has 65 bytes and begins with 04")
    return keccak(uncompressed[1:])[12:]


def payment_uri(address: str, chain_id: int) -> str:
    """EIP-681 link for a QR code, e.g. ``ethereum:0x…@1``."""
    return f"ethereum:{address}@{chain_id}"


def token_uri(address: str, contract: str, chain_id: int) -> str:
    """EIP-681 link that pays in a token, e.g. ``ethereum:0x…@1/transfer?address=0x…``."""
    return f"ethereum:{contract}@{chain_id}/transfer?address={address}"


def _is_of_other_network(text: str) -> bool:
    """Whether a text looks like an address of a Bitcoin-like chain."""
    if text.lower().startswith(_OTHER_NETWORKS):
        return True
    try:
        return len(decode_check(text)) == 21
    except Base58Error:
        return False
