"""Whether the chain was last found to hold less than the books say."""

from __future__ import annotations

import json

from ledger.connection import Database
from ledger.reconciliation_view import PAST

WITHDRAWN = (
    "EXISTS (SELECT 1 FROM unclaimed_case d WHERE d.currency = r.currency AND d.kind = 'node_doubt'"
    " AND d.status = 'open' AND instr(d.position, r.id || ':') = 1)"
)
"""Condition on a comparison ``r``: its verdict rested on an answer that the node contradicted since."""


def is_short(db: Database, currency: str) -> bool:
    """Whether the last comparison found money missing at some location, or books that do not add up.

    One at a past height says nothing of now, and one whose answer the node contradicted since says nothing.
    """
    row = db.execute(
        "SELECT status, lines FROM reconciliation r WHERE currency = ? AND cause NOT IN (?, ?)"
        f" AND NOT {WITHDRAWN} ORDER BY rowid DESC LIMIT 1",  # nosec B608
        (currency, *PAST),
    ).fetchone()
    if row is None or row[0] != "mismatch":
        return False
    differences = [int(line["difference"]) for line in json.loads(row[1])]
    return min(differences) < 0 or not any(differences)
