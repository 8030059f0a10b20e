"""Where in a raw block its chain txs, inputs and outputs stand. Pure; runs in worker processes too.

The outline knows nothing of us. With it, finding what is ours costs a fraction of reading the block:
each output and input is looked up by its mark, and only the chain txs that touch us are scanned, by the
same code that scans a whole block (:func:`coins.bitcoin.scan.scan_steps`).
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_right
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Literal

from coins.bitcoin.scan import (
    HEADER_BYTES,
    INPUT,
    OUTPUT,
    PADDING,
    TXS_PER_STEP,
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
from coins.index import MARK_MASK, SCRIPT_BYTES_MIN, WatchIndex

BROKEN = (NodeDataError, IndexError, struct.error)
"""What bytes that are no block raise here. Scanning them says what is wrong with them."""
_COUNTS = struct.Struct("<IIII")
_TWO_INPUTS = struct.Struct("<I37xI").unpack_from
_WORD: Literal["I"] = "I"


@dataclass(frozen=True, slots=True)
class Outline:
    """Positions in the block's bytes, ascending; marks are those of :mod:`coins.index`.

    ``txs`` where each chain tx begins, and where the last one ends. Of each output that could be ours:
    its script's mark and the position of the script's length. Of each input: its outpoint's mark and the
    position of the outpoint.
    """

    txs: array[int]
    output_marks: array[int]
    output_places: array[int]
    input_marks: array[int]
    input_places: array[int]

    def encode(self) -> bytes:
        """As bytes, for :func:`decode` on the same machine."""
        head = _COUNTS.pack(len(self.txs), len(self.output_marks), len(self.input_marks), 0)
        rest = (self.txs, self.output_marks, self.output_places, self.input_marks, self.input_places)
        return head + b"".join(part.tobytes() for part in rest)


def decode(data: bytes) -> Outline:
    """Inverse of :meth:`Outline.encode`. Raises NodeDataError for bytes that are none."""
    parts = [array(_WORD) for _ in range(5)]
    try:
        txs, outputs, inputs, _ = _COUNTS.unpack_from(data)
        at = _COUNTS.size
        for part, count in zip(parts, (txs, outputs, outputs, inputs, inputs), strict=True):
            end = at + count * part.itemsize
            part.frombytes(data[at:end])
            at = end
        if at != len(data):
            raise ValueError(f"{len(data)} bytes instead of {at}")
    except (struct.error, ValueError) as error:
        raise NodeDataError(f"no outline: {error}") from None
    return Outline(*parts)


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
    end = len(raw)
    count, pos = _tx_count(raw, rules)
    raw += PADDING
    unpack_input, unpack_two, unpack_output = INPUT, _TWO_INPUTS, OUTPUT
    mask, max_money = MARK_MASK, rules.max_money
    txs, output_marks, output_places = array(_WORD), array(_WORD), array(_WORD)
    input_marks, input_places = array(_WORD), array(_WORD)
    add_mark, add_place = output_marks.append, output_places.append
    has_segwit, flag = rules.has_segwit, 0
    for number in range(count):
        if number % TXS_PER_STEP == 0:
            yield
        txs.append(pos)
        pos += 4
        inputs, flag = raw[pos], 0
        if inputs == 0:
            flag = raw[pos + 1]
            if flag != FLAG_WITNESS or not has_segwit:
                flag = checked_flag(flag, number, rules)
            pos += 2
            inputs = raw[pos]
        # One step for two inputs without a script, as most are: this loop is the cashier's hottest.
        if inputs == 2 and not (raw[pos + 37] or raw[pos + 78]):
            word, second = unpack_two(raw, pos + 1)
            input_marks.extend((word & mask, second & mask))
            input_places.extend((pos + 1, pos + 42))
            pos += 83
        else:
            inputs, pos = read_varint(raw, pos)
            for _ in range(inputs):
                word, size = unpack_input(raw, pos)
                input_marks.append(word & mask)
                input_places.append(pos)
                if size < 0xFD:
                    pos += size + 41
                else:
                    size, pos = read_varint(raw, pos + 36)
                    pos += size + 4
        outputs = raw[pos]
        if outputs < 0xFD:
            pos += 1
        else:
            outputs, pos = read_varint(raw, pos)
        for _ in range(outputs):
            amount, size, word = unpack_output(raw, pos)
            if amount > max_money:
                raise NodeDataError("impossible amount")
            if size < 0xFD:
                if size >= SCRIPT_BYTES_MIN:
                    add_mark(word & mask)
                    add_place(pos + 8)
                pos += size + 9
            else:
                size, pos = read_varint(raw, pos + 8)
                pos += size
        if flag & FLAG_WITNESS:
            pos = witness_end(raw, pos, inputs)
        if flag & FLAG_MWEB:
            if raw[pos] != 0:
                raise NodeDataError("a chain tx holds extension data")
            pos += 1
        pos += 4
    check_end(raw, pos, end, bool(flag & FLAG_MWEB))
    txs.append(pos)
    return Outline(txs, output_marks, output_places, input_marks, input_places)


def _tx_count(raw: bytes, rules: BlockRules) -> tuple[int, int]:
    """How many chain txs the block has, and where the first begins."""
    if len(raw) < HEADER_BYTES + 1:
        raise NodeDataError("no header")
    count, pos = read_varint(raw, header_end(raw, rules))
    if count == 0:
        raise NodeDataError("block without a coinbase")
    return count, pos


def scan_outlined(raw: bytes, outline: Outline, index: WatchIndex, rules: BlockRules) -> Scan:
    """As :func:`coins.bitcoin.scan.scan_block`, reading only what the outline shows to be ours."""
    txs = outline.txs
    touched = {0, len(txs) - 2}  # the coinbase, and the last one: HogEx on Litecoin
    for place in _marked(outline.output_marks, outline.output_places, index.script_marks):
        if raw[place + 1 : place + 1 + raw[place]] in index.scripts:
            touched.add(bisect_right(txs, place) - 1)
    for place in _marked(outline.input_marks, outline.input_places, index.outpoint_marks):
        if raw[place : place + 36] in index.outpoints:
            touched.add(bisect_right(txs, place) - 1)
    scan = scan_block(_only(raw, txs, sorted(touched), rules), index, rules)
    if scan.receipts:
        fresh = {int(each.txid[-8:], 16) & MARK_MASK for each in scan.receipts}  # marks of their outpoints
        if not fresh.isdisjoint(outline.input_marks):
            return scan_block(raw, index, rules)  # perhaps spent within this very block
    return scan


def _marked(marks: array[int], places: array[int], table: bytearray) -> Iterator[int]:
    """The places whose mark is set in ``table``; without a step of Python for those whose is not."""
    hits = bytes(map(table.__getitem__, marks))
    at = hits.find(1)
    while at >= 0:
        yield places[at]
        at = hits.find(1, at + 1)


def _only(raw: bytes, txs: array[int], numbers: list[int], rules: BlockRules) -> bytes:
    """The block with these chain txs alone, its header and its extension block as they are."""
    parts = [raw[: header_end(raw, rules)], varint(len(numbers))]
    parts += [raw[txs[number] : txs[number + 1]] for number in numbers]
    parts.append(raw[txs[-1] :])
    return b"".join(parts)
