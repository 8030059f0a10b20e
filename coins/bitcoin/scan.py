"""Raw blocks to movements of our scripts. Pure, and the hottest loop of the cashier.

A full block (12,000 outputs) takes a few milliseconds, whatever the number of watched scripts: each
output and each input is unpacked once and looked up in a small table of marks, and a chain tx is
hashed only when it touches us. Understands BIP 144, Litecoin's extension blocks (the last chain tx,
HogEx, has flag 8; its further outputs are peg-outs, real payments; the blob behind it is left out)
and merged-mining headers. A block that does not parse to its very last byte, or holds an impossible
amount, is refused whole and leaves the index as it was.
"""

from __future__ import annotations

import struct
from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

from coins.bitcoin.wire import FLAG_MWEB, FLAG_WITNESS, hash_hex, read_varint, sha256d
from coins.errors import NodeDataError
from coins.index import MARK_MASK, SCRIPT_MARK_AT, WatchIndex, outpoint_of
from coins.types import Receipt, Spend

T = TypeVar("T")

HEADER_BYTES = 80
AUXPOW_BIT = 0x100
TXS_PER_STEP = 600  # about a millisecond of work
# An input's outpoint: four bytes of the txid for its mark, and the length of the script behind it.
INPUT = struct.Struct("<I32xB").unpack_from
# An output: amount, length of the script, and the four bytes of the script for its mark.
OUTPUT = struct.Struct(f"<QB{SCRIPT_MARK_AT}xI").unpack_from
PADDING = bytes(8)  # lets an output be read that is shorter than OUTPUT, at the end of a block


@dataclass(frozen=True, slots=True)
class BlockRules:
    """How the blocks of one currency look. ``max_money`` is the most one output can hold."""

    currency: str
    max_money: int
    has_segwit: bool = True
    has_mweb: bool = False
    has_auxpow: bool = False


@dataclass(frozen=True, slots=True)
class Scan:
    """What one block holds for us. Hashes as the node prints them, ``time`` in unix seconds."""

    block_hash: str
    parent_hash: str
    time: int
    receipts: tuple[Receipt, ...]
    spends: tuple[Spend, ...]


def scan_block(raw: bytes, index: WatchIndex, rules: BlockRules) -> Scan:
    """Scan a whole block at once; adds its own new outpoints to ``index``.

    Raises NodeDataError for anything that is not exactly one block; then nothing was added.
    """
    return at_once(scan_steps(raw, index, rules))


