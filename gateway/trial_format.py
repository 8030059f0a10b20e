"""The trial balance in the formats of statements: every account with opening, debits, credits and closing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from html import escape
from typing import Any, Protocol

from actors.messages import TrialLine, TrialPage, TrialView
from coins.amounts import format_amount
from gateway.render import moment, moment_or_none
from gateway.statement_page import PAGE_TAIL, page_head, until_of
from gateway.statement_sheet import SheetStatement, Workbook
from gateway.statement_text import NOT_FINAL, StatementBrokenError, to_csv

COLUMNS = ("account", "class", "side", "opening", "debits", "credits", "closing", "currency", "note")
"""The columns of a table. Balances are on the account's normal side, which is ``side``."""
_AMOUNTS = frozenset({"opening", "debits", "credits", "closing"})
_TITLES = ("Account", "Class", "Side", "Opening", "Debits", "Credits", "Closing")
_encode = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(slots=True)
class TrialTally:
    """What the accounts so far add up to, in base units; balances by side."""

    opening: dict[str, int] = field(default_factory=lambda: {"debit": 0, "credit": 0})
    closing: dict[str, int] = field(default_factory=lambda: {"debit": 0, "credit": 0})
    debits: int = 0
    credits: int = 0
    accounts: int = 0

    def add(self, lines: Iterable[TrialLine]) -> None:
        """Take over accounts. Raises StatementBrokenError for one whose movements do not give its closing."""
        for line in lines:
            gained = line.debits - line.credits if line.side == "debit" else line.credits - line.debits
            if line.opening + gained != line.closing:
                raise StatementBrokenError(
                    f"{line.account}: {line.opening} and {gained} are not {line.closing}"
                )
            self.opening[line.side] += line.opening
            self.closing[line.side] += line.closing
            self.debits += line.debits
            self.credits += line.credits
            self.accounts += 1

    def close(self) -> None:
        """Compare both sides. Raises StatementBrokenError."""
        for name, sides in (("opening", self.opening), ("closing", self.closing)):
            if sides["debit"] != sides["credit"]:
                raise StatementBrokenError(f"{name}: {sides['debit']} in debit, {sides['credit']} in credit")
        if self.debits != self.credits:
            raise StatementBrokenError(f"debits {self.debits}, credits {self.credits}")


class Writer(Protocol):
    """A trial balance in one format."""

    media_type: str
    suffix: str

    def head(self) -> bytes:
        """All before the first account."""

    def lines(self, lines: Iterable[TrialLine]) -> bytes:
        """Some accounts."""

    def tail(self, tally: TrialTally) -> bytes:
        """The sums."""


class TrialPaper:
    """A trial balance while it is written: added up, and both sides compared at its end."""

    def __init__(self, view: TrialView, writer: Writer) -> None:
        """Write the trial balance ``view`` is the frame of."""
        self.view, self.writer, self.tally = view, writer, TrialTally()
        self.media_type, self.suffix = writer.media_type, writer.suffix

    def head(self) -> bytes:
        """All before the first page."""
        return self.writer.head()

    def add(self, page: TrialPage) -> bytes:
        """The next page. Raises StatementBrokenError."""
        self.tally.add(page.lines)
        return self.writer.lines(page.lines)

    def tail(self) -> bytes:
        """The sums. Raises StatementBrokenError when they are not equal."""
        self.tally.close()
        return self.writer.tail(self.tally)


def cells(view: TrialView, line: TrialLine) -> tuple[str, ...]:
    """An account as the texts of its cells, in the order of COLUMNS."""
    amounts = (format_amount(amount, view.decimals) for amount in line[3:])
    return (*line[:3], *amounts, view.currency, "")


def total_cells(view: TrialView, tally: TrialTally) -> list[tuple[str, ...]]:
    """The sums as rows: what stands in debit, and what stands in credit."""
    note = f"{_entries(view)}, hash {view.hash or 'none'}{'' if view.is_final else NOT_FINAL}"
    moved = {"debit": (tally.debits, None), "credit": (None, tally.credits)}
    return [
        (
            "total",
            "",
            side,
            *("" if amount is None else format_amount(amount, view.decimals) for amount in amounts),
            view.currency,
            note,
        )
        for side in ("debit", "credit")
        for amounts in [(tally.opening[side], *moved[side], tally.closing[side])]
    ]


def _entries(view: TrialView) -> str:
    return f"entries {view.first_entry + 1} to {view.last_entry}"


def head_of(view: TrialView) -> dict[str, Any]:
    """What is known of a trial balance before its accounts, as plain JSON values."""
    return {
        "currency": view.currency,
        "from": moment_or_none(view.since),
        "to": moment_or_none(view.until),
        "is_final": view.is_final,
        "first_entry": view.first_entry,
        "last_entry": view.last_entry,
        "hash": view.hash,
    }


