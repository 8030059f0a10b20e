"""Own scripts and own outpoints in memory: what a block is compared with. Pure.

Two plain sets of ``bytes``. One lookup costs the same for ten or a million entries, so the cost of
a block does not grow with the number of addresses; a million scripts take about 100 MB.
"""

from __future__ import annotations

from collections.abc import Iterable

from coins.types import Outpoint

OUTPOINT_BYTES = 36  # txid (32, as on the wire) and output index (4, little-endian)


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

    ``scripts`` holds scripts, ``outpoints`` the 36-byte keys of own outputs. Scans read the two sets
    directly: a method call for each of 12,000 outputs would double the time of a full block. Only
    the methods below change them.
    """

    __slots__ = ("outpoints", "scripts")

    def __init__(self, scripts: Iterable[bytes] = (), outpoints: Iterable[Outpoint] = ()) -> None:
        self.scripts: set[bytes] = set(scripts)
        self.outpoints: set[bytes] = {outpoint_key(outpoint) for outpoint in outpoints}

    def add_script(self, script: bytes) -> None:
        """Watch a script from the next block or mempool look on. Adding it again changes nothing."""
        self.scripts.add(script)

    def add_scripts(self, scripts: Iterable[bytes]) -> None:
        """Watch many scripts."""
        self.scripts.update(scripts)

    def has_script(self, script: bytes) -> bool:
        """Whether a script is ours."""
        return script in self.scripts

    def add_outpoint(self, outpoint: Outpoint) -> None:
        """Watch for the spending of an own output."""
        self.outpoints.add(outpoint_key(outpoint))

    def discard_outpoint(self, outpoint: Outpoint) -> None:
        """Forget an output; one that was not known is fine."""
        self.outpoints.discard(outpoint_key(outpoint))

    def has_outpoint(self, outpoint: Outpoint) -> bool:
        """Whether an output is ours."""
        return outpoint_key(outpoint) in self.outpoints

    def __len__(self) -> int:
        """Number of scripts."""
        return len(self.scripts)
