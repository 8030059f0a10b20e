"""Where in a raw block its chain txs begin, and what they spend. Pure; runs in worker processes too.

The outline is made from every byte of the block and shows that it is one; it knows nothing of us. With
it, finding what is ours costs a fraction of reading the block: searches in C name what could be ours, and
only the chain txs around those places are scanned, by the same code that scans a whole block
(:func:`coins.bitcoin.scan.scan_steps`).
"""

from __future__ import annotations

import re
import struct
from array import array
from bisect import bisect_right
from collections.abc import Generator
from dataclasses import dataclass
from functools import cache
from typing import Literal

from coins.bitcoin.pattern import INPUT_KEYS, tx_pattern
from coins.bitcoin.scan import (
    HEADER_BYTES,
    BlockRules,
    Scan,
    check_end,
    checked_flag,
    header_end,
    scan_block,
    witness_end,
)
from coins.bitcoin.wire import FLAG_MWEB, FLAG_WITNESS, read_varint, varint
from coins.errors import NodeDataError
from coins.index import OUTPOINT_BYTES, WatchIndex, outpoint_key
from coins.types import Outpoint

BROKEN = (NodeDataError, IndexError, OverflowError, struct.error)
"""What bytes that are no block raise here. Scanning them says what is wrong with them."""
BYTES_PER_STEP = 400_000  # searched for one form of script: about a millisecond
TXS_PER_STEP = 1_200  # about a millisecond of work
FORMS_MAX = 8  # one search through the block for each
HITS_MAX = 16  # with more than these the whole block is scanned
_COUNTS = struct.Struct("<II")
_WORD: Literal["I"] = "I"
_KEY = re.compile(b".{%d}" % OUTPOINT_BYTES, re.DOTALL)


@dataclass(frozen=True, slots=True)
class Outline:
    """``txs``: where each chain tx begins in the block, and where the last one ends.

    ``spent``: the outpoint of each input in the order of the block, as :func:`coins.index.outpoint_key`.
    """

    txs: array[int]
    spent: list[bytes]

    def encode(self) -> bytes:
        """As bytes, for :func:`decode` on the same machine."""
        return _COUNTS.pack(len(self.txs), len(self.spent)) + self.txs.tobytes() + b"".join(self.spent)


def decode(data: bytes) -> Outline:
    """Inverse of :meth:`Outline.encode`. Raises NodeDataError for bytes that are none."""
    txs = array(_WORD)
    try:
        count, inputs = _COUNTS.unpack_from(data)
    except struct.error as error:
        raise NodeDataError(f"no outline: {error}") from None
    begin = _COUNTS.size + count * txs.itemsize
    end = begin + inputs * OUTPOINT_BYTES
    if len(data) != end:
        raise NodeDataError(f"no outline: {len(data)} bytes instead of {end}")
    txs.frombytes(data[_COUNTS.size : begin])
    return Outline(txs, _KEY.findall(data, begin))


def outline_block(raw: bytes, rules: BlockRules) -> Outline:
    """The outline of a whole block. Raises BROKEN for anything else."""
    steps = outline_steps(raw, rules)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            outline: Outline = end.value
            return outline


def outline_steps(raw: bytes, rules: BlockRules) -> Generator[None, None, Outline]:
    """As :func:`outline_block`, in steps of about a millisecond, so that an event loop can breathe."""
    if len(raw) < HEADER_BYTES + 1:
        raise NodeDataError("no header")
    count, pos = read_varint(raw, header_end(raw, rules))
    if count == 0:
        raise NodeDataError("block without a coinbase")
    match = tx_pattern(rules.max_money, rules.has_segwit).match
    txs, spent, flag = array(_WORD), list[bytes](), 0
    for first in range(0, count, TXS_PER_STEP):
        inputs: list[bytes] = []
        for number in range(first, min(first + TXS_PER_STEP, count)):
            txs.append(pos)
            if found := match(raw, pos):  # this loop is the cashier's hottest
                inputs.append(found[found.lastindex or 0])
                pos, flag = found.end(), 0
            else:
                spent += INPUT_KEYS.findall(b"".join(inputs))
                inputs.clear()
                pos, flag = read_tx(raw, pos, number, rules, spent)
        spent += INPUT_KEYS.findall(b"".join(inputs))
        yield
    check_end(raw, pos, len(raw), bool(flag & FLAG_MWEB))
    txs.append(pos)
    return Outline(txs, spent)


