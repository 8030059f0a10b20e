"""Whether the chain was last found to hold less than the books say."""

from __future__ import annotations

import json

from ledger.connection import Database
from ledger.reconciliation_view import PAST


def is_short(db: Database, currency: str) -> bool:
    """Whether the last comparison found money missing at some location, or books that do not add up.

    One at a past height says nothing of now.
    """
    row = db.execute(
        "SELECT status, lines FROM reconciliation WHERE currency = ? AND cause NOT IN (?, ?)"
        " ORDER BY rowid DESC LIMIT 1",
        (currency, *PAST),
    ).fetchone()
    if row is None or row[0] != "mismatch":
        return False
    differences = [int(line["difference"]) for line in json.loads(row[1])]
    return min(differences) < 0 or not any(differences)
