"""That a block's header stands for exactly these chain txs.

The header holds the root of a tree of hashes over the txids (Bitcoin's merkle tree), and the block's hash
is the header's: whoever shows a payment that is not in that block cannot show a root that fits.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from hashlib import sha256

from coins.bitcoin.scan import HEADER_BYTES
from coins.bitcoin.wire import hash_hex, read_varint, sha256d
from coins.errors import NodeDataError

TXS_PER_STEP = 150  # about a millisecond of work


def proof_steps(raw: bytes, txs: Sequence[int]) -> Generator[None, None, None]:
    """Check the chain txs that begin at ``txs`` (and end at the last of them) against the header's root.

    In steps of about a millisecond. Raises NodeDataError when they are not those of the header, or when
    two equal halves follow each other: such a list has the root of a shorter one (CVE-2012-2459).
    """
    level: list[bytes] = []
    for first in range(0, len(txs) - 1, TXS_PER_STEP):
        level += [
            _digest(raw, txs[number], txs[number + 1])
            for number in range(first, min(first + TXS_PER_STEP, len(txs) - 1))
        ]
        yield
    while len(level) > 1:
        if any(level[at] == level[at + 1] for at in range(0, len(level) - 1, 2)):
            raise NodeDataError(f"block {_hash_of(raw)} names chain txs twice")
        if len(level) % 2:
            level.append(level[-1])
        pairs = iter(level)
        level = [
            sha256(sha256(left + right).digest()).digest() for left, right in zip(pairs, pairs, strict=True)
        ]
        yield
    if level != [raw[36:68]]:
        raise NodeDataError(
            f"block {_hash_of(raw)} is not the one its header stands for: another merkle root"
        )


def _digest(raw: bytes, start: int, end: int) -> bytes:
    """The txid's bytes of the chain tx from ``start`` to ``end``: its hash without witness."""
    if raw[start + 4]:
        return sha256d(raw[start:end])
    pos = start + 6
    inputs, pos = read_varint(raw, pos)
    for _ in range(inputs):
        size, pos = read_varint(raw, pos + 36)
        pos += size + 4
    outputs, pos = read_varint(raw, pos)
    for _ in range(outputs):
        size, pos = read_varint(raw, pos + 8)
        pos += size
    return sha256d(raw[start : start + 4] + raw[start + 6 : pos] + raw[end - 4 : end])


def _hash_of(raw: bytes) -> str:
    return hash_hex(sha256d(raw[:HEADER_BYTES]))
