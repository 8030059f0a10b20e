"""Which bytes of a block could be scripts of ours, and in which chain txs they stand. Pure.

Knows forms of scripts only, none of ours, so that worker processes run it too. A search may find too much
(one script inside another, or across two outputs), never too little: a script stands wholly inside the
outputs of one chain tx, and they are searched from the first byte to the last.
"""

from __future__ import annotations

import re
import struct
from array import array
from bisect import bisect_right
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import compress, count

FORMS_MAX = 8  # one search through the block for each
TXS_PER_GROUP = 64  # where a script stands is known this exactly
BYTES_PER_STEP = 400_000  # searched for one form: about a millisecond
_MANY = 256


@dataclass(frozen=True, slots=True)
class Candidates:
    """``scripts``: what has the form, in the order of the block.

    ``ends``: for each group of chain txs how many of them stand in it and in those before it.
    """

    scripts: list[bytes]
    ends: Sequence[int]

    def groups_of(self, hits: set[bytes]) -> set[int]:
        """The groups in which one of ``hits`` stands."""
        places = compress(count(), map(hits.__contains__, self.scripts))
        return {bisect_right(self.ends, place) for place in places}


def search_steps(paid: Sequence[bytes], form: bytes) -> Generator[None, None, Candidates]:
    """All that could be scripts of this form (:class:`coins.index.WatchIndex`), in steps of a millisecond.

    ``paid``: the outputs of each chain tx, or all of its bytes.
    """
    findall, size = _form_pattern(form).findall, form[0] + 1
    scripts, ends, searched = list[bytes](), array("I"), 0
    for number in range(0, len(paid), TXS_PER_GROUP):
        group = b"".join(paid[number : number + TXS_PER_GROUP])
        for first in range(0, len(group), BYTES_PER_STEP):
            # A pattern sees nothing behind the end it is given: what stands on a border is found once.
            scripts += findall(group, first, first + BYTES_PER_STEP + size - 1)
            searched += min(BYTES_PER_STEP, len(group) - first)
            if searched >= BYTES_PER_STEP:
                searched = 0
                yield
        ends.append(len(scripts))
    return Candidates(scripts, ends)


def touched_by(raw: bytes, txs: Sequence[int], group: int, hits: Iterable[bytes]) -> set[int]:
    """The numbers of the chain txs of this group in which one of ``hits`` stands."""
    first = group * TXS_PER_GROUP
    return touched_between(raw, txs, txs[first], txs[min(first + TXS_PER_GROUP, len(txs) - 1)], hits)


def touched_between(raw: bytes, txs: Sequence[int], begin: int, end: int, hits: Iterable[bytes]) -> set[int]:
    """The numbers of the chain txs in which one of ``hits`` stands, from ``begin`` to ``end``."""
    found = set()
    for hit in hits:
        at = raw.find(hit, begin, end)
        while at >= 0:
            found.add(bisect_right(txs, at) - 1)
            at = raw.find(hit, at + 1, end)
    return found


def records(data: bytes, begin: int, size: int, number: int) -> list[bytes]:
    """``number`` byte strings of ``size`` bytes each that stand one behind the other from ``begin`` on.

    Raises struct.error when ``data`` ends before them.
    """
    many, found = _many(size), list[bytes]()
    whole = begin + number // _MANY * many.size
    for at in range(begin, whole, many.size):
        found += many.unpack_from(data, at)
    found += struct.unpack_from(f"{size}s" * (number % _MANY), data, whole)
    return found


@cache
def _many(size: int) -> struct.Struct:
    return struct.Struct(f"{size}s" * _MANY)


@cache
def _form_pattern(form: bytes) -> re.Pattern[bytes]:
    """Finds what could be a script of this form: the script, wherever it stands, also one in another."""
    script = re.escape(form[1:]) + b".{%d}" % (form[0] - len(form) + 1)
    return re.compile(re.escape(form[:1]) + b"(?=(" + script + b"))", re.DOTALL)
