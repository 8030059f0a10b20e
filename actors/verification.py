"""The audit of the books as a whole: the journal and all that is derived from it, and, where asked for, the
chains read again block by block. Posts nothing, and may run beside a server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from actors.rescan import Rescanned, read_again
from coins.errors import CoinError
from config.schema import Settings
from ledger.errors import StoreOpenError
from ledger.verify import Finding, verify_file

OnStep = Callable[[str, int, int], None]
"""Is told what is being read, how much of it is done, and of how much."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What is wrong with the books, and what each chain that was read again says."""

    findings: tuple[Finding, ...]
    chains: dict[str, Rescanned]
    unread: dict[str, str]
    """Why a chain could not be read again."""

    @property
    def is_well(self) -> bool:
        """Whether nothing at all was found in what was read."""
        return not self.findings and not any(chain.differences for chain in self.chains.values())

    def lines(self) -> list[str]:
        """What was found, for people."""
        told = [f"{found.kind}: {found.row}: {found.detail}" for found in self.findings]
        told.append(f"books: {len(self.findings)} findings" if self.findings else "books: all is well")
        for chain, read in self.chains.items():
            told += read.lines(chain)
        told += [f"{chain}: could not be read again: {reason}" for chain, reason in self.unread.items()]
        return told


async def verify_books(settings: Settings, *, with_chains: bool, now_s: int, on_step: OnStep) -> Verified:
    """Audit the configured database; ``with_chains`` reads every enabled chain again.

    A node that does not answer is told, and the others are read. Raises StoreError (there is no database).
    """
    path = settings.ledger.path
    if not path.exists():
        raise StoreOpenError(f"there is no database {path} yet")
    findings = await asyncio.to_thread(verify_file, path, lambda done, total: on_step("books", done, total))
    chains, unread = {}, {}
    if with_chains:
        for chain in settings.enabled_coins:

            def on_block(height: int, first: int, last: int, name: str = chain) -> None:
                on_step(name, height - first + 1, last - first + 1)

            try:
                chains[chain] = await read_again(settings, chain, 0, now_s, on_block)
            except CoinError as error:
                unread[chain] = str(error)
    return Verified(tuple(findings), chains, unread)
