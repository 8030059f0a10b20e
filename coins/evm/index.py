"""Own accounts in memory, by their 20 bytes. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from coins.types import Outpoint


class AccountIndex:
    """A WatchIndex for account chains: there are no outpoints, a lookup is one set access."""

    __slots__ = ("_scripts",)

    def __init__(self) -> None:
        self._scripts: set[bytes] = set()

    def add_script(self, script: bytes) -> None:
        """Watch an account (20 bytes). Raises ValueError for anything else."""
        if len(script) != 20:
            raise ValueError(f"an account has 20 bytes, not {len(script)}")
        self._scripts.add(bytes(script))

    def add_scripts(self, scripts: Iterable[bytes]) -> None:
        """Watch many accounts."""
        for script in scripts:
            self.add_script(script)

    def add_outpoint(self, outpoint: Outpoint) -> None:
        """Raises TypeError: this chain has none."""
        raise TypeError("an account chain has no outpoints")

    def discard_outpoint(self, outpoint: Outpoint) -> None:
        """Raises TypeError: this chain has none."""
        raise TypeError("an account chain has no outpoints")

    def __contains__(self, script: object) -> bool:
        return script in self._scripts

    def __len__(self) -> int:
        return len(self._scripts)