def at_once(steps: Generator[None, None, T]) -> T:
    """The result of work that is done in steps, without a pause between them."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: T = end.value
            return found


def scan_steps(raw: bytes, index: WatchIndex, rules: BlockRules) -> Generator[None, None, Scan]:
    """As :func:`scan_block`, in steps of about a millisecond, so that an event loop can breathe.

    The receipts and spends come with the end of the generator. Outputs made and spent within the
    block are both seen: parents stand before their children.
    """
    if len(raw) < HEADER_BYTES + 1:
        raise NodeDataError(f"block of {len(raw)} bytes: no header")
    fresh: list[bytes] = []
    is_whole = False
    try:
        start = header_end(raw, rules)
        receipts, spends = yield from _scan_txs(raw + PADDING, start, index, rules, fresh)
        is_whole = True
    except (IndexError, OverflowError, struct.error) as error:
        raise NodeDataError(f"block {hash_hex(sha256d(raw[:HEADER_BYTES]))} breaks off: {error}") from error
    finally:
        if not is_whole:
            index.outpoints.difference_update(fresh)
    return Scan(
        block_hash=hash_hex(sha256d(raw[:HEADER_BYTES])),
        parent_hash=hash_hex(raw[4:36]),
        time=int.from_bytes(raw[68:72], "little"),
        receipts=tuple(receipts),
        spends=tuple(spends),
    )


def _scan_txs(
    raw: bytes, pos: int, index: WatchIndex, rules: BlockRules, fresh: list[bytes]
) -> Generator[None, None, tuple[list[Receipt], list[Spend]]]:
    """The loop over all chain txs from ``pos``. Own new outpoint keys are appended to ``fresh`` too."""
    scripts, script_marks = index.scripts, index.script_marks
    outpoints, outpoint_marks = index.outpoints, index.outpoint_marks
    mask, max_money, unpack_input, unpack_output = MARK_MASK, rules.max_money, INPUT, OUTPUT
    receipts: list[Receipt] = []
    spends: list[Spend] = []
    flag = 0
    txs_count, pos = read_varint(raw, pos)
    if txs_count == 0:
        raise NodeDataError("block without a coinbase")
    for number in range(txs_count):
        if number % TXS_PER_STEP == 0:
            yield
        start = pos
        pos += 4
        flag = 0
        if raw[pos] == 0:
            flag = checked_flag(raw[pos + 1], number, rules)
            pos += 2
        body = pos
        hits: list[tuple[int, int, bytes]] = []
        spent: list[bytes] = []
        inputs_count, pos = read_varint(raw, pos)
        for _ in range(inputs_count):
            word, size = unpack_input(raw, pos)
            if outpoint_marks[word & mask] and (key := raw[pos : pos + 36]) in outpoints:
                spent.append(key)
            if size < 0xFD:
                pos += size + 41
            else:
                size, pos = read_varint(raw, pos + 36)
                pos += size + 4
        outputs_at = pos
        outputs_count, pos = read_varint(raw, pos)
        for vout in range(outputs_count):
            amount, size, word = unpack_output(raw, pos)
            if amount > max_money:
                raise NodeDataError(
                    f"chain tx {number} of the block: impossible amount {amount} (output {vout})"
                )
            pos += 9
            if size >= 0xFD:
                size, pos = read_varint(raw, pos - 1)  # longer than any script of ours
            elif script_marks[word & mask] and (script := raw[pos : pos + size]) in scripts and amount:
                hits.append((vout, amount, script))
            pos += size
        end = pos
        if flag & FLAG_WITNESS:
            pos = witness_end(raw, pos, inputs_count)
        if flag & FLAG_MWEB:
            if raw[pos] != 0:
                raise NodeDataError(f"chain tx {number} of the block holds extension data")
            pos += 1
        pos += 4
        if hits or spent:
            digest = sha256d(raw[start : start + 4] + raw[body:end] + raw[pos - 4 : pos])
            _keep(rules.currency, number == 0, digest, hits, receipts)
            if spent:
                txid, paid_out = hash_hex(digest), _paid_out(raw, outputs_at)
                spends += [Spend(txid, outpoint_of(key), paid_out) for key in spent]
            made = [digest + vout.to_bytes(4, "little") for vout, _, _ in hits]
            fresh += [key for key in made if key not in outpoints]
            index.add_outpoint_keys(made)
    check_end(raw, pos, len(raw) - len(PADDING), bool(flag & FLAG_MWEB))
    return receipts, spends


def _keep(
    currency: str,
    is_coinbase: bool,
    digest: bytes,
    hits: list[tuple[int, int, bytes]],
    receipts: list[Receipt],
) -> None:
    """Note what one chain tx brought us."""
    txid = hash_hex(digest)
    receipts += [
        Receipt(currency, txid, str(vout), script, amount, is_coinbase=is_coinbase)
        for vout, amount, script in hits
    ]


def _paid_out(raw: bytes, pos: int) -> int:
    """The sum of the outputs whose count stands at ``pos``."""
    total = 0
    count, pos = read_varint(raw, pos)
    for _ in range(count):
        total += int.from_bytes(raw[pos : pos + 8], "little")
        size, pos = read_varint(raw, pos + 8)
        pos += size
    return total


def witness_end(raw: bytes, pos: int, inputs_count: int) -> int:
    """Position behind the witnesses of ``inputs_count`` inputs."""
    for _ in range(inputs_count):
        items = raw[pos]
        pos += 1
        if items == 2:  # a signature and a key: nearly every input
            first = raw[pos]
            second = raw[pos + 1 + first]
            if first < 0xFD and second < 0xFD:
                pos += first + second + 2
                continue
        if items >= 0xFD:
            items, pos = read_varint(raw, pos - 1)
        for _ in range(items):
            size = raw[pos]
            if size < 0xFD:
                pos += size + 1
            else:
                size, pos = read_varint(raw, pos)
                pos += size
    return pos


def checked_flag(flag: int, number: int, rules: BlockRules) -> int:
    """The flag behind a zero input count, refused where the currency's chain txs have none such."""
    allowed = (FLAG_WITNESS if rules.has_segwit else 0) | (FLAG_MWEB if rules.has_mweb else 0)
    if flag == 0 or flag & ~allowed:
        raise NodeDataError(f"chain tx {number} of the block: unknown flag {flag}")
    return flag


def check_end(raw: bytes, pos: int, end: int, has_extension: bool) -> None:
    """The last chain tx must end with the block, or with the extension block that HogEx announces."""
    if has_extension:
        if pos >= end or raw[pos] != 1:
            raise NodeDataError("block ends with HogEx but without its extension block")
    elif pos != end:
        raise NodeDataError(f"block has {end} bytes, its chain txs end at {pos}")


def header_end(raw: bytes, rules: BlockRules) -> int:
    """Where the chain txs begin: behind the header, and behind the merged-mining proof if there is one.

    The proof is the parent's coinbase, a hash, two merkle branches (hashes and a 4-byte index each)
    and the parent's header.
    """
    if not rules.has_auxpow or not int.from_bytes(raw[:4], "little") & AUXPOW_BIT:
        return HEADER_BYTES
    pos = _tx_end(raw, HEADER_BYTES) + 32
    for _ in range(2):
        hashes, pos = read_varint(raw, pos)
        pos += 32 * hashes + 4
    return pos + HEADER_BYTES


def _tx_end(raw: bytes, pos: int) -> int:
    """Position behind the chain tx at ``pos`` (with or without witness)."""
    pos += 4
    has_witness = raw[pos] == 0
    if has_witness:
        pos += 2
    inputs_count, pos = read_varint(raw, pos)
    for _ in range(inputs_count):
        size, pos = read_varint(raw, pos + 36)
        pos += size + 4
    outputs_count, pos = read_varint(raw, pos)
    for _ in range(outputs_count):
        size, pos = read_varint(raw, pos + 8)
        pos += size
    if has_witness:
        pos = witness_end(raw, pos, inputs_count)
    return pos + 4
