"""Who asks, and what each may do: scopes of keys, actions of sessions, operators' roles. Deny by default."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from actors.messages import KeyView, OperatorSessionView, SessionView
from gateway.problem import ProblemError
from gateway.role import Permission, permissions_of


class Scope(StrEnum):
    """What a website key may be made for."""

    READ = "read"
    SESSIONS = "sessions"
    DEPOSITS = "deposits"
    WITHDRAWALS = "withdrawals"
    TRANSFERS = "transfers"


SIGNED_SCOPES = frozenset({Scope.WITHDRAWALS, Scope.TRANSFERS})
"""Scopes that move money: their requests carry a signature."""


class Action(StrEnum):
    """What a client session may be opened for."""

    DEPOSIT = "deposit"
    WITHDRAW = "withdraw"


@dataclass(frozen=True, slots=True)
class Public:
    """Everybody; counted by IP address."""


@dataclass(frozen=True, slots=True)
class ForWebsite:
    """A website key with this scope."""

    scope: Scope

    @property
    def is_signed(self) -> bool:
        """Whether the request carries a signature as well."""
        return self.scope in SIGNED_SCOPES


@dataclass(frozen=True, slots=True)
class ForClient:
    """A client session, opened for ``action`` where one is named."""

    action: Action | None = None


@dataclass(frozen=True, slots=True)
class ForOperator:
    """An operator's session; one of his roles gives this permission (``gateway.role``)."""

    permission: Permission


Access = Public | ForWebsite | ForClient | ForOperator


@dataclass(frozen=True, slots=True)
class Website:
    """A website's back end, known by its key."""

    key: KeyView

    @property
    def name(self) -> str:
        """The website."""
        return self.key.website

    @property
    def by(self) -> str:
        """How the ledger records who did it."""
        return f"key:{self.key.id}"

    @property
    def owner(self) -> str:
        """Whose idempotency keys: the website's, whichever of its keys is used."""
        return f"website:{self.key.website}"

    def require(self, scope: Scope) -> None:
        """Raises ProblemError ``forbidden`` unless the key has ``scope``."""
        if scope.value not in self.key.scopes:
            raise ProblemError("forbidden", f"The key lacks the scope {scope.value}.")


@dataclass(frozen=True, slots=True)
class Client:
    """A client's browser, known by its session token."""

    session: SessionView

    @property
    def client_id(self) -> str:
        """The one client whose objects the session sees."""
        return self.session.client_id

    @property
    def by(self) -> str:
        """How the ledger records who did it."""
        return f"session:{self.session.id}"

    @property
    def owner(self) -> str:
        """Whose idempotency keys: the client's, whichever session is used."""
        return f"client:{self.session.website}:{self.session.client_id}"

    def require(self, action: Action | None) -> None:
        """Raises ProblemError ``forbidden`` unless the session was opened for ``action``."""
        if action is not None and action.value not in self.session.actions:
            raise ProblemError("forbidden", f"The session was not opened to {action.value}.")

    def sees(self, currency: str) -> bool:
        """Whether the session includes ``currency``."""
        return self.session.currencies is None or currency in self.session.currencies

    def require_currency(self, currency: str) -> None:
        """Raises ProblemError ``currency_not_allowed`` unless the session includes ``currency``."""
        if not self.sees(currency):
            raise ProblemError("currency_not_allowed")


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator who logged in, known by his session's token."""

    session: OperatorSessionView

    @property
    def by(self) -> str:
        """How the ledger records who did it: his id, since clients may see it; the audit knows his name."""
        return f"operator:{self.session.operator_id}"

    @property
    def owner(self) -> str:
        """Whose idempotency keys: the operator's, whichever session is used."""
        return self.by

    def require(self, permission: Permission) -> None:
        """Raises ProblemError ``forbidden`` unless one of the operator's roles gives ``permission``."""
        if permission not in permissions_of(self.session.roles):
            raise ProblemError("forbidden", f"None of your roles gives the permission {permission.value}.")


Principal = Website | Client | Operator
