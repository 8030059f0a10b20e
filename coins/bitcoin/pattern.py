"""Ordinary chain txs as a regular expression, so that one is stepped over in C instead of by a loop. Pure.

Every count and every length is written out, so a byte string can match in one way only, and what matches
is what the format says (BIP 144), to the byte. The pattern knows few counts and the lengths met most
often; it takes most chain txs of a block, and a loop reads the others (:mod:`coins.bitcoin.outline`). Where a
number of bytes is skipped the repetition is possessive (`+`): there is nothing to go back to, and so none
is remembered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

INPUTS_MAX, OUTPUTS_MAX, ITEMS_MAX = 4, 6, 4
# Lengths, the most frequent first. Scripts of inputs: none, a nested P2WPKH or P2WSH, signature and key.
_INPUT_SIZES = (0x00, 0x17, 0x6A, 0x6B, 0x23, 0x69, 0x6C, 0x8A, 0x8B, 0x8C, 0x47, 0x48, 0x49)
# Scripts of outputs: P2WPKH, P2WSH and P2TR, P2PKH, P2SH, bare keys, the coinbase's commitment.
_OUTPUT_SIZES = (0x16, 0x22, 0x19, 0x17, 0x23, 0x43, 0x26)
# Items of a witness: signatures, keys, nothing, a hash's preimage, the script of two keys out of three.
_ITEM_SIZES = (0x48, 0x47, 0x21, 0x40, 0x41, 0x00, 0x01, 0x02, 0x20, 0x46, 0x49, 0x45, 0x69)


@cache
def tx_pattern(max_money: int, has_segwit: bool) -> re.Pattern[bytes]:
    """Matches one ordinary chain tx; the last matched group are its outputs with their count, the one before
    are its inputs without it, for :data:`INPUT_KEYS`.

    An amount whose highest byte is that of ``max_money``, or higher, never matches.
    """
    bare = []
    witness = []
    outputs = _counted(_amount(max_money) + _sized(_OUTPUT_SIZES), range(1, OUTPUTS_MAX + 1))
    stack = _counted(_sized(_ITEM_SIZES), range(ITEMS_MAX + 1))
    for count in range(1, INPUTS_MAX + 1):
        body = b"\\x%02x(%s)" % (count, _INPUT * count) + b"(" + outputs + b")"
        bare.append(body)
        witness.append(body + stack * count)
    bodies = [rb"\x00\x01" + _one_of(witness)] if has_segwit else []
    return re.compile(b".{4}+" + _one_of([*bodies, *bare]) + b".{4}+", re.DOTALL)


def _one_of(parts: Iterable[bytes]) -> bytes:
    return b"(?:" + b"|".join(parts) + b")"


def _counted(part: bytes, counts: Iterable[int]) -> bytes:
    """A count and as many parts. Written out: repeating a group costs far more."""
    frequent = sorted(counts, key=lambda count: (count != 2, count != 1, count))
    return _one_of(b"\\x%02x" % count + part * count for count in frequent)


def _sized(sizes: Iterable[int], behind: int = 0) -> bytes:
    """A length and as many bytes, then ``behind`` more."""
    return _one_of(b"\\x%02x.{%d}+" % (size, size + behind) for size in sizes)


def _amount(max_money: int) -> bytes:
    """Eight bytes; the highest that may be used is smaller than that of ``max_money``."""
    used = (max_money.bit_length() + 7) // 8
    top = max_money >> 8 * (used - 1)
    return b".{%d}+[\\x00-\\x%02x]" % (used - 1, top - 1) + rb"\x00" * (8 - used)


_INPUT = b".{36}+" + _sized(_INPUT_SIZES, 4)
INPUT_KEYS = re.compile(b"(.{36}+)" + _sized(_INPUT_SIZES, 4), re.DOTALL)
"""Finds the outpoints of inputs that stand one behind the other, as :func:`tx_pattern` gives them."""
