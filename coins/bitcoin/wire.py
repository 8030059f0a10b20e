"""The chain tx of Bitcoin-like chains as bytes: write it, read it, hash it. Pure.

Formats: the original serialisation, BIP 144 (witness), and Litecoin's flag 8, which marks a part of
the extension block (MWEB) behind the witness.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from coins.types import Outpoint

FLAG_WITNESS = 1
FLAG_MWEB = 8
SIGHASH_ALL = 1


class TxFormatError(ValueError):
    """Bytes that are no chain tx; says where they break off."""


def sha256d(data: bytes) -> bytes:
    """SHA-256 twice: the hash of blocks and chain txs."""
    return sha256(sha256(data).digest()).digest()


def hash_hex(digest: bytes) -> str:
    """A hash as the node prints it: bytes reversed, lower-case hex."""
    return digest[::-1].hex()


@dataclass(frozen=True, slots=True)
class TxIn:
    """One input. ``witness`` is empty before signing and for inputs without one."""

    outpoint: Outpoint
    sequence: int
    script_sig: bytes = b""
    witness: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class TxOut:
    """One output: base units and the script that owns them."""

    amount: int
    script: bytes


@dataclass(frozen=True, slots=True)
class Tx:
    """One chain tx. ``has_mweb`` tells that bytes of an extension block followed and were left out."""

    version: int
    inputs: tuple[TxIn, ...]
    outputs: tuple[TxOut, ...]
    locktime: int
    has_mweb: bool = False

    @property
    def txid(self) -> str:
        """Hash of the serialisation without witness, as the node prints it."""
        return hash_hex(sha256d(self.serialize(with_witness=False)))

    def serialize(self, with_witness: bool = True) -> bytes:
        """Bytes on the wire; with the witness of BIP 144 if there is one and it is wanted."""
        is_segwit = with_witness and any(txin.witness for txin in self.inputs)
        parts = [self.version.to_bytes(4, "little")]
        if is_segwit:
            parts.append(b"\x00\x01")
        parts.append(varint(len(self.inputs)))
        for txin in self.inputs:
            parts += [
                outpoint_bytes(txin.outpoint),
                var_bytes(txin.script_sig),
                txin.sequence.to_bytes(4, "little"),
            ]
        parts.append(varint(len(self.outputs)))
        parts += [output_bytes(out) for out in self.outputs]
        if is_segwit:
            for txin in self.inputs:
                parts.append(varint(len(txin.witness)))
                parts += [var_bytes(item) for item in txin.witness]
        parts.append(self.locktime.to_bytes(4, "little"))
        return b"".join(parts)

    @property
    def weight(self) -> int:
        """Weight units of BIP 141; four of them are one virtual byte."""
        return 3 * len(self.serialize(with_witness=False)) + len(self.serialize())

    @property
    def vsize(self) -> int:
        """Virtual bytes, rounded up."""
        return (self.weight + 3) // 4


def varint(number: int) -> bytes:
    """CompactSize of a length or count."""
    if number < 0xFD:
        return bytes((number,))
    if number <= 0xFFFF:
        return b"\xfd" + number.to_bytes(2, "little")
    if number <= 0xFFFFFFFF:
        return b"\xfe" + number.to_bytes(4, "little")
    return b"\xff" + number.to_bytes(8, "little")


def read_varint(raw: bytes, pos: int) -> tuple[int, int]:
    """CompactSize at ``pos`` and the position behind it. Raises IndexError at the end of the bytes."""
    first = raw[pos]
    if first < 0xFD:
        return first, pos + 1
    size = 1 << (first - 0xFC)
    end = pos + 1 + size
    if end > len(raw):
        raise IndexError("length cut off")
    return int.from_bytes(raw[pos + 1 : end], "little"), end


def var_bytes(data: bytes) -> bytes:
    """Bytes with their length in front."""
    return varint(len(data)) + data


def outpoint_bytes(outpoint: Outpoint) -> bytes:
    """The 36 bytes of an outpoint."""
    return bytes.fromhex(outpoint.txid)[::-1] + outpoint.index.to_bytes(4, "little")


def output_bytes(out: TxOut) -> bytes:
    """An output as serialised and as hashed for signing."""
    return out.amount.to_bytes(8, "little") + var_bytes(out.script)


class _Cursor:
    """Reads a chain tx from bytes, never past their end."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.pos = 0

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        end = self.pos + size
        if end > len(self.raw):
            raise TxFormatError(f"chain tx breaks off at byte {len(self.raw)}")
        part = self.raw[self.pos : end]
        self.pos = end
        return part

    def number(self, size: int) -> int:
        """The next little-endian number."""
        return int.from_bytes(self.take(size), "little")

    def count(self) -> int:
        """The next CompactSize."""
        first = self.number(1)
        return first if first < 0xFD else self.number(1 << (first - 0xFC))

    def var(self) -> bytes:
        """The next bytes with their length in front."""
        return self.take(self.count())


