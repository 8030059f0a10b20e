"""Operators: made, changed, given new credentials. Only a hash of the password and a salt are kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ledger import lockout
from ledger.context import Tx
from ledger.errors import AlreadyExistsError, LastAdminError, NotFoundError
from ledger.operator_access import CreateOperator, ResetOperator, SetOperator
from ledger.views import OperatorView, Outcome

OPERATOR_COLUMNS = "id, name, roles, totp_salt, created_at, created_by, last_login_at, disabled_at"
ADMIN = "admin"
"""The role that makes operators; one who has it is always left."""


def to_operator(row: tuple[Any, ...]) -> OperatorView:
    """An OperatorView of a row selected as OPERATOR_COLUMNS."""
    return OperatorView(row[0], row[1], tuple(json.loads(row[2])), *row[3:])


def create_operator(tx: Tx, command: CreateOperator) -> Outcome[OperatorView]:
    """Write a new operator; neither his id nor his name may be known."""
    row = tx.db.execute(
        "INSERT INTO operator (id, name, password_hash, totp_salt, roles, created_at, created_by)"
        f" VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING {OPERATOR_COLUMNS}",  # nosec B608
        (
            command.id,
            command.name,
            command.password_hash,
            command.totp_salt,
            json.dumps(command.roles),
            tx.now_s,
            command.by,
        ),
    ).fetchone()
    if row is None:
        raise AlreadyExistsError(f"there is an operator {command.name}")
    data = {"name": command.name, "roles": list(command.roles)}
    tx.audit(command.by, "create_operator", "operator", command.id, data)
    return Outcome(to_operator(row))


def set_operator(tx: Tx, command: SetOperator) -> Outcome[OperatorView]:
    """Change roles, or whether he may log in; what he did before stays in the audit under his id."""
    before = read_operator(tx, command.operator_id)
    data: dict[str, Any] = {"name": before.name}
    if command.roles is not None:
        tx.db.execute(
            "UPDATE operator SET roles = ? WHERE id = ?", (json.dumps(command.roles), command.operator_id)
        )
        data |= {"roles_before": list(before.roles), "roles": list(command.roles)}
    if command.is_disabled is not None:
        tx.db.execute(
            "UPDATE operator SET disabled_at = iif(?, coalesce(disabled_at, ?), NULL) WHERE id = ?",
            (command.is_disabled, tx.now_s, command.operator_id),
        )
        data["is_disabled"] = command.is_disabled
        if command.is_disabled:
            _end_sessions(tx, command.operator_id)
        else:
            lockout.forgive(tx, lockout.by_name(before.name))
    if not command.may_leave_no_admin and _is_admin(before) and not _has_admin(tx):
        raise LastAdminError(f"{before.name} is the last one with the role {ADMIN}")
    tx.audit(command.by, "set_operator", "operator", command.operator_id, data)
    return Outcome(read_operator(tx, command.operator_id))


def reset_operator(tx: Tx, command: ResetOperator) -> Outcome[OperatorView]:
    """New credentials: the old ones and every session made with them are dead."""
    view = read_operator(tx, command.operator_id)
    tx.db.execute(
        "UPDATE operator SET password_hash = ?, totp_salt = ?, totp_step = 0 WHERE id = ?",
        (command.password_hash, command.totp_salt, command.operator_id),
    )
    _end_sessions(tx, command.operator_id)
    lockout.forgive(tx, lockout.by_name(view.name))
    tx.audit(command.by, "reset_operator", "operator", command.operator_id, {"name": view.name})
    return Outcome(read_operator(tx, command.operator_id))


def read_operator(tx: Tx, operator_id: str) -> OperatorView:
    """One operator. Raises NotFoundError."""
    row = tx.db.execute(
        f"SELECT {OPERATOR_COLUMNS} FROM operator WHERE id = ?",  # nosec B608
        (operator_id,),
    ).fetchone()
    if row is None:
        raise NotFoundError(f"there is no operator {operator_id}")
    return to_operator(row)


def _end_sessions(tx: Tx, operator_id: str) -> None:
    tx.db.execute(
        "UPDATE operator_session SET ended_at = ? WHERE operator_id = ? AND ended_at IS NULL",
        (tx.now_s, operator_id),
    )


def _is_admin(view: OperatorView) -> bool:
    return view.disabled_at is None and ADMIN in view.roles


def _has_admin(tx: Tx) -> bool:
    rows = tx.db.execute(f"SELECT {OPERATOR_COLUMNS} FROM operator")  # nosec B608
    return any(_is_admin(to_operator(row)) for row in rows)


HANDLERS: dict[type[Any], Callable[[Tx, Any], Any]] = {
    CreateOperator: create_operator,
    SetOperator: set_operator,
    ResetOperator: reset_operator,
}
