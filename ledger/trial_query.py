"""Questions about all accounts of a currency at once, and what is answered: the trial balance. Pure.

Like a statement it names the journal entries it lies between, so its pages may be read one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ledger.queries import Query


@dataclass(frozen=True, slots=True)
class TrialView:
    """A trial balance's frame: of the entries after ``first_entry`` up to ``last_entry``.

    ``since``/``until`` (unix seconds, the second excluded) are as asked for; ``hash`` (hex) is the last
    entry's and stands for all before it; ``is_final``: its months are closed, nothing is added any more.
    """

    currency: str
    decimals: int
    since: int | None
    until: int | None
    first_entry: int
    last_entry: int
    hash: str
    is_final: bool


class TrialLine(NamedTuple):
    """One account: ``opening`` + what the entries did = ``closing``, in base units, on its normal side.

    ``side`` is that side, ``debit`` or ``credit``; no balance is below zero.
    """

    account: str
    account_class: str
    side: str
    opening: int
    debits: int
    credits: int
    closing: int


@dataclass(frozen=True, slots=True)
class TrialPage:
    """Accounts in the order of their names; ``next_after`` is the name to go on behind, None at the end."""

    lines: tuple[TrialLine, ...]
    next_after: str | None


@dataclass(frozen=True, slots=True)
class GetTrialBalance(Query[TrialView]):
    """The frame of a trial balance as the books are now. Raises UnknownCurrencyError."""

    currency: str
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class ListTrialLines(Query[TrialPage]):
    """Accounts behind the name ``after`` that held or moved anything; about ``limit`` are looked at."""

    view: TrialView
    after: str = ""
    limit: int = 200