def totals_of(view: TrialView, tally: TrialTally) -> dict[str, Any]:
    """The sums as plain JSON values."""

    def shown(amount: int) -> str:
        return format_amount(amount, view.decimals)

    return {
        "opening": {side: shown(amount) for side, amount in tally.opening.items()},
        "debits": shown(tally.debits),
        "credits": shown(tally.credits),
        "closing": {side: shown(amount) for side, amount in tally.closing.items()},
    }


class JsonTrial:
    """One JSON object."""

    media_type, suffix = "application/json", "json"

    def __init__(self, view: TrialView) -> None:
        """Write the trial balance ``view`` is the frame of."""
        self._view, self._is_first = view, True

    def head(self) -> bytes:
        """The members that are known before any account, and the beginning of these."""
        return f'{_encode(head_of(self._view))[:-1]},"accounts":['.encode()

    def lines(self, lines: Iterable[TrialLine]) -> bytes:
        """Objects of the list."""
        text = ",".join(
            [_encode(dict(zip(COLUMNS[:7], cells(self._view, line), strict=False))) for line in lines]
        )
        if not text:
            return b""
        comma, self._is_first = "" if self._is_first else ",", False
        return f"{comma}{text}".encode()

    def tail(self, tally: TrialTally) -> bytes:
        """The end of the list, and the sums."""
        return f'],"totals":{_encode(totals_of(self._view, tally))}}}'.encode()


class CsvTrial:
    """A table (RFC 4180); its last two rows are the sums."""

    media_type, suffix = "text/csv", "csv"

    def __init__(self, view: TrialView) -> None:
        """Write the trial balance ``view`` is the frame of."""
        self._view = view

    def head(self) -> bytes:
        """The names of the columns."""
        return to_csv([COLUMNS])

    def lines(self, lines: Iterable[TrialLine]) -> bytes:
        """One row for each."""
        return to_csv(cells(self._view, line) for line in lines)

    def tail(self, tally: TrialTally) -> bytes:
        """The sums."""
        return to_csv(total_cells(self._view, tally))


class HtmlTrial:
    """A page to print."""

    media_type, suffix = "text/html", "html"

    def __init__(self, view: TrialView) -> None:
        """Write the trial balance ``view`` is the frame of."""
        self._view = view

    def head(self) -> bytes:
        """Of which currency, of when, and the head of the table."""
        view = self._view
        facts = {
            "From": "the first entry" if view.since is None else moment(view.since),
            "To": until_of(view),
            "Journal": f"{_entries(view)}, hash {view.hash or 'none'}",
        }
        return page_head(f"Trial balance of {view.currency}", facts, _TITLES, 3).encode()

    def lines(self, lines: Iterable[TrialLine]) -> bytes:
        """Rows of the table."""
        return "".join([self._row(cells(self._view, line), "<tr>") for line in lines]).encode()

    def tail(self, tally: TrialTally) -> bytes:
        """The sums."""
        sums = "".join(self._row(row, '<tr class="s">') for row in total_cells(self._view, tally))
        return f"{sums}{PAGE_TAIL}".encode()

    def _row(self, row: tuple[str, ...], tag: str) -> str:
        names = "".join(f"<td>{escape(text)}</td>" for text in row[:3])
        return tag + names + "".join(f'<td class="n">{text}</td>' for text in row[3:7]) + "</tr>"


class SheetTrial:
    """A workbook."""

    media_type, suffix = SheetStatement.media_type, SheetStatement.suffix

    def __init__(self, view: TrialView) -> None:
        """Write the trial balance ``view`` is the frame of."""
        self._view = view
        self._book = Workbook(COLUMNS, _AMOUNTS, frozenset(), view.decimals)

    def head(self) -> bytes:
        """The names of the columns."""
        return self._book.head()

    def lines(self, lines: Iterable[TrialLine]) -> bytes:
        """Rows of the sheet. Raises StatementTooLongError."""
        return self._book.rows(cells(self._view, line) for line in lines)

    def tail(self, tally: TrialTally) -> bytes:
        """The sums, and the end of the archive."""
        return self._book.rows(total_cells(self._view, tally)) + self._book.tail()


_ALL = (JsonTrial, CsvTrial, HtmlTrial, SheetTrial)
TRIAL_FORMATS: dict[str, Callable[[TrialView], Writer]] = {each.media_type: each for each in _ALL}
"""By media type; the first one where nothing is asked for."""
TRIAL_BY_SUFFIX: dict[str, Callable[[TrialView], Writer]] = {each.suffix: each for each in _ALL}
"""By the suffix of a file."""
