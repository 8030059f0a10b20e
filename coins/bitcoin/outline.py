"""Where in a raw block its chain txs begin, and what they spend. Pure; runs in worker processes too.

The outline is made from every byte of the block and shows that it is one; it knows nothing of us. With
it, finding what is ours costs a fraction of reading the block (:mod:`coins.bitcoin.match`).
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from typing import Literal

from coins.bitcoin.pattern import INPUT_KEYS, tx_pattern
from coins.bitcoin.scan import (
    HEADER_BYTES,
    BlockRules,
    at_once,
    check_end,
    checked_flag,
    header_end,
    witness_end,
)
from coins.bitcoin.search import Candidates, records, search_steps
from coins.bitcoin.wire import FLAG_MWEB, FLAG_WITNESS, read_varint
from coins.errors import NodeDataError
from coins.index import OUTPOINT_BYTES

BROKEN = (NodeDataError, IndexError, OverflowError, struct.error)
"""What bytes that are no block raise here. Scanning them says what is wrong with them."""
TXS_PER_STEP = 1_200  # about a millisecond of work
FORM_BYTES = 3
_COUNTS = struct.Struct("<III")
_FORM = struct.Struct(f"<{FORM_BYTES}sII")
_WORD: Literal["I"] = "I"


@dataclass(frozen=True, slots=True)
class Outline:
    """``txs``: where each chain tx begins in the block, and where the last one ends.

    ``spent``: the outpoint of each input in the order of the block, as :func:`coins.index.outpoint_key`.
    ``paid``: the outputs of each chain tx as they stand in the block, empty once it was decoded.
    ``found``: by the form of a script what could be one, for the forms that were searched already.
    """

    txs: array[int]
    spent: list[bytes]
    paid: list[bytes] = field(default_factory=list, compare=False)
    found: dict[bytes, Candidates] = field(default_factory=dict)

    def encode(self) -> bytes:
        """As bytes, for :func:`decode` on the same machine."""
        parts = [_COUNTS.pack(len(self.txs), len(self.spent), len(self.found)), self.txs.tobytes()]
        parts += self.spent
        for form, candidates in self.found.items():
            parts.append(_FORM.pack(form, len(candidates.scripts), len(candidates.ends)))
            parts.append(array(_WORD, candidates.ends).tobytes())
            parts += candidates.scripts
        return b"".join(parts)


def decode(data: bytes) -> Outline:
    """Inverse of :meth:`Outline.encode`. Raises NodeDataError for bytes that are none."""
    try:
        count, inputs, forms = _COUNTS.unpack_from(data)
        txs, pos = _words(data, _COUNTS.size, count)
        spent = records(data, pos, OUTPOINT_BYTES, inputs)
        pos += inputs * OUTPOINT_BYTES
        found = {}
        for _ in range(forms):
            form, scripts, groups = _FORM.unpack_from(data, pos)
            ends, pos = _words(data, pos + _FORM.size, groups)
            found[form] = Candidates(records(data, pos, form[0], scripts), ends)
            pos += scripts * form[0]
    except struct.error as error:
        raise NodeDataError(f"no outline: {error}") from None
    if pos != len(data):
        raise NodeDataError(f"no outline: {len(data)} bytes instead of {pos}")
    return Outline(txs, spent, found=found)


def _words(data: bytes, begin: int, count: int) -> tuple[array[int], int]:
    """``count`` numbers from ``begin`` on, and where they end. Raises struct.error without them."""
    words = array(_WORD)
    end = begin + count * words.itemsize
    if end > len(data):
        raise struct.error("it breaks off")
    words.frombytes(data[begin:end])
    return words, end


def outline_block(raw: bytes, rules: BlockRules, forms: Iterable[bytes] = ()) -> Outline:
    """The outline of a whole block, searched for these forms. Raises BROKEN for anything else."""
    outline = at_once(outline_steps(raw, rules))
    for form in forms:
        outline.found[form] = at_once(search_steps(outline.paid, form))
    return outline


def outline_steps(raw: bytes, rules: BlockRules) -> Generator[None, None, Outline]:
    """As :func:`outline_block`, in steps of about a millisecond, so that an event loop can breathe."""
    if len(raw) < HEADER_BYTES + 1:
        raise NodeDataError("no header")
    count, pos = read_varint(raw, header_end(raw, rules))
    if count == 0:
        raise NodeDataError("block without a coinbase")
    match = tx_pattern(rules.max_money, rules.has_segwit).match
    txs, spent, paid, flag = array(_WORD), list[bytes](), list[bytes](), 0
    for first in range(0, count, TXS_PER_STEP):
        inputs: list[bytes] = []
        for number in range(first, min(first + TXS_PER_STEP, count)):
            txs.append(pos)
            if found := match(raw, pos):  # this loop is the cashier's hottest
                last = found.lastindex or 0
                inputs.append(found[last - 1])
                paid.append(found[last])
                pos, flag = found.end(), 0
            else:
                spent += INPUT_KEYS.findall(b"".join(inputs))
                inputs.clear()
                pos, flag = read_tx(raw, pos, number, rules, spent, paid)
        spent += INPUT_KEYS.findall(b"".join(inputs))
        yield
    check_end(raw, pos, len(raw), bool(flag & FLAG_MWEB))
    txs.append(pos)
    return Outline(txs, spent, paid)


def read_tx(
    raw: bytes, pos: int, number: int, rules: BlockRules, spent: list[bytes], paid: list[bytes]
) -> tuple[int, int]:
    """Any chain tx at ``pos``: the position behind it and its flag.

    Adds the outpoints that it spends to ``spent``, and its outputs to ``paid``.
    """
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
    begin = pos
    outputs, pos = read_varint(raw, pos)
    for _ in range(outputs):
        if int.from_bytes(raw[pos : pos + 8], "little") > rules.max_money:
            raise NodeDataError("impossible amount")
        size, pos = read_varint(raw, pos + 8)
        pos += size
    paid.append(raw[begin:pos])
    if flag & FLAG_WITNESS:
        pos = witness_end(raw, pos, inputs)
    if flag & FLAG_MWEB:
        if raw[pos] != 0:
            raise NodeDataError("a chain tx holds extension data")
        pos += 1
    return pos + 4, flag
