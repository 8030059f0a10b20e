"""Own scripts and outpoints in memory, as a fake chain is scanned with."""

from __future__ import annotations

from collections.abc import Iterable

from coins.types import Outpoint


class FakeIndex:
    """A WatchIndex: own scripts and outpoints."""

    def __init__(self) -> None:
        self.scripts: set[bytes] = set()
        self.outpoints: set[Outpoint] = set()

    def add_script(self, script: bytes) -> None:
        self.scripts.add(script)

    def add_scripts(self, scripts: Iterable[bytes]) -> None:
        self.scripts.update(scripts)

    def add_outpoint(self, outpoint: Outpoint) -> None:
        self.outpoints.add(outpoint)

    def discard_outpoint(self, outpoint: Outpoint) -> None:
        self.outpoints.discard(outpoint)

    def __len__(self) -> int:
        return len(self.scripts)
