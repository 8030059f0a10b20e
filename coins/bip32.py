"""BIP32 key trees: public derivation for everybody, private derivation for the signer.

Curve arithmetic by coincurve (libsecp256k1). A private node never shows its key in ``repr``.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

from coincurve import PrivateKey, PublicKey

from coins.base58 import Base58Error, decode_check, encode_check

HARDENED = 2**31
XPUB_VERSION = bytes.fromhex("0488b21e")
TPUB_VERSION = bytes.fromhex("043587cf")

# BIP32 and SLIP-132: xpub, ypub, zpub; tpub, upub, vpub. Only the prefix differs.
_PUBLIC_VERSIONS = frozenset(
    bytes.fromhex(version)
    for version in ("0488b21e", "049d7cb2", "04b24746", "043587cf", "044a5262", "045f1cf6")
)
_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


class Bip32Error(ValueError):
    """A key, index or path that BIP32 does not allow; the text holds no key material."""


@dataclass(frozen=True, slots=True)
class PublicNode:
    """Compressed public key (33 bytes) and chain code (32 bytes) at a place in the tree."""

    public_key: bytes
    chain_code: bytes
    depth: int = 0
    parent_fingerprint: bytes = b"\0\0\0\0"
    child_number: int = 0


@dataclass(frozen=True, slots=True)
class PrivateNode:
    """Secret key (32 bytes) and chain code at a place in the tree. For the signer only."""

    secret: bytes = field(repr=False)
    chain_code: bytes = field(repr=False)
    depth: int = 0
    parent_fingerprint: bytes = b"\0\0\0\0"
    child_number: int = 0


def parse_xpub(text: str) -> PublicNode:
    """Node of an extended public key (xpub, tpub and the SLIP-132 prefixes). Raises Bip32Error."""
    try:
        data = decode_check(text)
    except Base58Error as error:
        raise Bip32Error(f"extended public key {error}") from None
    if len(data) != 78 or data[:4] not in _PUBLIC_VERSIONS:
        raise Bip32Error("is no extended public key")
    depth, fingerprint = data[4], data[5:9]
    number = int.from_bytes(data[9:13], "big")
    if depth == 0 and (fingerprint != b"\0\0\0\0" or number != 0):
        raise Bip32Error("extended public key of depth 0 with a parent")
    try:
        key = PublicKey(data[45:])
    except ValueError:
        raise Bip32Error("extended public key holds no point of the curve") from None
    return PublicNode(key.format(), data[13:45], depth, fingerprint, number)


def serialize(node: PublicNode, version: bytes = XPUB_VERSION) -> str:
    """Extended public key text of a node; ``version`` is its 4-byte prefix."""
    return encode_check(
        version
        + bytes([node.depth])
        + node.parent_fingerprint
        + node.child_number.to_bytes(4, "big")
        + node.chain_code
        + node.public_key
    )


def fingerprint(public_key: bytes) -> bytes:
    """First four bytes of HASH160 of a compressed public key."""
    return hashlib.new("ripemd160", hashlib.sha256(public_key).digest()).digest()[:4]


def child_public(node: PublicNode, index: int) -> PublicNode:
    """CKDpub: child ``index`` (0 … 2^31-1) of a public node. Raises Bip32Error."""
    if not 0 <= index < HARDENED:
        raise Bip32Error(f"child {index} cannot be derived from a public key")
    tweak, chain_code = _split(node.chain_code, node.public_key + index.to_bytes(4, "big"))
    try:
        key = PublicKey(node.public_key).add(tweak).format()
    except ValueError:
        raise Bip32Error(f"child {index} does not exist (BIP32: go on with the next)") from None
    return PublicNode(key, chain_code, _deeper(node.depth), fingerprint(node.public_key), index)


def master(seed: bytes) -> PrivateNode:
    """Master node of a seed of 16 … 64 bytes. Raises Bip32Error."""
    if not 16 <= len(seed) <= 64:
        raise Bip32Error("a seed has 16 to 64 bytes")
    secret, chain_code = _split(b"Bitcoin seed", seed)
    if not 0 < int.from_bytes(secret, "big") < _ORDER:
        raise Bip32Error("this seed has no master key")
    return PrivateNode(secret, chain_code)


def child_private(node: PrivateNode, index: int) -> PrivateNode:
    """CKDpriv: child ``index``; add :data:`HARDENED` for a hardened one. Raises Bip32Error."""
    if not 0 <= index < 2 * HARDENED:
        raise Bip32Error(f"child {index} is out of range")
    public_key = public_key_of(node.secret)
    parent = b"\0" + node.secret if index >= HARDENED else public_key
    tweak, chain_code = _split(node.chain_code, parent + index.to_bytes(4, "big"))
    try:
        secret = PrivateKey(node.secret).add(tweak).secret
    except ValueError:
        raise Bip32Error(f"child {index} does not exist (BIP32: go on with the next)") from None
    return PrivateNode(secret, chain_code, _deeper(node.depth), fingerprint(public_key), index)


def derive_private(node: PrivateNode, path: Iterable[int]) -> PrivateNode:
    """Descendant of ``node`` along ``path`` (hardened steps with :data:`HARDENED` added)."""
    for index in path:
        node = child_private(node, index)
    return node


def derive_public(node: PublicNode, path: Iterable[int]) -> PublicNode:
    """Descendant of ``node`` along ``path`` (no hardened steps)."""
    for index in path:
        node = child_public(node, index)
    return node


def account_node(seed: bytes, purpose: int, coin: int, account: int) -> PrivateNode:
    """BIP44 account ``m/purpose'/coin'/account'`` of a seed."""
    return derive_private(master(seed), (purpose + HARDENED, coin + HARDENED, account + HARDENED))


def neuter(node: PrivateNode) -> PublicNode:
    """The public node of a private one."""
    return PublicNode(
        public_key_of(node.secret), node.chain_code, node.depth, node.parent_fingerprint, node.child_number
    )


def public_key_of(secret: bytes) -> bytes:
    """Compressed public key (33 bytes) of a secret key."""
    return PublicKey.from_secret(secret).format()


def _split(key: bytes, data: bytes) -> tuple[bytes, bytes]:
    """Left and right half of HMAC-SHA512."""
    digest = hmac.digest(key, data, "sha512")
    return digest[:32], digest[32:]


def _deeper(depth: int) -> int:
    """Depth of a child; the text form has one byte for it."""
    if depth >= 255:
        raise Bip32Error("the tree ends at depth 255")
    return depth + 1
