"""A sheet of adjustments as text: read row by row, and everything that is wrong with it named at once."""

from __future__ import annotations

import asyncio
import csv
from dataclasses import dataclass
from io import StringIO

from pydantic import ValidationError

from actors.messages import ImportRow, RowError
from gateway.adjustment_bodies import RowBody
from gateway.coins import Coins
from gateway.errors import validation_problem
from gateway.problem import ProblemError

COLUMNS = ("from", "to", "currency", "amount", "external_id", "reason")
ROWS_MAX = 2_000
"""The ledger does nothing else while it books a sheet."""

_PAUSE_ROWS = 50
"""After so many rows, also empty ones, others are let in: a sheet takes longer than anybody should wait."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """The rows that can be judged by the ledger, and what is wrong with all others."""

    rows: tuple[ImportRow, ...]
    errors: tuple[RowError, ...]


async def read_sheet(text: str, coins: Coins) -> Sheet:
    """Read CSV as spreadsheets write it (RFC 4180; a byte order mark at its beginning is no text of it).

    Rows are counted as a spreadsheet shows them, the header being row 1; empty ones are left out.
    """
    rows: list[ImportRow] = []
    errors: list[RowError] = []
    reader = csv.reader(StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    number, taken = 0, 0
    try:
        for number, cells in enumerate(reader, 1):
            if number == 1:
                if tuple(cells) != COLUMNS:
                    return Sheet((), (RowError(1, "", f"the header must be {','.join(COLUMNS)}"),))
                continue
            if number % _PAUSE_ROWS == 0:
                await asyncio.sleep(0)
            if not cells:
                continue
            taken += 1
            if taken > ROWS_MAX:
                return Sheet((), (RowError(number, "", f"a sheet has at most {ROWS_MAX} rows"),))
            found = _row(number, cells, coins)
            if isinstance(found, ImportRow):
                rows.append(found)
            else:
                errors += found
    except csv.Error as error:
        errors.append(RowError(number + 1, "", f"cannot be read: {error}"))
    return Sheet(tuple(rows), tuple(errors))


def _row(number: int, cells: list[str], coins: Coins) -> ImportRow | list[RowError]:
    """One row, or everything that is wrong with its cells alone."""
    if len(cells) != len(COLUMNS):
        return [RowError(number, "", f"has {len(cells)} cells, not {len(COLUMNS)}")]
    given = dict(zip(COLUMNS, cells, strict=True))
    errors: list[RowError] = []
    amount = 0
    try:
        RowBody.model_validate(given)
    except ValidationError as error:
        errors += [RowError(number, e.path, e.message) for e in validation_problem(error).errors]
    wrong = {error.column for error in errors}
    if not wrong & {"currency", "amount"}:
        try:
            amount = coins.parse(given["currency"], given["amount"])
        except ProblemError as problem:
            column = "currency" if problem.code == "unknown_currency" else "amount"
            message = problem.errors[0].message if problem.errors else problem.code
            errors.append(RowError(number, column, message))
    if errors:
        return errors
    return ImportRow(
        number,
        given["from"],
        given["to"],
        given["currency"],
        amount,
        given["external_id"],
        given["reason"],
    )
