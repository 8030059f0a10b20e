"""Questions about the journal itself, and its entries as they were hashed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ledger.queries import Query
from ledger.views import Page


class JournalPosting(NamedTuple):
    """A posting: account names, amount and the balances it left, in base units of ``currency``."""

    currency: str
    decimals: int
    debit: str
    credit: str
    amount: int
    debit_balance: int
    credit_balance: int


class JournalView(NamedTuple):
    """An entry with all that its hash covers; hashes as hex. ``at`` is unix seconds."""

    entry: int
    at: int
    kind: str
    ref_type: str
    ref_id: str
    by: str
    chain: str | None
    height: int | None
    block_hash: str | None
    txid: str | None
    reverses: int | None
    reason: str
    prev_hash: str
    hash: str
    postings: tuple[JournalPosting, ...]


@dataclass(frozen=True, slots=True)
class ListJournal(Query[Page]):
    """A page of JournalViews, newest first; None does not filter. ``since``/``until`` are unix seconds.

    Raises InvalidCursorError. What moved one account is told by its statement.
    """

    limit: int = 50
    cursor: str | None = None
    txid: str | None = None
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class GetJournalPart(Query[tuple[JournalView, ...]]):
    """Entries after ``after``, oldest first, at most ``limit``; not beyond ``last`` where given."""

    after: int
    last: int | None = None
    limit: int = 500
