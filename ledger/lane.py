"""Nonce lanes: what waits in them too long. Each nonce of an account is one payment, whatever it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from coins.types import StuckWork
from ledger.attempt_row import AttemptRow, plan_of, read_attempts
from ledger.coin_row import CoinRow
from ledger.commands import GetStuckWork
from ledger.context import Tx
from ledger.work import free_balance, hold_of

DOUBLINGS_MAX = 6
"""How often the time until the next candidate is doubled at most."""

NEWEST_SENT = (
    "a.currency = ? AND a.nonce IS NOT NULL AND a.state IN ('broadcast', 'unknown') AND NOT EXISTS"
    " (SELECT 1 FROM attempt n WHERE n.intent_id = a.intent_id AND (n.state IN ('mined', 'reverted')"
    " OR (n.rowid > a.rowid AND n.state <> 'abandoned'))) ORDER BY a.sender, a.nonce"
)
"""The newest candidate of each intent, where that was sent and none is in a block."""


def get_stuck_work(tx: Tx, command: GetStuckWork) -> tuple[StuckWork, ...]:
    """Payments that need a further candidate, as :class:`GetStuckWork` says."""
    coin = tx.coin(command.currency)
    if hold_of(tx, coin) is not None:
        return ()
    rows = read_attempts(tx.db, NEWEST_SENT, (coin.currency,))
    stuck = [row for row in rows if row.kind in command.kinds and _is_due(tx, row, command.bump_after_s)]
    return tuple(_work(tx, coin, row) for row in stuck)


def _is_due(tx: Tx, row: AttemptRow, bump_after_s: int) -> bool:
    """Whether the newest candidate has had its time, twice as long as the one before it."""
    made, newest_at = tx.db.execute(
        "SELECT count(*), max(created_at) FROM attempt WHERE intent_id = ? AND state <> 'abandoned'",
        (row.intent_id,),
    ).fetchone()
    due_at: int = newest_at + (bump_after_s << min(made - 1, DOUBLINGS_MAX))
    return tx.now_s >= due_at


def _work(tx: Tx, coin: CoinRow, row: AttemptRow) -> StuckWork:
    sender = row.sender or b""
    lane = tx.db.execute(
        "SELECT next_nonce FROM nonce_lane WHERE chain = ? AND sender = ?", (coin.chain, sender)
    ).fetchone()
    is_next = row.nonce == (lane[0] if lane else 0)
    return StuckWork(plan_of(row), free_balance(tx, coin.chain, coin.chain, sender), is_next)


HANDLERS: Mapping[type[Any], Callable[[Tx, Any], Any]] = {GetStuckWork: get_stuck_work}
