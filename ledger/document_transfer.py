"""Transfers and adjustments beside their entries, and adjustments beside who decided them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby

from ledger.adjustment import AdjustmentState
from ledger.adjustment_row import COLUMNS, AdjustmentRow, adjustments_digest, from_row
from ledger.approval_row import read_approvals
from ledger.connection import Database
from ledger.difference import CORRECTION, CORRECTION_REVERSED
from ledger.document import Tell, rows, tell_first
from ledger.transfer import account_of

_PARTY = (
    "CASE t.{party} WHEN 'house' THEN 'house:' || t.currency"
    " ELSE 'client:' || t.{party} || ':' || t.currency || ':available' END"
)
_UNLIKE = (
    "SELECT t.id FROM transfer t LEFT JOIN adjustment x ON x.id = t.id LEFT JOIN journal j"
    " ON j.id = coalesce(x.journal_id, (SELECT k.id FROM journal k WHERE k.ref_type = 'transfer'"
    " AND k.ref_id = t.id AND +k.reverses IS NULL)) LEFT JOIN posting p ON p.journal_id = j.id"
    " LEFT JOIN account d ON d.id = p.debit_id LEFT JOIN account c ON c.id = p.credit_id WHERE"
    " (p.currency, p.amount, j.reason, j.by) IS NOT (t.currency, t.amount, t.reason, t.by)"  # nosec B608
    f" OR d.name IS NOT {_PARTY.format(party='source')} OR c.name IS NOT {_PARTY.format(party='target')}"
    " OR t.created_at > j.at"
)
"""A transfer is booked by one posting; that of a reversal is about the transfer it undoes, and is found by
its adjustment."""
_UNTOLD = (
    "SELECT j.ref_id FROM journal j LEFT JOIN adjustment x ON x.journal_id = j.id"
    " LEFT JOIN transfer t ON t.id = coalesce(x.id, j.ref_id) WHERE j.ref_type = 'transfer' AND t.id IS NULL"
)
_UNASKED = (
    "SELECT j.ref_id FROM journal j LEFT JOIN adjustment x ON x.journal_id = j.id WHERE x.id IS NULL"  # nosec B608 - constants
    " AND (j.ref_type = 'transfer' AND j.kind <> 'transfer' OR j.kind IN"
    f" ('{CORRECTION}', '{CORRECTION_REVERSED}'))"
)
_BOOKED = (
    "SELECT j.kind, j.ref_id, j.by, j.reason, j.reverses, d.name, c.name, p.currency, p.amount"
    " FROM journal j JOIN posting p ON p.journal_id = j.id JOIN account d ON d.id = p.debit_id"
    " JOIN account c ON c.id = p.credit_id WHERE j.id = ?"
)
_ACTIONS = {AdjustmentState.POSTED: "approve_adjustment", AdjustmentState.REJECTED: "reject_adjustment"}


def check_transfers(db: Database, tell: Tell) -> None:
    """``tell`` the first transfer that is not what was booked, and an entry without its transfer."""
    tell_first(db, tell, "transfer", "is not what was booked", _UNLIKE)
    tell_first(db, tell, "transfer", "is booked, and has no row", _UNTOLD)


def check_adjustments(db: Database, tell: Tell) -> None:
    """``tell`` the first adjustment that is not what was booked, asked for, approved or decided."""
    sql = f"SELECT {COLUMNS} FROM adjustment ORDER BY coalesce(import_id, id), ordinal"  # nosec B608
    read: Iterator[AdjustmentRow] = rows(db, tell, "adjustment", sql, from_row)
    for object_id, group in groupby(read, key=lambda row: row.object_id):
        together = list(group)
        for row in together:
            wrong = _misbooked(db, row) or _misdecided(db, row, together[0])
            if wrong:
                tell("adjustment", f"adjustment {row.id}", wrong)
        if wrong := _unlike_request(db, object_id, together):
            tell("adjustment", f"adjustment {object_id}", wrong)
    tell_first(db, tell, "adjustment", "is booked, and has no row", _UNASKED)


def _misbooked(db: Database, row: AdjustmentRow) -> str:
    """What is wrong with an adjustment beside its entry and its transfer, empty when nothing is."""
    if (row.journal_id is not None) is not (row.status is AdjustmentState.POSTED):
        return f"is {row.status}, and its entry says something else"
    (transfers,) = db.execute("SELECT count(*) FROM transfer WHERE id = ?", (row.id,)).fetchone()
    if transfers != int(row.status is AdjustmentState.POSTED and row.case_id is None):
        return f"is {row.status}, and has {transfers} transfers"
    if row.journal_id is None:
        return ""
    kind, about, reversed_entry = "adjustment", row.id, None
    parties = tuple(account_of(party, row.currency) for party in (row.source, row.target))
    if row.case_id is not None:
        kind, about, parties = CORRECTION, row.case_id, (row.target, row.source)
    if row.reverses is not None:
        kind = "adjustment_reversed" if row.case_id is None else CORRECTION_REVERSED
        about = row.case_id or row.reverses
        found = db.execute("SELECT journal_id FROM adjustment WHERE id = ?", (row.reverses,)).fetchone()
        reversed_entry = found[0] if found else None
    want = (kind, about, row.by, row.reason, reversed_entry, *parties, row.currency, str(row.amount))
    have = db.execute(_BOOKED, (row.journal_id,)).fetchall()
    return "" if have == [want] else f"is not what entry {row.journal_id} booked"


def _unlike_request(db: Database, object_id: str, together: list[AdjustmentRow]) -> str:
    """What is wrong with what is decided together beside what was asked for."""
    first = together[0]
    digest = adjustments_digest(together)
    if any(row.digest != digest for row in together):
        return "is not what its digest stands for"
    asked = db.execute(
        "SELECT by, at, data FROM audit WHERE object_id = ? AND action = 'request_adjustment'", (object_id,)
    ).fetchall()
    told = [(by, at, json.loads(data)) for by, at, data in asked]
    if [(by, at, data["digest"], data["rows"]) for by, at, data in told] != [
        (first.by, first.created_at, digest, len(together))
    ]:
        return "is not what the log says was asked for"
    return ""


def _misdecided(db: Database, row: AdjustmentRow, first: AdjustmentRow) -> str:
    """What is wrong with who decided, when, and why; empty when nothing is."""
    decided = (row.status, row.journal_id is None, row.decided_by, row.decided_at, row.decision_reason)
    if (row.status, row.decided_by, row.decided_at, row.decision_reason, row.approvals_needed, row.by) != (
        first.status,
        first.decided_by,
        first.decided_at,
        first.decision_reason,
        first.approvals_needed,
        first.by,
    ):
        return "was decided otherwise than the import it came with"
    if row.status is AdjustmentState.POSTED and row.approvals_needed:
        approvals = read_approvals(db, row.object_id)
        given = {each.by for each in approvals if each.digest == row.digest} - {row.by}
        if len(given) < row.approvals_needed:
            return f"is posted with {len(given)} approvals of {row.approvals_needed}"
    is_open = row.status is AdjustmentState.HELD
    if is_open or (row.status is AdjustmentState.POSTED and not row.approvals_needed):
        return "names who decided it, and nobody did" if any(decided[2:]) else ""
    logged = db.execute(
        "SELECT by, at, json_extract(data, '$.reason') FROM audit WHERE object_id = ? AND action = ?"
        " ORDER BY id DESC LIMIT 1",
        (row.object_id, _ACTIONS[row.status]),
    ).fetchone()
    is_logged = logged == (row.decided_by, row.decided_at, row.decision_reason)
    return "" if is_logged else "is not what the log says was decided"
