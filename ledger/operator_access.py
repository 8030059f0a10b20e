"""Commands about operators: who they are, how they log in, what they hold a currency for. Pure.

``by`` is who does it: ``operator:{id}``, or ``cli`` for the command line. Errors are those of
``ledger/errors.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.operator_view import OperatorCredentials, OperatorSessionView, OperatorView
from ledger.request import Command, Idempotency
from ledger.views import CurrencyView, Outcome


@dataclass(frozen=True, slots=True)
class CreateOperator(Command[Outcome[OperatorView]]):
    """A person who may log in with these roles. Errors: AlreadyExistsError (id or name)."""

    id: str
    name: str
    password_hash: str
    totp_salt: str
    roles: tuple[str, ...]
    by: str
    idempotency: Idempotency | None = None


@dataclass(frozen=True, slots=True)
class SetOperator(Command[Outcome[OperatorView]]):
    """Change roles, disable (his sessions end) or enable (his lock-out ends); None leaves as it is.

    Errors: NotFoundError, LastAdminError unless ``may_leave_no_admin``.
    """

    operator_id: str
    by: str
    roles: tuple[str, ...] | None = None
    is_disabled: bool | None = None
    may_leave_no_admin: bool = False
    idempotency: Idempotency | None = None


@dataclass(frozen=True, slots=True)
class ResetOperator(Command[Outcome[OperatorView]]):
    """New password and one-time-code secret; sessions and lock-out end. Errors: NotFoundError."""

    operator_id: str
    password_hash: str
    totp_salt: str
    by: str
    idempotency: Idempotency | None = None


@dataclass(frozen=True, slots=True)
class LoginLimits:
    """Failures in a row before a lock-out, by name and by address; its first and longest pause in seconds."""

    tries: int
    tries_per_address: int
    pause_s: int
    pause_max_s: int


@dataclass(frozen=True, slots=True)
class BeginLogin(Command[OperatorCredentials | None]):
    """Count a login as failed until it succeeded, then give what to check it against.

    None for a name that nobody has or that is disabled; it is counted alike. Errors: LoginLockedError.
    """

    name: str
    address: str
    limits: LoginLimits


@dataclass(frozen=True, slots=True)
class LoginOperator(Command[OperatorSessionView | None]):
    """Open a session after password and code were found right; takes the count of BeginLogin back.

    None, and a failed login in the audit, when the code's step was used before or the operator was
    changed since.
    """

    session_id: str
    token_hash: str
    credentials: OperatorCredentials
    totp_step: int
    name: str
    address: str
    ttl_s: int
    idle_s: int


@dataclass(frozen=True, slots=True)
class FailLogin(Command[None]):
    """Write a failed login into the audit."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class SetPassword(Command[OperatorSessionView | None]):
    """Another password for the operator of a session, after the old one and a code were found right.

    His other sessions end. None, and a failed login in the audit, as for LoginOperator.
    """

    session_id: str
    credentials: OperatorCredentials
    totp_step: int
    password_hash: str
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class TouchOperatorSession(Command[None]):
    """The session is in use: it is idle from now on anew. One that is over stays over."""

    session_id: str


@dataclass(frozen=True, slots=True)
class EndOperatorSession(Command[Outcome[OperatorSessionView]]):
    """Log out. Errors: NotFoundError."""

    session_id: str
    by: str
    idempotency: Idempotency | None = None


@dataclass(frozen=True, slots=True)
class HoldCurrency(Command[Outcome[CurrencyView]]):
    """Hold a currency: ``paused`` (no payouts) or ``draining``; None lets it go.

    Neither gives out new addresses nor takes new withdrawals; what is open is paid while draining. It stays
    whatever the watcher reports, also after a restart. Errors: UnknownCurrencyError.
    """

    currency: str
    hold: str | None
    by: str
    reason: str
    idempotency: Idempotency | None = None
