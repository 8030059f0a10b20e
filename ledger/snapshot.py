"""One state of the books, as a question sees it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ledger.coin_row import CoinRow, read_coin
from ledger.connection import Database


@dataclass(slots=True)
class Snapshot:
    """``db`` is a read-only connection inside one SQL transaction, ``now_s`` the time of the question."""

    db: Database
    now_s: int
    _coins: dict[str, CoinRow] = field(default_factory=dict)
    _tips: dict[str, int | None] = field(default_factory=dict)

    def coin(self, currency: str) -> CoinRow:
        """The currency as registered. Raises UnknownCurrencyError."""
        row = self._coins.get(currency)
        if row is None:
            row = self._coins[currency] = read_coin(self.db, currency)
        return row

    def height(self, chain: str) -> int | None:
        """Height of the last block applied on a chain, None before its anchor."""
        if chain not in self._tips:
            (height,) = self.db.execute("SELECT max(height) FROM block WHERE chain = ?", (chain,)).fetchone()
            self._tips[chain] = height
        return self._tips[chain]
