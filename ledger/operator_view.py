"""Operators as others see them; given again by ``ledger.views``. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class OperatorView:
    """A person who works at the cashier. Times are unix seconds; ``disabled_at`` None while he may log in.

    ``totp_salt`` is no secret: with the gateway's own it gives the secret of his one-time codes.
    """

    id: str
    name: str
    roles: tuple[str, ...]
    totp_salt: str
    created_at: int
    created_by: str
    last_login_at: int | None
    disabled_at: int | None


@dataclass(frozen=True, slots=True)
class OperatorCredentials:
    """What a login is checked against: the argon2id hash, the salt of the one-time codes."""

    operator_id: str
    password_hash: str
    totp_salt: str


@dataclass(frozen=True, slots=True)
class OperatorSessionView:
    """An operator logged in. ``state`` is ``open``, ``expired`` (too old or idle for too long) or ``ended``.

    ``name`` and ``roles`` are the operator's now, not those at his login.
    """

    id: str
    operator_id: str
    name: str
    roles: tuple[str, ...]
    created_at: int
    expires_at: int
    idle_s: int
    idle_expires_at: int
    state: str


@dataclass(frozen=True, slots=True)
class StopView:
    """Whether all payouts are stopped; then since when, by whom and why."""

    is_stopped: bool
    at: int | None = None
    by: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AuditView:
    """Who did what to which object. ``by_name`` is the operator's name where one did it."""

    id: int
    at: int
    by: str
    by_name: str | None
    action: str
    object_type: str
    object_id: str
    data: dict[str, Any]
