"""Client sessions: made by the handshake, opened once with a code, ended by the website or by time."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ledger.commands import CreateSession, EndSession, ExchangeCode
from ledger.context import Tx
from ledger.errors import AlreadyExistsError, NotFoundError, SessionInvalidError
from ledger.views import Outcome, SessionView

SESSION_COLUMNS = (
    "id, client_id, website, actions, currencies, locale, return_url, withdrawal_limit, code_expires_at,"
    " expires_at, ended_at"
)


def to_session(row: tuple[Any, ...], now_s: int) -> SessionView:
    """A SessionView of a row selected as SESSION_COLUMNS, with its state at ``now_s``."""
    if row[10] is not None:
        state = "ended"
    else:
        state = "expired" if row[9] <= now_s else "open"
    return SessionView(
        id=row[0],
        client_id=row[1],
        website=row[2],
        actions=tuple(json.loads(row[3])),
        currencies=None if row[4] is None else tuple(json.loads(row[4])),
        locale=row[5],
        return_url=row[6],
        withdrawal_limit=row[7],
        code_expires_at=row[8],
        expires_at=row[9],
        state=state,
    )


def create_session(tx: Tx, command: CreateSession) -> Outcome[SessionView]:
    """Write the session with the hash of its one-time code."""
    row = tx.db.execute(
        "INSERT INTO session (id, website, client_id, actions, currencies, locale, return_url,"
        " withdrawal_limit, code_hash, code_expires_at, expires_at, created_at)"
        f" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
        f" RETURNING {SESSION_COLUMNS}",  # nosec B608
        (
            command.id,
            command.website,
            command.client_id,
            json.dumps(command.actions),
            None if command.currencies is None else json.dumps(command.currencies),
            command.locale,
            command.return_url,
            command.withdrawal_limit,
            command.code_hash,
            tx.now_s + command.code_ttl_s,
            tx.now_s + command.ttl_s,
            tx.now_s,
        ),
    ).fetchone()
    if row is None:
        raise AlreadyExistsError(f"session {command.id} or its code exists")
    return Outcome(to_session(row, tx.now_s))


def exchange_code(tx: Tx, command: ExchangeCode) -> SessionView:
    """Trade a code for the token whose hash is given: once, in time, while the session is open."""
    row = tx.db.execute(
        "UPDATE OR IGNORE session SET code_used_at = ?, token_hash = ?"
        " WHERE code_hash = ? AND code_used_at IS NULL AND ended_at IS NULL"
        f" AND code_expires_at > ? AND expires_at > ? RETURNING {SESSION_COLUMNS}",  # nosec B608
        (tx.now_s, command.token_hash, command.code_hash, tx.now_s, tx.now_s),
    ).fetchone()
    if row is None:
        raise SessionInvalidError("the code is unknown, used, expired or its session ended")
    return to_session(row, tx.now_s)


def end_session(tx: Tx, command: EndSession) -> None:
    """End a session of the website; ending it again changes nothing."""
    ended = tx.db.execute(
        "UPDATE session SET ended_at = coalesce(ended_at, ?) WHERE id = ? AND website = ?",
        (tx.now_s, command.session_id, command.website),
    )
    if ended.rowcount == 0:
        raise NotFoundError(f"there is no session {command.session_id}")


HANDLERS: dict[type[Any], Callable[[Tx, Any], Any]] = {
    CreateSession: create_session,
    ExchangeCode: exchange_code,
    EndSession: end_session,
}
