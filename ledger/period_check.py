"""Closed months once more: each report computed again from the journal, each digest from its report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from coins.types import Location
from ledger import period_report
from ledger.connection import Database
from ledger.document import Tell
from ledger.period import PERIOD_COLUMNS, books_of, compared, to_period
from ledger.period_difference import sums_of
from ledger.period_view import PeriodView

_OF_THE_CHAIN = ("chain", "height", "block_hash", "differences")
"""What a report holds that the journal alone does not tell."""


def _wrong_part(db: Database, report: dict[str, Any]) -> str | None:
    """What does not fit between books, what the chain said and the cases that a report names."""
    told = {Location(line["location"]): int(line["chain"]) for line in report["chain"]}
    if told and compared(report, told) != report["chain"]:
        return "its comparison with the chain is not one of its books"
    if not told and any(books_of(report).onchain.values()):
        return "its books were not compared with the chain"
    apart = {line["location"]: int(line["difference"]) for line in report["chain"]}
    parts = report.get("differences", ())  # older months were closed with none only
    if sums_of(parts) != {location: amount for location, amount in apart.items() if amount}:
        return "the cases it names are not what the chain differs by"
    for part in parts:
        if not db.execute("SELECT 1 FROM unclaimed_case WHERE id = ?", (part["case"],)).fetchone():
            return f"it names case {part['case']}, which is not there"
    return None


def check_periods(db: Database, tell: Tell) -> None:
    """``tell`` the first closed month of a currency that its journal does not give any more."""
    rows = db.execute(
        f"SELECT {PERIOD_COLUMNS}, salt FROM period ORDER BY currency, month"  # nosec B608
    ).fetchall()
    before: dict[str, tuple[int | None, str]] = {}
    for row in rows:
        where = f"period {row[2]} {row[0]}"
        try:
            period = to_period(row[:-1])
            if not isinstance(period.report, dict):
                raise ValueError("it is no report")
            after, previous = before.get(period.currency, (None, period_report.GENESIS))
            told = {name: part for name, part in period.report.items() if name not in _OF_THE_CHAIN}
            again = period_report.compute(
                db,
                period.currency,
                period.month,
                after=int(told["entries_after"]),
                cut=period.cut,
                salt=row[-1],
                previous=previous,
            )
            if "differences" not in period.report:
                # A month closed before reports named them: its largest movements counted change in.
                for each in (told, again):
                    each.pop("top", None)
            wrong_part = _wrong_part(db, period.report)
        except (ValueError, TypeError, KeyError) as error:
            tell("period", where, f"cannot be read: {error}")
            continue
        if after is not None and told["entries_after"] != after:
            tell(
                "period",
                where,
                f"begins after entry {told['entries_after']}, the month before ends at {after}",
            )
        elif period_report.digest(period.report) != period.digest:
            tell("period", where, "its report is not what was digested")
        elif told != again:
            wrong = sorted(name for name in {*told, *again} if told.get(name) != again.get(name))
            tell("period", where, f"the journal gives another report: {', '.join(wrong)}")
        elif wrong_part is not None:
            tell("period", where, wrong_part)
        for detail in _wrong_beside(db, period):
            tell("period", where, detail)
        before[period.currency] = (period.cut, period.digest)
    _check_closings(db, tell)


def _wrong_beside(db: Database, period: PeriodView) -> Iterator[str]:
    """What is wrong with a month's row beside its report, its currency and the audit log."""
    for name in ("height", "block_hash"):
        if period.report.get(name) != getattr(period, name):
            yield f"its {name} is not that of its report"
    row = db.execute("SELECT chain FROM coin WHERE currency = ?", (period.currency,)).fetchone()
    if row is None or row[0] != period.chain:
        yield f"its chain is {period.chain}, its currency is of {row and row[0]}"
    closed = db.execute(
        "SELECT by, at FROM audit WHERE action = 'close_period' AND object_id = ?",
        (f"{period.chain}:{period.month}",),
    ).fetchall()
    if closed != [(period.closed_by, period.closed_at)]:
        who = " and ".join(f"{by} closed it at {at}" for by, at in closed) or "nobody closed it"
        yield f"is closed by {period.closed_by} at {period.closed_at}; in the audit log {who}"


def _check_closings(db: Database, tell: Tell) -> None:
    """What was closed is there."""
    for object_id, by in db.execute("SELECT object_id, by FROM audit WHERE action = 'close_period'"):
        chain, _, month = object_id.partition(":")
        found = db.execute("SELECT 1 FROM period WHERE chain = ? AND month = ?", (chain, month)).fetchone()
        if found is None:
            tell("period", f"period {chain} {month}", f"was closed by {by}, and is not there")
