"""Questions about any range of the books, and what is answered: statements and their lines. Pure.

A statement is of one state of the books: it names the journal entries it lies between, and entries are never
changed. Its pages may therefore be read one after the other, beside the writer, without holding anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ledger.queries import Query


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose statement: everything the books owe a client in a currency, or one account by its name.

    A client's balance is available + reserved + pending - deficit: what is only moved between these (a
    credit, money reserved for a payout) is no movement of his.
    """

    client_id: str = ""
    currency: str = ""
    account: str = ""


@dataclass(frozen=True, slots=True)
class StatementView:
    """A statement's frame. Amounts in base units, a balance on the account's normal side.

    ``since``/``until`` (unix seconds, the second excluded) are as asked for; ``is_final`` says that the
    books are closed up to ``until``, so that nothing can be added to it any more. The statement holds what
    was booked by the entries after ``first_entry`` up to ``last_entry``, whose ``hash`` (hex) stands for all
    before it. ``opening`` and ``closing`` are in total, ``*_parts`` of each account by name; a client's
    total is negative where more is owed by him than to him.
    """

    subject: Subject
    currency: str
    decimals: int
    is_debit_normal: bool
    since: int | None
    until: int | None
    first_entry: int
    last_entry: int
    hash: str
    opening: int
    closing: int
    opening_parts: dict[str, int]
    closing_parts: dict[str, int]
    is_final: bool


class Rate(NamedTuple):
    """What one whole unit of a currency was worth in ``quote``, as decimal text, at ``quoted_at``.

    Times are unix seconds. It holds for entries after ``after_entry``, until ``valid_s`` after its own time.
    """

    after_entry: int
    quote: str
    rate: str
    quoted_at: int
    valid_s: int


class StatementLine(NamedTuple):
    """One movement. ``debit`` and ``credit`` in base units, one of them 0; ``balance`` is what it left.

    ``kind`` is for people (``deposit``, ``withdrawal``, ``transfer``, ``reversal``, ``adjustment``),
    ``entry_kind`` the journal's own. ``fee`` is the service fee that is part of ``debit`` or ``credit``.
    ``counterpart`` of a client's line is the address it came to or went to, ``client`` or ``house``; of an
    account's line the other account. ``reference`` is the id of what it is about. ``rate`` is what one whole
    unit was worth when it was booked, None where that was not known.
    """

    entry: int
    at: int
    kind: str
    entry_kind: str
    debit: int
    credit: int
    fee: int
    balance: int
    counterpart: str
    reference: str
    txid: str | None
    height: int | None
    block_hash: str | None
    reverses: int | None
    reason: str
    rate: Rate | None


@dataclass(frozen=True, slots=True)
class StatementPage:
    """Lines in order; ``next_after`` is the entry after which to go on, None at the end.

    ``balance`` is the balance before the first line.
    """

    lines: tuple[StatementLine, ...]
    balance: int
    next_after: int | None


@dataclass(frozen=True, slots=True)
class GetStatement(Query[StatementView]):
    """The frame of a statement as the books are now. ``since`` included, ``until`` excluded; None is open.

    Raises UnknownCurrencyError, NotFoundError for an account that is not of the chart. What was never
    booked on has a statement without lines.
    """

    subject: Subject
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class ListStatementLines(Query[StatementPage]):
    """Lines of the entries after ``after`` up to ``last_entry``: about ``limit`` postings are looked at."""

    subject: Subject
    after: int
    last_entry: int
    limit: int = 500
