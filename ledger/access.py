"""Commands about who may do what: client sessions, website keys, signature nonces. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.request import Command, Idempotency, SpentNonce
from ledger.views import KeyView, Outcome, SessionView


@dataclass(frozen=True, slots=True)
class CreateSession(Command[Outcome[SessionView]]):
    """The handshake. Only hashes of code and token are kept."""

    id: str
    website: str
    client_id: str
    actions: tuple[str, ...]
    currencies: tuple[str, ...] | None
    ttl_s: int
    code_ttl_s: int
    code_hash: str
    locale: str | None
    return_url: str | None
    withdrawal_limit: str | None
    idempotency: Idempotency


@dataclass(frozen=True, slots=True)
class ExchangeCode(Command[SessionView]):
    """One-time code for a session token (hash given). Errors: SessionInvalidError."""

    code_hash: str
    token_hash: str


@dataclass(frozen=True, slots=True)
class EndSession(Command[None]):
    """Code and token are dead at once. Errors: NotFoundError."""

    session_id: str
    website: str


@dataclass(frozen=True, slots=True)
class CreateKey(Command[Outcome[KeyView]]):
    """A website key; only the hash of its secret is kept. Scopes as in the contract.

    Errors: AlreadyExistsError (its id or secret; or the cashier serves another website).
    """

    id: str
    website: str
    key_hash: str
    scopes: tuple[str, ...]
    by: str
    idempotency: Idempotency | None = None


@dataclass(frozen=True, slots=True)
class RevokeKey(Command[KeyView]):
    """Make a website key useless from now on. Errors: NotFoundError."""

    id: str
    by: str


@dataclass(frozen=True, slots=True)
class UseNonce(Command[None]):
    """Spend a signature nonce for a request that changes nothing here. Errors: NonceUsedError."""

    nonce: SpentNonce
