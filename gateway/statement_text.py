"""Statements as JSON and CSV: heads, lines and ends as bytes, written one after the other.

A writer never holds more than the lines it is given, so that a statement of any length takes the same memory.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Protocol, TypeVar

from actors.messages import StatementLine, StatementPage, StatementView
from coins.amounts import format_amount
from gateway.render import moment, moment_or_none

COLUMNS = (
    "entry", "at", "kind", "entry_kind", "debit", "credit", "fee", "balance", "currency", "counterpart",
    "reference", "txid", "block_height", "block_hash", "reverses", "reason", "value", "value_currency",
    "rate", "rate_at",
)  # fmt: skip
"""The columns of a table; the members of a JSON line but for ``currency``, which a line has from its head."""
VALUE_COLUMNS = COLUMNS[-4:]
"""What it was worth, in which money, at which rate, of when."""
EXACT = Context(prec=200)
"""Digits enough for the largest amount at the finest rate: nothing is rounded before the end."""
HUNDREDTH = Decimal("0.01")
NOT_FINAL = "; not closed: there may be more"
_encode = json.JSONEncoder(separators=(",", ":")).encode
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
_FORMULA = frozenset("=+-@\t\r\n|%\uff1d\uff0b\uff0d\uff20")
"""What a spreadsheet may take for the beginning of a formula; the last four are = + - @ in full width."""


class StatementBrokenError(Exception):
    """Opening and movements do not give closing: the books, or this code, are wrong."""


@dataclass(slots=True)
class Tally:
    """What the lines so far add up to, in base units."""

    balance: int
    debits: int = 0
    credits: int = 0
    fees: int = 0
    lines: int = 0

    def add(self, page: StatementPage) -> None:
        """Take over a page. Raises StatementBrokenError when it does not go on where the last one ended."""
        if page.balance != self.balance:
            raise StatementBrokenError(
                f"a page begins with {page.balance}, the one before ends {self.balance}"
            )
        for line in page.lines:
            self.debits += line.debit
            self.credits += line.credit
            self.fees += line.fee
        if page.lines:
            self.balance = page.lines[-1].balance
        self.lines += len(page.lines)

    def close(self, view: StatementView) -> None:
        """Compare with the books. Raises StatementBrokenError."""
        gained = self.debits - self.credits if view.is_debit_normal else self.credits - self.debits
        if self.balance != view.closing or view.opening + gained != view.closing:
            raise StatementBrokenError(
                f"opening {view.opening}, debits {self.debits}, credits {self.credits}: the books close with"
                f" {view.closing}"
            )


class Writer(Protocol):
    """A statement in one format; ``media_type`` and ``suffix`` (of a file) are the format's."""

    media_type: str
    suffix: str

    def head(self) -> bytes:
        """All before the first line."""

    def lines(self, lines: Iterable[StatementLine]) -> bytes:
        """Some lines."""

    def tail(self, tally: Tally) -> bytes:
        """All behind the last line."""


PageIn = TypeVar("PageIn", contravariant=True)


class Paper(Protocol[PageIn]):
    """What is written page by page: a statement, or a trial balance."""

    media_type: str
    suffix: str

    def head(self) -> bytes:
        """All before the first page."""

    def add(self, page: PageIn, /) -> bytes:
        """The next page. Raises StatementBrokenError."""

    def tail(self) -> bytes:
        """All behind the last page. Raises StatementBrokenError when the books say something else."""


class StatementPaper:
    """A statement while it is written: pages in order, added up, and held against the books at its end."""

    def __init__(self, view: StatementView, writer: Writer) -> None:
        """Write the statement ``view`` is the frame of."""
        self.view, self.writer, self.tally = view, writer, Tally(view.opening)
        self.media_type, self.suffix = writer.media_type, writer.suffix

    def head(self) -> bytes:
        """All before the first page."""
        return self.writer.head()

    def add(self, page: StatementPage) -> bytes:
        """The next page. Raises StatementBrokenError when it does not go on where the last one ended."""
        self.tally.add(page)
        return self.writer.lines(page.lines)

    def tail(self) -> bytes:
        """All behind the last page. Raises StatementBrokenError when the books close with something else."""
        self.tally.close(self.view)
        return self.writer.tail(self.tally)


class JsonStatement:
    """One JSON object."""

    media_type, suffix = "application/json", "json"

    def __init__(self, view: StatementView) -> None:
        """Write the statement ``view`` is the frame of."""
        self._view = view
        self._is_first = True

    def head(self) -> bytes:
        """The members that are known before any line, and the beginning of the lines."""
        return f'{_encode(head_of(self._view))[:-1]},"movements":['.encode()

    def lines(self, lines: Iterable[StatementLine]) -> bytes:
        """Objects of the list."""
        text = ",".join([_encode(self._plain(line)) for line in lines])
        if not text:
            return b""
        comma, self._is_first = "" if self._is_first else ",", False
        return f"{comma}{text}".encode()

    def tail(self, tally: Tally) -> bytes:
        """The end of the list, and the sums."""
        return f"],{_encode(sums_of(self._view, tally))[1:]}".encode()

    def _plain(self, line: StatementLine) -> dict[str, Any]:
        decimals = self._view.decimals
        return {
            "entry": line.entry,
            "at": moment(line.at),
            "kind": line.kind,
            "entry_kind": line.entry_kind,
            "debit": format_amount(line.debit, decimals) if line.debit else None,
            "credit": format_amount(line.credit, decimals) if line.credit else None,
            "fee": format_amount(line.fee, decimals),
            "balance": format_amount(line.balance, decimals),
            "counterpart": line.counterpart,
            "reference": line.reference,
            "txid": line.txid,
            "block_height": line.height,
            "block_hash": line.block_hash,
            "reverses": line.reverses,
            "reason": line.reason,
            **dict(zip(VALUE_COLUMNS, value_of(line, decimals), strict=True)),
        }


