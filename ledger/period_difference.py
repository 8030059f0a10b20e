"""What makes chain and books differ at a month's last block, each part with the case that explains it.

The parts come from the cases that comparisons opened. They are in a closing report only when they sum to the
difference of every location to the unit: nothing is ever left over. What a report says of a case (which one,
its kind, amount and block) does not change when the case ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from coins.types import booked_at
from ledger.adjustment_row import corrected
from ledger.case import CaseKind, CaseState
from ledger.case_row import CaseRow, read_cases
from ledger.connection import Database
from ledger.difference_case import location_of
from ledger.errors import PeriodNotClosableError

STOOD = (
    "c.currency = ? AND c.kind IN ('short', 'surplus') AND c.status IN ('open', 'closed')"
    " AND c.block_height <= ?"
    " AND NOT EXISTS (SELECT 1 FROM reconciliation r JOIN block b ON b.chain = r.chain"
    " AND b.height = r.height AND b.block_hash = r.block_hash WHERE r.currency = c.currency"
    " AND r.status = 'ok' AND r.height BETWEEN c.block_height AND ? AND r.created_at >="
    " (SELECT max(h.at) FROM case_history h WHERE h.case_id = c.id AND h.action = 'opened')"
    " AND NOT EXISTS (SELECT 1 FROM adjustment a WHERE a.case_id = c.id AND a.status = 'posted'"
    " AND a.journal_id > ?))"
    " ORDER BY c.block_height, c.ordinal"
)
"""Cases of a currency that stood at a height: begun at or below it, and nothing up to it agreed since. One
that was corrected after a cut stood at it, whatever a look back says with that correction."""


def differences_of(
    db: Database, report: Mapping[str, Any], lines: Sequence[Mapping[str, str]], height: int
) -> list[dict[str, Any]]:
    """The parts of what ``lines`` say differs at ``height``, none when nothing does.

    Raises PeriodNotClosableError when some of it has no case.
    """
    apart = {line["location"]: int(line["difference"]) for line in lines if line["difference"] != "0"}
    if not apart:
        return []
    stood = read_cases(db, STOOD, (report["currency"], height, height, report["entries_to"]))
    # A case that ended above the height may have been undone by an entry below it: then the open ones are it.
    for cases in (stood, [case for case in stood if case.status is CaseState.OPEN]):
        parts = _parts(db, cases, report["entries_to"])
        if sums_of(parts) == apart:
            return parts
    parts = _parts(db, stood, report["entries_to"])
    raise PeriodNotClosableError(_refusal(report["currency"], height, apart, parts))


def sums_of(parts: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """By location what parts come to, without those that come to nothing."""
    sums: dict[str, int] = {}
    for part in parts:
        sums[part["location"]] = sums.get(part["location"], 0) + int(part["amount"])
    return {location: amount for location, amount in sums.items() if amount}


def _parts(db: Database, cases: Sequence[CaseRow], cut: int) -> list[dict[str, Any]]:
    """Cases as a report names them: what of each was not corrected by the month's end."""
    left = {case.id: case.amount - corrected(db, case.id, cut) for case in cases}
    return [_part(case, left[case.id]) for case in cases if left[case.id]]


def _part(case: CaseRow, left: int) -> dict[str, Any]:
    """One case; the amount is the chain's less the books'."""
    amount = -left if case.kind is CaseKind.SHORT else left
    return {
        "case": case.id,
        "kind": case.kind.value,
        "location": booked_at(location_of(case)).value,
        "amount": str(amount),
        "height": case.block_height,
        "block_hash": case.block_hash,
        "txid": case.txid,
        "reason": case.reason,
    }


def _refusal(currency: str, height: int, apart: Mapping[str, int], parts: Sequence[Mapping[str, Any]]) -> str:
    told = ", ".join(f"{location} {amount}" for location, amount in apart.items())
    sums = sums_of(parts)
    by_cases = ", ".join(f"{location} {amount}" for location, amount in sums.items()) or "nothing"
    return (
        f"{currency} differs from its chain at block {height}: {told} (chain less books), and its cases"
        f" explain {by_cases}. `run.py reconcile {currency}` opens a case for each part; where chain and"
        f" books agree again by now, with `--height {height}`"
    )
