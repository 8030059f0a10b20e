"""Closed months once more: each report computed again from the journal, each digest from its report."""

from __future__ import annotations

from typing import Any

from coins.types import Location
from ledger import period_report
from ledger.connection import Database
from ledger.period import PERIOD_COLUMNS, compared, to_period
from ledger.period_difference import sums_of
from ledger.rebuild import Tell

_OF_THE_CHAIN = ("chain", "height", "block_hash", "differences")
"""What a report holds that the journal alone does not tell."""


def _wrong_part(db: Database, report: dict[str, Any]) -> str | None:
    """What does not fit between books, what the chain said and the cases that a report names."""
    told = {Location(line["location"]): int(line["chain"]) for line in report["chain"]}
    if told and compared(report, told) != report["chain"]:
        return "its comparison with the chain is not one of its books"
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
        before[period.currency] = (period.cut, period.digest)
