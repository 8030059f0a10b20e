"""Comparisons of chain and books once more: an unbroken chain of digests, each of what it says."""

from __future__ import annotations

from collections.abc import Iterator

from ledger.books_at import is_balanced
from ledger.connection import Database
from ledger.document import Tell
from ledger.reconciliation import RECONCILIATION_COLUMNS, to_reconciliation
from ledger.reconciliation_digest import digest_of
from ledger.reconciliation_view import ReconciliationView, by_place

KIND = "reconciliation_chain"


def check_reconciliations(db: Database, tell: Tell) -> None:
    """Per currency: comparisons numbered without gaps, each with the digest of the one before, and its own;
    its verdict is that of its lines. ``tell`` what is not so.

    Those older than the digests have neither number nor digest.
    """
    last: dict[str, tuple[int, str]] = {}
    chains = dict(db.execute("SELECT currency, chain FROM coin").fetchall())
    for row in db.execute(
        f"SELECT {RECONCILIATION_COLUMNS}, chain FROM reconciliation"  # nosec B608
        " WHERE number IS NOT NULL OR digest <> '' ORDER BY currency, number IS NULL, number"
    ):
        where = f"reconciliation {row[0]}"
        try:
            view = to_reconciliation(row[:-1])
            wrong = list(_wrong(view, last.get(view.currency, (0, ""))))
        except (ValueError, TypeError, KeyError):
            tell(KIND, where, "cannot be read")
            continue
        if chains.get(view.currency) != row[-1]:
            wrong.append(f"is of chain {row[-1]}, its currency is of {chains.get(view.currency)}")
        for detail in wrong:
            tell(KIND, where, detail)
        last[view.currency] = (view.number or 0, view.digest)


def _wrong(view: ReconciliationView, last: tuple[int, str]) -> Iterator[str]:
    """What is wrong with a comparison after the one with this number and digest."""
    number, digest = last
    if view.number != number + 1:
        yield f"is number {view.number} of {view.currency} after {number}"
    if view.prev_digest != digest:
        yield "does not follow the comparison before it"
    if digest_of(view) != view.digest:
        yield "its content is not what was digested"
    if not _is_its_verdict(view):
        yield f"its lines are not those of a comparison that is {view.status}"


def _is_its_verdict(view: ReconciliationView) -> bool:
    """Whether every place is there, with its difference, the books' sum, and what follows of both."""
    places = [line["location"] for line in view.lines]
    is_whole = places in (list(by_place({}, None)), list(by_place({}, 0)))
    apart = [line["chain"] - line["books"] for line in view.lines]
    differs = any(apart) or not is_balanced(view.totals)
    return (
        is_whole
        and apart == [line["difference"] for line in view.lines]
        and sum(line["books"] for line in view.lines) == view.totals["onchain"]
        and view.status == ("mismatch" if differs else "ok")
    )
