"""Own scripts and own outpoints in memory: what a block is compared with. Pure.

Two plain sets of ``bytes``, each with a table of marks in front. A set of a million entries does not
fit into the processor's cache, so asking it costs far more than asking a small one. The table does
fit: one byte for each value of a few bits of the key, set when any key has those bits. A scan asks
the set only where the table has a mark, so the cost of a block stays flat in the number of
addresses. A million scripts take about 100 MB.
"""

from __future__ import annotations

from collections.abc import Iterable

from coins.types import Outpoint

OUTPOINT_BYTES = 36  # txid (32, as on the wire) and output index (4, little-endian)
SCRIPT_BYTES_MIN, SCRIPT_BYTES_MAX = 20, 252  # a length below 253 has one byte on the wire
MARKS = 2**22
MARK_MASK = MARKS - 1
SCRIPT_MARK_AT = 2  # behind the two bytes that all scripts of one kind begin with


def outpoint_key(outpoint: Outpoint) -> bytes:
    """The 36 bytes by which a chain tx names an outpoint on the wire.

    Raises ValueError for a txid that is not 64 hex digits or an index outside 0 … 2^32-1.
    """
    txid = bytes.fromhex(outpoint.txid)
    if len(txid) != 32 or not 0 <= outpoint.index < 2**32:
        raise ValueError(f"no outpoint: {outpoint.txid}:{outpoint.index}")
    return txid[::-1] + outpoint.index.to_bytes(4, "little")


def outpoint_of(key: bytes) -> Outpoint:
    """Inverse of :func:`outpoint_key`."""
    return Outpoint(key[:32][::-1].hex(), int.from_bytes(key[32:36], "little"))


class WatchIndex:
    """The shared index of one currency; fills the role of the same name in ``coins.family``.

    ``scripts`` holds scripts, ``outpoints`` the 36-byte keys of own outputs. Scans read the sets and
    their marks directly: a method call for each of 12,000 outputs would double the time of a full
    block. Only the methods below change them.
    """

    __slots__ = ("forms", "outpoint_marks", "outpoints", "script_marks", "scripts")

    def __init__(self, scripts: Iterable[bytes] = (), outpoints: Iterable[Outpoint] = ()) -> None:
        self.forms: set[bytes] = set()
        self.scripts: set[bytes] = set()
        self.outpoints: set[bytes] = set()
        self.script_marks = bytearray(MARKS)
        self.outpoint_marks = bytearray(MARKS)
        self.add_scripts(scripts)
        self.add_outpoint_keys(outpoint_key(outpoint) for outpoint in outpoints)

    def add_script(self, script: bytes) -> None:
        """Watch a script from the next block or mempool look on. Adding it again changes nothing.

        Raises ValueError for one that no family uses as its own (20 … 252 bytes).
        """
        self.add_scripts((script,))

    def add_scripts(self, scripts: Iterable[bytes]) -> None:
        """Watch many scripts; as :meth:`add_script`. On an error some may have been added."""
        marks, known, forms = self.script_marks, self.scripts, self.forms
        for script in scripts:
            if not SCRIPT_BYTES_MIN <= len(script) <= SCRIPT_BYTES_MAX:
                raise ValueError(f"a script of {len(script)} bytes cannot be watched")
            known.add(script)
            forms.add(bytes((len(script), *script[:2])))
            marks[int.from_bytes(script[SCRIPT_MARK_AT : SCRIPT_MARK_AT + 4], "little") & MARK_MASK] = 1

    def has_script(self, script: bytes) -> bool:
        """Whether a script is ours."""
        return script in self.scripts

    def add_outpoint(self, outpoint: Outpoint) -> None:
        """Watch for the spending of an own output."""
        self.add_outpoint_keys((outpoint_key(outpoint),))

    def add_outpoint_keys(self, keys: Iterable[bytes]) -> None:
        """Watch many own outputs by their 36-byte keys."""
        marks, known = self.outpoint_marks, self.outpoints
        for key in keys:
            known.add(key)
            marks[int.from_bytes(key[:4], "little") & MARK_MASK] = 1

    def discard_outpoint(self, outpoint: Outpoint) -> None:
        """Forget an output; one that was not known is fine. Its mark stays: marks only ever cost time."""
        self.outpoints.discard(outpoint_key(outpoint))

    def has_outpoint(self, outpoint: Outpoint) -> bool:
        """Whether an output is ours."""
        return outpoint_key(outpoint) in self.outpoints

    def __len__(self) -> int:
        """Number of scripts."""
        return len(self.scripts)
