"""Address texts to scripts and back, for exactly one network. Pure.

Formats: Base58Check (P2PKH, P2SH), bech32 (BIP 173, witness version 0) and bech32m (BIP 350,
version 1, taproot). Stricter than the nodes in two places where coins would be lost: a taproot key
must be a point of the curve, and witness versions nobody can spend from yet are refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from operator import xor

from coins.base58 import Base58Error, decode_check, encode_check
from coins.errors import InvalidAddressError
from coins.types import ForeignAddress

ADDRESS_MAX = 90  # BIP 173; Base58 forms are far shorter
_CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_NONE = 255  # the value of what is no letter
_VALUES = bytes(_CHARSET.find(chr(code)) % 256 for code in range(256))
_DIGITS = str.maketrans(_CHARSET, "0123456789abcdefghijklmnopqrstuv")  # as int() reads numbers to base 32
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
# What the five bits that leave the checksum's register bring back into it, for each value of them.
_FEEDBACK = tuple(
    reduce(xor, (part for position, part in enumerate(_GENERATOR) if top >> position & 1), 0)
    for top in range(32)
)
_BECH32, _BECH32M = 1, 0x2BC830A3
_FIELD = 2**256 - 2**32 - 977  # of secp256k1
_PRINTABLE = re.compile(r"[!-~]+", re.ASCII)
_BASE58 = re.compile(r"[1-9A-HJ-NP-Za-km-z]{20,50}", re.ASCII)
_EVM = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
_CASHADDR = re.compile(r"(bitcoincash|bchtest|bchreg):[qp][a-z0-9]{41}", re.ASCII)

# The bodies of 1BitcoinEaterAddressDontSendf59kuE and 1CounterpartyXXXXXXXXXXXXXXXUWLpVr.
_SINKS = frozenset(
    decode_check(text)[1:]
    for text in ("1BitcoinEaterAddressDontSendf59kuE", "1CounterpartyXXXXXXXXXXXXXXXUWLpVr")
)

# What other chains' addresses begin with: only to say "wrong network" instead of "no address".
_KNOWN_VERSIONS = frozenset({0x00, 0x05, 0x6F, 0xC4, 0x30, 0x32, 0x3A, 0x1E, 0x16, 0x71})
_KNOWN_PREFIXES = frozenset({"bc", "tb", "bcrt", "ltc", "tltc", "rltc"})
_MWEB_PREFIXES = frozenset({"ltcmweb", "tmweb"})


@dataclass(frozen=True, slots=True)
class Network:
    """Address bytes of one network. ``p2sh`` may hold older versions behind the network's own."""

    p2pkh: int
    p2sh: tuple[int, ...]
    hrp: str


def parse_address(text: str, network: Network) -> ForeignAddress:
    """Canonical text and script of an address of exactly this network.

    Upper-case bech32 comes back in lower case, an accepted older P2SH version in the network's own.
    Raises InvalidAddressError; its code is ``wrong_network`` when the text is a good address of
    another known network, ``forbidden_address`` for one nobody has the key of, else ``invalid_address``.
    """
    if not text:
        raise InvalidAddressError("is empty")
    if len(text) > 200:
        raise InvalidAddressError("is too long")
    if not _PRINTABLE.fullmatch(text):
        raise InvalidAddressError("has spaces or letters that no address has")
    lower = text.lower()
    hrp = lower.rpartition("1")[0]
    if hrp in _MWEB_PREFIXES:
        raise InvalidAddressError("is an address of Litecoin's extension block (MWEB), which cannot be paid")
    if _EVM.fullmatch(text) or _CASHADDR.fullmatch(lower):
        raise InvalidAddressError("belongs to another chain", "wrong_network")
    if hrp and (hrp == network.hrp or hrp in _KNOWN_PREFIXES):
        return _parse_bech32(text, network)
    if _BASE58.fullmatch(text):
        return _parse_base58(text, network)
    raise InvalidAddressError("is no address of this network")


def _refuse_sink(body: bytes) -> None:
    """A hash that was written by hand and not made from a key. Raises InvalidAddressError."""
    if body in _SINKS or len(set(body)) == 1:
        raise InvalidAddressError("is a sink: what it is sent is lost", "forbidden_address")


def script_of_key_hash(key_hash: bytes) -> bytes:
    """P2WPKH script of a 20-byte key hash."""
    return b"\x00\x14" + key_hash


def address_of(script: bytes, network: Network) -> str:
    """Canonical address of a standard script. Raises ValueError for a script without one."""
    if len(script) == 25 and script[:3] == b"\x76\xa9\x14" and script[23:] == b"\x88\xac":
        return encode_check(bytes((network.p2pkh,)) + script[3:23])
    if len(script) == 23 and script[:2] == b"\xa9\x14" and script[22:] == b"\x87":
        return encode_check(bytes((network.p2sh[0],)) + script[2:22])
    if len(script) in (22, 34) and script[0] == 0 and script[1] == len(script) - 2:
        return encode_bech32(network.hrp, 0, script[2:])
    if len(script) == 34 and script[:2] == b"\x51\x20":
        return encode_bech32(network.hrp, 1, script[2:])
    raise ValueError("script has no address")


