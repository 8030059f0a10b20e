"""What the ledger answers about months: frozen pictures, given again by ``ledger.views``. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ClosingView:
    """A month of a chain as the books alone tell it, ready to be compared with the chain and closed.

    ``height`` and ``block_hash`` are of the month's last block; ``cut`` is the last journal entry that
    belongs to it; ``reports`` maps currency to its report (``ledger.period_report``).
    """

    month: str
    chain: str
    height: int
    block_hash: str
    cut: int
    reports: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class PeriodView:
    """A closed month of a currency. ``digest`` is SHA-256 over the report, in hex."""

    month: str
    chain: str
    currency: str
    cut: int
    height: int
    block_hash: str
    report: dict[str, Any]
    digest: str
    closed_at: int
    closed_by: str


@dataclass(frozen=True, slots=True)
class PeriodsClosed:
    """The month of a chain that was closed: one period for each of its currencies."""

    month: str
    chain: str
    periods: tuple[PeriodView, ...]


@dataclass(frozen=True, slots=True)
class ProofView:
    """That a client is in a closed month's sum of what is owed (``ledger.liability``); hashes in hex."""

    month: str
    currency: str
    client_id: str
    nonce: str
    amount: int
    steps: tuple[dict[str, Any], ...]
    root: str
    total: int
