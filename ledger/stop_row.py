"""Whether an operator stopped all payouts; read by the writer and by the read side alike."""

from __future__ import annotations

from ledger.connection import Database
from ledger.views import StopView


def read_stop(db: Database) -> StopView:
    """The stop that holds now."""
    row = db.execute(
        "SELECT stopped_at, stopped_by, reason FROM payout_stop WHERE started_at IS NULL"
    ).fetchone()
    return StopView(True, *row) if row else StopView(False)