def read_tx(raw: bytes, pos: int, number: int, rules: BlockRules, spent: list[bytes]) -> tuple[int, int]:
    """Any chain tx at ``pos``: the position behind it and its flag; adds what it spends to ``spent``."""
    pos += 4
    flag = 0
    if raw[pos] == 0:
        flag = checked_flag(raw[pos + 1], number, rules)
        pos += 2
    inputs, pos = read_varint(raw, pos)
    for _ in range(inputs):
        spent.append(raw[pos : pos + OUTPOINT_BYTES])
        size, pos = read_varint(raw, pos + OUTPOINT_BYTES)
        pos += size + 4
    outputs, pos = read_varint(raw, pos)
    for _ in range(outputs):
        if int.from_bytes(raw[pos : pos + 8], "little") > rules.max_money:
            raise NodeDataError("impossible amount")
        size, pos = read_varint(raw, pos + 8)
        pos += size
    if flag & FLAG_WITNESS:
        pos = witness_end(raw, pos, inputs)
    if flag & FLAG_MWEB:
        if raw[pos] != 0:
            raise NodeDataError("a chain tx holds extension data")
        pos += 1
    return pos + 4, flag


def scan_outlined(raw: bytes, outline: Outline, index: WatchIndex, rules: BlockRules) -> Scan:
    """As :func:`coins.bitcoin.scan.scan_block`, reading only what could be ours."""
    steps = match_steps(raw, outline, index, rules)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            scan: Scan = end.value
            return scan


def match_steps(
    raw: bytes, outline: Outline, index: WatchIndex, rules: BlockRules
) -> Generator[None, None, Scan]:
    """As :func:`scan_outlined`, in steps of about a millisecond."""
    if len(index.forms) > FORMS_MAX:
        return scan_block(raw, index, rules)
    hits = index.outpoints.intersection(outline.spent)
    for form in index.forms:
        # Wherever a script of ours stands, also in places where it is none: what is one, the scan tells.
        pattern, size = _form_pattern(form), form[0] + 1
        for first in range(0, len(raw), BYTES_PER_STEP):
            # A pattern sees nothing behind the end it is given: a script on the border is found once.
            listed = pattern.findall(raw, first, first + BYTES_PER_STEP + size - 1)
            hits.update(form[:1] + script for script in index.scripts.intersection(listed))
            yield
    if len(hits) > HITS_MAX:
        return scan_block(raw, index, rules)
    txs = outline.txs
    touched = {0, len(txs) - 2}  # the coinbase, and the last one: HogEx on Litecoin
    for hit in hits:
        at = raw.find(hit, txs[0], txs[-1])
        while at >= 0:
            touched.add(bisect_right(txs, at) - 1)
            at = raw.find(hit, at + 1, txs[-1])
    scan = scan_block(_only(raw, txs, sorted(touched), rules), index, rules)
    made = {outpoint_key(Outpoint(each.txid, int(each.position))) for each in scan.receipts}
    if made and not made.isdisjoint(outline.spent):
        return scan_block(raw, index, rules)  # spent within this very block
    return scan


@cache
def _form_pattern(form: bytes) -> re.Pattern[bytes]:
    """Finds what could be a script of this form: the script, wherever it stands, also one in another."""
    script = re.escape(form[1:]) + b".{%d}" % (form[0] - len(form) + 1)
    return re.compile(re.escape(form[:1]) + b"(?=(" + script + b"))", re.DOTALL)


def _only(raw: bytes, txs: array[int], numbers: list[int], rules: BlockRules) -> bytes:
    """The block with these chain txs alone, its header and its extension block as they are."""
    parts = [raw[: header_end(raw, rules)], varint(len(numbers))]
    parts += [raw[txs[number] : txs[number + 1]] for number in numbers]
    parts.append(raw[txs[-1] :])
    return b"".join(parts)
