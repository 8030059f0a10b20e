"""Logins of operators and the sessions they open. The hash is compared by the asker: it takes its time."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ledger import lockout
from ledger.context import Tx
from ledger.errors import NotFoundError
from ledger.operator_access import (
    BeginLogin,
    EndOperatorSession,
    FailLogin,
    LoginOperator,
    SetPassword,
    TouchOperatorSession,
)
from ledger.views import OperatorCredentials, OperatorSessionView, Outcome

SESSION = (
    "SELECT s.id, s.operator_id, o.name, o.roles, s.created_at, s.expires_at, s.idle_s, s.idle_expires_at,"
    " s.ended_at FROM operator_session s JOIN operator o ON o.id = s.operator_id WHERE "
)


def to_session(row: tuple[Any, ...], now_s: int) -> OperatorSessionView:
    """An OperatorSessionView of a row selected by SESSION, with its state at ``now_s``."""
    if row[8] is not None:
        state = "ended"
    else:
        state = "expired" if min(row[5], row[7]) <= now_s else "open"
    return OperatorSessionView(
        id=row[0],
        operator_id=row[1],
        name=row[2],
        roles=tuple(json.loads(row[3])),
        created_at=row[4],
        expires_at=row[5],
        idle_s=row[6],
        idle_expires_at=row[7],
        state=state,
    )


def begin_login(tx: Tx, command: BeginLogin) -> OperatorCredentials | None:
    """Refuse while locked out; else count the try and give what to check it against."""
    name, address = lockout.by_name(command.name), lockout.by_address(command.address)
    lockout.check(tx, name, address)
    limits = command.limits
    lockout.count(tx, name, limits.tries, limits.pause_s, limits.pause_max_s)
    lockout.count(tx, address, limits.tries_per_address, limits.pause_s, limits.pause_max_s)
    row = tx.db.execute(
        "SELECT id, password_hash, totp_salt FROM operator WHERE name = ? AND disabled_at IS NULL",
        (command.name,),
    ).fetchone()
    return None if row is None else OperatorCredentials(*row)


def login_operator(tx: Tx, command: LoginOperator) -> OperatorSessionView | None:
    """Spend the step of the code and open the session, if the operator is still the one that was checked."""
    checked = command.credentials
    spent = tx.db.execute(
        "UPDATE operator SET totp_step = ?, last_login_at = ? WHERE id = ? AND totp_step < ?"
        " AND password_hash = ? AND totp_salt = ? AND disabled_at IS NULL",
        (
            command.totp_step,
            tx.now_s,
            checked.operator_id,
            command.totp_step,
            checked.password_hash,
            checked.totp_salt,
        ),
    )
    if spent.rowcount == 0:
        fail_login(tx, FailLogin(command.name, command.address))
        return None
    tx.db.execute(
        "INSERT INTO operator_session (id, operator_id, token_hash, created_at, expires_at, idle_s,"
        " idle_expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            command.session_id,
            checked.operator_id,
            command.token_hash,
            tx.now_s,
            tx.now_s + command.ttl_s,
            command.idle_s,
            tx.now_s + command.idle_s,
        ),
    )
    _succeeded(tx, command)
    data = {"name": command.name, "address": command.address}
    tx.audit(f"operator:{checked.operator_id}", "login", "operator_session", command.session_id, data)
    return _read_session(tx, command.session_id)


def set_password(tx: Tx, command: SetPassword) -> OperatorSessionView | None:
    """Spend the step and change the hash, if the operator is still the one that was checked."""
    checked = command.credentials
    changed = tx.db.execute(
        "UPDATE operator SET password_hash = ?, totp_step = ? WHERE id = ? AND totp_step < ?"
        " AND password_hash = ? AND totp_salt = ? AND disabled_at IS NULL",
        (
            command.password_hash,
            command.totp_step,
            checked.operator_id,
            command.totp_step,
            checked.password_hash,
            checked.totp_salt,
        ),
    )
    if changed.rowcount == 0:
        fail_login(tx, FailLogin(command.name, command.address))
        return None
    tx.db.execute(
        "UPDATE operator_session SET ended_at = ? WHERE operator_id = ? AND id <> ? AND ended_at IS NULL",
        (tx.now_s, checked.operator_id, command.session_id),
    )
    _succeeded(tx, command)
    by = f"operator:{checked.operator_id}"
    tx.audit(by, "set_password", "operator", checked.operator_id, {"address": command.address})
    return _read_session(tx, command.session_id)


def _succeeded(tx: Tx, command: LoginOperator | SetPassword) -> None:
    """The try was no failure: those of the name are over, those of the address stay."""
    lockout.forgive(tx, lockout.by_name(command.name))
    lockout.take_back(tx, lockout.by_address(command.address))


def fail_login(tx: Tx, command: FailLogin) -> None:
    """Note it; who tried is not known. A name nobody has is not kept: it may be a mistyped password."""
    row = tx.db.execute("SELECT id FROM operator WHERE name = ?", (command.name,)).fetchone()
    tx.audit("nobody", "login_failed", "operator", row[0] if row else "", {"address": command.address})


def touch_operator_session(tx: Tx, command: TouchOperatorSession) -> None:
    """Begin the idle time anew, unless the session is over."""
    tx.db.execute(
        "UPDATE operator_session SET idle_expires_at = ? + idle_s"
        " WHERE id = ? AND ended_at IS NULL AND expires_at > ? AND idle_expires_at > ?",
        (tx.now_s, command.session_id, tx.now_s, tx.now_s),
    )


def end_operator_session(tx: Tx, command: EndOperatorSession) -> Outcome[OperatorSessionView]:
    """Log out; ending it again keeps the first time."""
    ended = tx.db.execute(
        "UPDATE operator_session SET ended_at = coalesce(ended_at, ?) WHERE id = ?",
        (tx.now_s, command.session_id),
    )
    if ended.rowcount == 0:
        raise NotFoundError(f"there is no session {command.session_id}")
    tx.audit(command.by, "logout", "operator_session", command.session_id, {})
    return Outcome(_read_session(tx, command.session_id))


def _read_session(tx: Tx, session_id: str) -> OperatorSessionView:
    row = tx.db.execute(SESSION + "s.id = ?", (session_id,)).fetchone()
    return to_session(row, tx.now_s)


HANDLERS: dict[type[Any], Callable[[Tx, Any], Any]] = {
    BeginLogin: begin_login,
    LoginOperator: login_operator,
    FailLogin: fail_login,
    SetPassword: set_password,
    TouchOperatorSession: touch_operator_session,
    EndOperatorSession: end_operator_session,
}