def decode_tx(raw: bytes) -> Tx:
    """Read one whole chain tx. Raises TxFormatError for anything else, also for bytes left over.

    A chain tx of Litecoin's mempool that carries extension data (flag 8) is read up to that data.
    """
    cursor = _Cursor(raw)
    version = cursor.number(4)
    flag = 0
    inputs_count = cursor.count()
    if inputs_count == 0:
        flag = cursor.number(1)
        if flag == 0 or flag & ~(FLAG_WITNESS | FLAG_MWEB):
            raise TxFormatError(f"unknown flag {flag}")
        inputs_count = cursor.count()
    bare = [_read_input(cursor) for _ in range(inputs_count)]
    outputs = [TxOut(cursor.number(8), cursor.var()) for _ in range(cursor.count())]
    witnesses: list[tuple[bytes, ...]] = [() for _ in bare]
    if flag & FLAG_WITNESS:
        witnesses = [tuple(cursor.var() for _ in range(cursor.count())) for _ in bare]
    if flag & FLAG_MWEB and cursor.number(1) != 0:
        locktime = int.from_bytes(raw[-4:], "little")
    else:
        locktime = cursor.number(4)
        if cursor.pos != len(raw):
            raise TxFormatError(f"{len(raw) - cursor.pos} bytes behind the chain tx")
    inputs = tuple(
        TxIn(txin.outpoint, txin.sequence, txin.script_sig, witness)
        for txin, witness in zip(bare, witnesses, strict=True)
    )
    return Tx(version, inputs, tuple(outputs), locktime, bool(flag & FLAG_MWEB))


def _read_input(cursor: _Cursor) -> TxIn:
    outpoint = Outpoint(hash_hex(cursor.take(32)), cursor.number(4))
    script_sig = cursor.var()
    return TxIn(outpoint, cursor.number(4), script_sig)


def p2wpkh_sighashes(tx: Tx, spent: Sequence[TxOut]) -> list[bytes]:
    """Digest that each input signs (BIP 143, SIGHASH_ALL); ``spent`` are the P2WPKH outputs spent."""
    hash_prevouts = sha256d(b"".join(outpoint_bytes(txin.outpoint) for txin in tx.inputs))
    hash_sequence = sha256d(b"".join(txin.sequence.to_bytes(4, "little") for txin in tx.inputs))
    hash_outputs = sha256d(b"".join(output_bytes(out) for out in tx.outputs))
    head = tx.version.to_bytes(4, "little") + hash_prevouts + hash_sequence
    tail = hash_outputs + tx.locktime.to_bytes(4, "little") + SIGHASH_ALL.to_bytes(4, "little")
    digests = []
    for txin, out in zip(tx.inputs, spent, strict=True):
        if len(out.script) != 22 or out.script[:2] != b"\x00\x14":
            raise TxFormatError(f"{txin.outpoint.txid}:{txin.outpoint.index} is no P2WPKH output")
        script_code = b"\x19\x76\xa9\x14" + out.script[2:] + b"\x88\xac"
        amount = out.amount.to_bytes(8, "little")
        sequence = txin.sequence.to_bytes(4, "little")
        digests.append(sha256d(head + outpoint_bytes(txin.outpoint) + script_code + amount + sequence + tail))
    return digests
