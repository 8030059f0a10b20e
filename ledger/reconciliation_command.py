"""The reconciler's command, given again by ``ledger.commands``. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from coins.types import Holdings
from ledger.difference import Found
from ledger.request import Command
from ledger.views import BooksAt, CaseView, ReconciliationView


@dataclass(frozen=True, slots=True)
class RecordReconciliation(Command[tuple[ReconciliationView, ...] | None]):
    """Compare the chain's own answer with the books at the same block and store the results: that of the
    chain's own currency first, then its tokens.

    ``address_seq`` is the number of the last own script the chain was asked about, None: every one.
    ``cause`` is ``schedule`` or ``demand``, or ``height`` or ``period`` for a block below the tip. ``books``
    are those at that block, by :class:`ledger.queries.GetBooksAt`, or are made here.
    Answers None (nothing stored) when that block is not, or no longer, one the ledger stands on, when the
    books were changed at it since, or when they know a script there that was not asked about.
    ``change`` is what the chain says lies on change scripts, by currency; where the books know it too, it is
    compared as a place of its own.
    """

    id: str
    chain: str
    holdings: Holdings
    cause: str = "schedule"
    address_seq: int | None = None
    books: tuple[BooksAt, ...] = ()
    change: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RecordDifferences(Command[tuple[CaseView, ...]]):
    """Open a case for everything that makes chain and books of a currency differ at one block.

    Answers (), and does nothing, when they were found to agree since, or the block is not one the ledger
    stands on any more. With ``is_past`` a comparison of a past height found it: its case is over as soon as
    it is written down, unless it is open already. Errors: UnknownCurrencyError.
    """

    currency: str
    height: int
    block_hash: str
    found: tuple[Found, ...]
    is_past: bool = False


@dataclass(frozen=True, slots=True)
class RecordNodeDoubt(Command[tuple[CaseView, ...]]):
    """Open a case for each location of which the node told two things about one block.

    It says nothing of money. ``comparison`` is the one whose verdict rested on such an answer, and does not
    count any more; empty where there is none. The next comparison of now ends the cases.
    Errors: UnknownCurrencyError.
    """

    currency: str
    height: int
    block_hash: str
    found: tuple[Found, ...]
    comparison: str = ""
