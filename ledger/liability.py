"""Proof of liabilities: a Merkle tree whose every node also carries the sum of what is owed below it. Pure.

A client who is given the way from his own leaf to the published root can check that what we say we owe
in all includes what we owe him; nobody can be left out unseen by himself, and no sum can be made smaller
than its parts, since amounts are never negative. The tree (after G. Maxwell's Merkle-sum tree):

    leaf  = SHA-256(0x00 | nonce | client id as UTF-8 | amount), sum = amount
    node  = SHA-256(0x01 | left hash | left sum | right hash | right sum), sum = left sum + right sum

Sums and amounts are 32 bytes big endian; hashes and nonces are 32 bytes. Leaves stand in order of their
nonce; a node without a partner moves up unchanged. The nonce is HMAC-SHA-256(salt of the period, client
id): without the salt nobody can try client ids against a neighbour's hash. A way shows the sums beside
it, so one neighbour's balance, but not whose it is.
"""

from __future__ import annotations

import hashlib
import hmac
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

SALT_BYTES = 32
_WIDTH = 32

Node = tuple[bytes, int]


@dataclass(frozen=True, slots=True)
class Step:
    """One node beside the way up: its hash, its sum, and whether it stands on the left."""

    node_hash: bytes
    amount: int
    is_left: bool


@dataclass(frozen=True, slots=True)
class Proof:
    """A client's leaf (nonce and amount) and the way from it to the root."""

    nonce: bytes
    amount: int
    steps: tuple[Step, ...]
    root: bytes
    total: int


def nonce_of(salt: bytes, client_id: str) -> bytes:
    """What blinds a client's leaf."""
    return hmac.digest(salt, client_id.encode(), "sha256")


def leaf(nonce: bytes, client_id: str, amount: int) -> Node:
    """A client's leaf. Raises OverflowError for an amount that is negative or above 2^256-1."""
    return hashlib.sha256(b"\x00" + nonce + client_id.encode() + _bytes(amount)).digest(), amount


def join(left: Node, right: Node) -> Node:
    """The node above two others. Raises OverflowError when the sum is above 2^256-1."""
    total = left[1] + right[1]
    _bytes(total)
    content = left[0] + _bytes(left[1]) + right[0] + _bytes(right[1])
    return hashlib.sha256(b"\x01" + content).digest(), total


def root_of(owed: Mapping[str, int], salt: bytes) -> Node:
    """Hash and sum of the root over what each client is owed; of nobody: 32 zero bytes and 0."""
    level = [node for _, node in _leaves(owed, salt)]
    while len(level) > 1:
        level = _above(level)
    return level[0] if level else (bytes(_WIDTH), 0)


@dataclass(frozen=True, slots=True)
class Tree:
    """All nodes, packed: to grow it takes all clients, a proof from it only the way up.

    ``nonces`` are those of the leaves in their order; a level, the leaves first, is hash and sum of each of
    its nodes: some 160 bytes a client in all.
    """

    salt: bytes
    nonces: bytes
    levels: tuple[bytes, ...]

    def prove(self, client_id: str) -> Proof:
        """The way from a client's leaf to the root. Raises KeyError for a client who is not in it."""
        nonce = nonce_of(self.salt, client_id)
        count = len(self.nonces) // _WIDTH
        at = bisect_left(range(count), nonce, key=lambda place: _part(self.nonces, place, _WIDTH))
        if at == count or _part(self.nonces, at, _WIDTH) != nonce:
            raise KeyError(client_id)
        _, amount = self._node(0, at)
        steps = []
        for number, level in enumerate(self.levels[:-1]):
            beside = at ^ 1
            if beside < len(level) // (2 * _WIDTH):
                steps.append(Step(*self._node(number, beside), is_left=beside < at))
            at //= 2
        return Proof(nonce, amount, tuple(steps), *self._node(len(self.levels) - 1, 0))

    def _node(self, level: int, at: int) -> Node:
        packed = _part(self.levels[level], at, 2 * _WIDTH)
        return packed[:_WIDTH], int.from_bytes(packed[_WIDTH:], "big")


def grow(owed: Mapping[str, int], salt: bytes) -> Tree:
    """The tree over what each client is owed. Raises OverflowError as :func:`leaf` and :func:`join`."""
    level = [node for _, node in _leaves(owed, salt)]
    levels = [_packed(level)]
    while len(level) > 1:
        level = _above(level)
        levels.append(_packed(level))
    return Tree(salt, b"".join(sorted(nonce_of(salt, client_id) for client_id in owed)), tuple(levels))


def prove(owed: Mapping[str, int], salt: bytes, client_id: str) -> Proof:
    """The way from a client's leaf to the root. Raises KeyError for a client who is not in ``owed``."""
    return grow(owed, salt).prove(client_id)


def _part(packed: bytes, at: int, width: int) -> bytes:
    return packed[at * width : (at + 1) * width]


def _packed(level: list[Node]) -> bytes:
    return b"".join([node_hash + _bytes(amount) for node_hash, amount in level])


def _leaves(owed: Mapping[str, int], salt: bytes) -> list[tuple[str, Node]]:
    """Client and leaf in the order of the tree."""
    ordered = sorted((nonce_of(salt, client_id), client_id) for client_id in owed)
    return [(client_id, leaf(nonce, client_id, owed[client_id])) for nonce, client_id in ordered]


def _above(level: list[Node]) -> list[Node]:
    """The next level up."""
    pairs = [join(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
    return pairs + level[len(level) - len(level) % 2 :]


def _bytes(amount: int) -> bytes:
    return amount.to_bytes(_WIDTH, "big")