def head_of(view: StatementView) -> dict[str, Any]:
    """What is known of a statement before its lines, as plain JSON values."""
    subject = view.subject
    return {
        "account": subject.account or None,
        "client_id": subject.client_id or None,
        "currency": view.currency,
        "from": moment_or_none(view.since),
        "to": moment_or_none(view.until),
        "is_final": view.is_final,
        "opening": _balance(view, view.opening, view.opening_parts),
        "closing": _balance(view, view.closing, view.closing_parts),
        "first_entry": view.first_entry,
        "last_entry": view.last_entry,
        "hash": view.hash,
    }


def sums_of(view: StatementView, tally: Tally) -> dict[str, str]:
    """The sums of all lines, as plain JSON values."""
    return {
        name: format_amount(amount, view.decimals)
        for name, amount in (("debits", tally.debits), ("credits", tally.credits), ("fees", tally.fees))
    }


def _balance(view: StatementView, balance: int, parts: dict[str, int]) -> dict[str, str | None]:
    """A balance; a client's with the four it consists of."""
    shown: dict[str, str | None] = {"balance": format_amount(balance, view.decimals)}
    for name in ("available", "reserved", "pending", "deficit"):
        shown[name] = None if view.subject.account else format_amount(0, view.decimals)
    if not view.subject.account:
        for name, amount in parts.items():
            part = "deficit" if name.startswith("client_deficit:") else name.rpartition(":")[2]
            shown[part] = format_amount(amount, view.decimals)
    return shown


def cells(view: StatementView, line: StatementLine) -> tuple[str, ...]:
    """A line as the texts of its cells, in the order of COLUMNS."""
    decimals = view.decimals
    return (
        str(line.entry),
        moment(line.at),
        line.kind,
        line.entry_kind,
        format_amount(line.debit, decimals) if line.debit else "",
        format_amount(line.credit, decimals) if line.credit else "",
        format_amount(line.fee, decimals) if line.fee else "",
        format_amount(line.balance, decimals),
        view.currency,
        line.counterpart,
        line.reference,
        line.txid or "",
        "" if line.height is None else str(line.height),
        line.block_hash or "",
        "" if line.reverses is None else str(line.reverses),
        line.reason,
        *(("",) * 4 if line.rate is None else map(str, value_of(line, decimals))),
    )


def value_of(line: StatementLine, decimals: int) -> tuple[str | None, str | None, str | None, str | None]:
    """What a line was worth when it was booked, to the hundredth (half to even): VALUE_COLUMNS.

    All None where it was not known.
    """
    if line.rate is None:
        return None, None, None, None
    rate = Decimal(line.rate.rate)
    worth = EXACT.multiply(Decimal(line.debit + line.credit).scaleb(-decimals, EXACT), rate)
    value = worth.quantize(HUNDREDTH, ROUND_HALF_EVEN, EXACT)
    return f"{value:f}", line.rate.quote, line.rate.rate, moment(line.rate.quoted_at)


def frame_cells(view: StatementView, kind: str, tally: Tally | None = None) -> tuple[str, ...]:
    """The row before the lines (``opening``) or behind them (``closing``, with the sums)."""
    is_opening = kind == "opening"
    entry = view.first_entry if is_opening else view.last_entry
    at = moment_or_none(view.since if is_opening else view.until) or ""
    sums = ("", "", "") if tally is None else tuple(sums_of(view, tally).values())
    balance = format_amount(view.opening if is_opening else view.closing, view.decimals)
    reason = "" if is_opening else f"hash of the journal: {view.hash}{'' if view.is_final else NOT_FINAL}"
    row = dict.fromkeys(COLUMNS, "")
    row |= {"entry": str(entry), "at": at, "kind": kind, "balance": balance, "currency": view.currency}
    row |= {**dict(zip(("debit", "credit", "fee"), sums, strict=True)), "reason": reason}
    return tuple(row.values())


def kind_of(line: StatementLine) -> str:
    """What a line is, for people: where its kind alone does not say it, the journal's own word as well."""
    if line.reverses is not None:
        return f"{line.kind} of entry {line.reverses}"
    return line.kind if line.kind != "adjustment" else line.entry_kind.replace("_", " ")


def safe_cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula: an apostrophe before what might begin one.

    Numbers, also negative ones, stay what they are.
    """
    if text[:1] in _FORMULA and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


class CsvStatement:
    """A table (RFC 4180) with a row before (``opening``) and behind (``closing``) the lines."""

    media_type, suffix = "text/csv", "csv"

    def __init__(self, view: StatementView) -> None:
        """Write the statement ``view`` is the frame of."""
        self._view = view

    def head(self) -> bytes:
        """The names of the columns, and the opening balance."""
        return to_csv([COLUMNS, frame_cells(self._view, "opening")])

    def lines(self, lines: Iterable[StatementLine]) -> bytes:
        """One row for each."""
        return to_csv(cells(self._view, line) for line in lines)

    def tail(self, tally: Tally) -> bytes:
        """The closing balance and the sums."""
        return to_csv([frame_cells(self._view, "closing", tally)])


def to_csv(rows: Iterable[Iterable[str]]) -> bytes:
    """Rows of a table (RFC 4180), each cell made safe."""
    text = io.StringIO(newline="")
    # Looked at here as well, for a call costs more than the look, and there are millions of cells.
    csv.writer(text).writerows(
        [[safe_cell(cell) if cell[:1] in _FORMULA else cell for cell in row] for row in rows]
    )
    return text.getvalue().encode()