def _parse_base58(text: str, network: Network) -> ForeignAddress:
    """P2PKH and P2SH."""
    try:
        data = decode_check(text)
    except Base58Error as error:
        raise InvalidAddressError(str(error)) from None
    version, body = data[0], data[1:]
    if len(body) != 20:
        raise InvalidAddressError("holds no 20-byte hash")
    if version == network.p2pkh:
        script = b"\x76\xa9\x14" + body + b"\x88\xac"
    elif version in network.p2sh:
        script = b"\xa9\x14" + body + b"\x87"
    elif version in _KNOWN_VERSIONS:
        raise InvalidAddressError("belongs to another network", "wrong_network")
    else:
        raise InvalidAddressError("has an unknown version byte")
    _refuse_sink(body)
    return ForeignAddress(address_of(script, network), script)


def _parse_bech32(text: str, network: Network) -> ForeignAddress:
    """Witness programs: P2WPKH, P2WSH, P2TR."""
    version, program, hrp = _decode_bech32(text)
    if version == 0 and len(program) in (20, 32):
        script = bytes((0, len(program))) + program
    elif version == 1 and len(program) == 32:
        if not _is_on_curve(program):
            raise InvalidAddressError("is a taproot address nobody can spend from (not on the curve)")
        script = b"\x51\x20" + program
    elif version == 0:
        raise InvalidAddressError("has a witness program of the wrong length")
    else:
        raise InvalidAddressError("has a witness version that nobody can spend from yet")
    if hrp != network.hrp:
        raise InvalidAddressError("belongs to another network", "wrong_network")
    _refuse_sink(program)
    return ForeignAddress(text.lower(), script)


def _decode_bech32(text: str) -> tuple[int, bytes, str]:
    """Witness version, program and prefix. Raises InvalidAddressError."""
    if text.lower() != text and text.upper() != text:
        raise InvalidAddressError("mixes upper and lower case")
    text = text.lower()
    hrp, _, letters = text.rpartition("1")
    if len(text) > ADDRESS_MAX or len(letters) < 8:
        raise InvalidAddressError("has the wrong length")
    values = letters.encode("ascii").translate(_VALUES)
    if _NONE in values:
        raise InvalidAddressError("has a letter that bech32 does not have")
    checksum = _polymod(values, _begun(hrp))
    if checksum not in (_BECH32, _BECH32M):
        raise InvalidAddressError("has a wrong checksum")
    version = values[0]
    if version > 16:
        raise InvalidAddressError("has a witness version that does not exist")
    if checksum != (_BECH32 if version == 0 else _BECH32M):
        raise InvalidAddressError("has the checksum of another witness version (bech32 or bech32m)")
    program = _to_bytes(letters[1:-6])
    if not 2 <= len(program) <= 40:
        raise InvalidAddressError("has a witness program of the wrong length")
    return version, program, hrp


def encode_bech32(hrp: str, version: int, program: bytes) -> str:
    """Address text of a witness program: bech32 for version 0, bech32m above."""
    values = [version, *_to_groups(program)]
    constant = _BECH32 if version == 0 else _BECH32M
    polymod = _polymod([*values, 0, 0, 0, 0, 0, 0], _begun(hrp)) ^ constant
    values += [(polymod >> 5 * (5 - position)) & 31 for position in range(6)]
    return hrp + "1" + "".join(_CHARSET[value] for value in values)


@lru_cache(maxsize=64)
def _begun(hrp: str) -> int:
    """The checksum's register after the prefix, which is mostly the same one."""
    return _polymod([ord(letter) >> 5 for letter in hrp] + [0] + [ord(letter) & 31 for letter in hrp], 1)


def _polymod(values: Sequence[int], state: int) -> int:
    """Checksum of BIP 173 from a state of its register on, 1 at the beginning; two values in each step."""
    if len(values) % 2:
        state = _step(state, values[0])
        values = values[1:]
    for first, second in zip(values[::2], values[1::2], strict=True):
        state = (state & 0xFFFFF) << 10 ^ first << 5 ^ second ^ _FEEDBACK_2[state >> 20]
    return state


def _step(state: int, value: int) -> int:
    """The register after one value more."""
    return (state & 0x1FFFFFF) << 5 ^ value ^ _FEEDBACK[state >> 25]


_FEEDBACK_2 = tuple(_step(_step(top << 20, 0), 0) for top in range(1024))
"""What the ten bits that leave the register in two steps bring back into it."""


def _to_groups(data: bytes) -> list[int]:
    """Bytes as groups of five bits, filled up with zeros."""
    bits = len(data) * 8
    padding = -bits % 5
    number = int.from_bytes(data, "big") << padding
    count = (bits + padding) // 5
    return [number >> 5 * (count - 1 - position) & 31 for position in range(count)]


def _to_bytes(groups: str) -> bytes:
    """The bytes of groups of five bits, each a letter; the filling must be zero and shorter than a group."""
    number = int(groups.translate(_DIGITS), 32) if groups else 0
    padding = len(groups) * 5 % 8
    if padding >= 5 or number & ((1 << padding) - 1):
        raise InvalidAddressError("has bits left over")
    return (number >> padding).to_bytes(len(groups) * 5 // 8, "big")


def _is_on_curve(x_bytes: bytes) -> bool:
    """Whether an x coordinate lies on secp256k1 (Euler's criterion for x^3 + 7)."""
    x = int.from_bytes(x_bytes, "big")
    if x >= _FIELD:
        return False
    return pow((pow(x, 3, _FIELD) + 7) % _FIELD, (_FIELD - 1) // 2, _FIELD) == 1
