"""Website keys, known only by the hash of their secret, and nonces of requests that change nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ledger.commands import CreateKey, RevokeKey, UseNonce
from ledger.context import Tx
from ledger.errors import AlreadyExistsError, NotFoundError
from ledger.views import KeyView, Outcome

KEY_COLUMNS = "id, website, scopes, created_at, revoked_at"


def to_key(row: tuple[str, str, str, int, int | None]) -> KeyView:
    """A KeyView of a row selected as KEY_COLUMNS."""
    key_id, website, scopes, created_at, revoked_at = row
    return KeyView(key_id, website, tuple(json.loads(scopes)), created_at, revoked_at)


def create_key(tx: Tx, command: CreateKey) -> Outcome[KeyView]:
    """Write a new key. Neither its id nor its hash may be known already, nor another website.

    Clients, their money and the feed belong to the one website this cashier serves: a key of
    another would reach all of it.
    """
    other = tx.db.execute(
        "SELECT website FROM api_key WHERE website <> ? LIMIT 1", (command.website,)
    ).fetchone()
    if other is not None:
        raise AlreadyExistsError(
            f"this cashier serves the website {other[0]}; {command.website} needs a cashier of its own"
        )
    row = tx.db.execute(
        "INSERT INTO api_key (id, website, key_hash, scopes, created_at, created_by)"
        f" VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING {KEY_COLUMNS}",  # nosec B608
        (command.id, command.website, command.key_hash, json.dumps(command.scopes), tx.now_s, command.by),
    ).fetchone()
    if row is None:
        raise AlreadyExistsError(f"key {command.id} or its secret exists")
    data = {"website": command.website, "scopes": list(command.scopes)}
    tx.audit(command.by, "create_key", "key", command.id, data)
    return Outcome(to_key(row))


def revoke_key(tx: Tx, command: RevokeKey) -> KeyView:
    """Make a key useless from now on; revoking it again keeps the first time."""
    row = tx.db.execute(
        f"UPDATE api_key SET revoked_at = coalesce(revoked_at, ?) WHERE id = ? RETURNING {KEY_COLUMNS}",  # nosec B608
        (tx.now_s, command.id),
    ).fetchone()
    if row is None:
        raise NotFoundError(f"there is no key {command.id}")
    tx.audit(command.by, "revoke_key", "key", command.id, {})
    return to_key(row)


def use_nonce(tx: Tx, command: UseNonce) -> None:
    """Nothing is left to do: the nonce was spent before the handler ran."""


HANDLERS: dict[type[Any], Callable[[Tx, Any], Any]] = {
    CreateKey: create_key,
    RevokeKey: revoke_key,
    UseNonce: use_nonce,
}
