"""Questions about deposits, withdrawals and events: single objects and bounded pages.

Pages go by the ordinal given once to each object, so that a page never repeats or skips one while new
ones arrive; the cursor a caller gets is opaque.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

from ledger import deposit_row, withdrawal_row
from ledger.deposit_row import DepositRow
from ledger.errors import InvalidCursorError
from ledger.outbox import EVENT_COLUMNS, to_event
from ledger.queries import (
    Filter,
    GetDeposit,
    GetWithdrawal,
    ListDeposits,
    ListEvents,
    ListWithdrawals,
)
from ledger.snapshot import Snapshot
from ledger.views import DepositView, EventView, Page, WithdrawalView
from ledger.withdrawal_row import WithdrawalRow

PAGE_MAX = 500


def get_deposit(snapshot: Snapshot, query: GetDeposit) -> DepositView | None:
    """One deposit, or None when it is not there or another client's."""
    rows = deposit_row.read_deposits(snapshot.db, "d.id = ?", (query.deposit_id,))
    if not rows or query.client_id not in (None, rows[0].client_id):
        return None
    return _deposit(snapshot, rows[0])


def list_deposits(snapshot: Snapshot, query: ListDeposits) -> Page:
    """A page of deposits, newest first."""
    where, arguments = conditions(query.filter, "d", "seen_at")
    limit = page_limit(query.limit)
    add_cursor(where, arguments, "d", query.cursor)
    rows = deposit_row.read_deposits(
        snapshot.db, f"{' AND '.join(where)} ORDER BY d.ordinal DESC LIMIT ?", (*arguments, limit + 1)
    )
    next_cursor = None
    if len(rows) > limit:
        (ordinal,) = snapshot.db.execute(
            "SELECT ordinal FROM deposit WHERE id = ?", (rows[limit - 1].id,)
        ).fetchone()
        next_cursor = encode_cursor(ordinal)
    return Page(tuple(_deposit(snapshot, row) for row in rows[:limit]), next_cursor)


def get_withdrawal(snapshot: Snapshot, query: GetWithdrawal) -> WithdrawalView | None:
    """One withdrawal, or None when it is not there, another client's or another website's."""
    rows = withdrawal_row.read_withdrawals(snapshot.db, "w.id = ?", (query.withdrawal_id,))
    if not rows or query.client_id not in (None, rows[0].client_id):
        return None
    if query.website not in (None, rows[0].website):
        return None
    return _withdrawal(snapshot, rows[0])


def list_withdrawals(snapshot: Snapshot, query: ListWithdrawals) -> Page:
    """A page of withdrawals, newest first."""
    where, arguments = conditions(query.filter, "w", "created_at")
    if query.website is not None:
        where.append("w.website = ?")
        arguments.append(query.website)
    limit = page_limit(query.limit)
    add_cursor(where, arguments, "w", query.cursor)
    rows = withdrawal_row.read_withdrawals(
        snapshot.db, f"{' AND '.join(where)} ORDER BY w.ordinal DESC LIMIT ?", (*arguments, limit + 1)
    )
    next_cursor = encode_cursor(rows[limit - 1].ordinal) if len(rows) > limit else None
    return Page(tuple(_withdrawal(snapshot, row) for row in rows[:limit]), next_cursor)


def list_events(snapshot: Snapshot, query: ListEvents) -> tuple[EventView, ...]:
    """Events after a sequence, oldest first; of one client where asked."""
    of_client = "" if query.client_id is None else "client_id = ? AND"
    arguments = () if query.client_id is None else (query.client_id,)
    rows = snapshot.db.execute(
        f"SELECT {EVENT_COLUMNS} FROM event WHERE {of_client} sequence > ?"  # nosec B608
        " ORDER BY sequence LIMIT ?",
        (*arguments, query.after, page_limit(query.limit)),
    )
    return tuple(to_event(row) for row in rows)


def encode_cursor(ordinal: int) -> str:
    """The opaque cursor of what follows ``ordinal``."""
    return base64.urlsafe_b64encode(b"o%d" % ordinal).decode().rstrip("=")


def decode_cursor(cursor: str) -> int:
    """Inverse of :func:`encode_cursor`. Raises InvalidCursorError for anything we did not give."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode(
            "ascii"
        )
    except (binascii.Error, ValueError):
        text = ""
    if not (text.startswith("o") and text[1:].isdecimal() and len(text) <= 19):
        raise InvalidCursorError("the cursor is not one of this list")
    return int(text[1:])


def conditions(chosen: Filter, alias: str, time_column: str) -> tuple[list[str], list[Any]]:
    """SQL conditions and their arguments for a filter, on the columns both tables have."""
    wanted = (
        (f"{alias}.client_id = ?", chosen.client_id),
        (f"{alias}.currency = ?", chosen.currency),
        (f"{alias}.status = ?", chosen.status),
        (f"{alias}.txid = ?", chosen.txid),
        (f"{alias}.{time_column} >= ?", chosen.since),
        (f"{alias}.{time_column} < ?", chosen.until),
    )
    given = [(condition, value) for condition, value in wanted if value is not None]
    return ["1 = 1", *(condition for condition, _ in given)], [value for _, value in given]


def add_cursor(where: list[str], arguments: list[Any], alias: str, cursor: str | None) -> None:
    """Go on after a cursor. Raises InvalidCursorError."""
    if cursor is not None:
        where.append(f"{alias}.ordinal < ?")
        arguments.append(decode_cursor(cursor))


def page_limit(limit: int) -> int:
    """How many a page has at most."""
    return max(1, min(limit, PAGE_MAX))


def _deposit(snapshot: Snapshot, row: DepositRow) -> DepositView:
    return deposit_row.to_view(row, snapshot.height(row.chain))


def _withdrawal(snapshot: Snapshot, row: WithdrawalRow) -> WithdrawalView:
    coin = snapshot.coin(row.currency)
    return withdrawal_row.to_view(snapshot.db, row, coin.confirmations, snapshot.height(coin.chain))


READERS: dict[type[Any], Callable[[Snapshot, Any], Any]] = {
    GetDeposit: get_deposit,
    ListDeposits: list_deposits,
    GetWithdrawal: get_withdrawal,
    ListWithdrawals: list_withdrawals,
    ListEvents: list_events,
}
