"""Which function carries out which command, and what holds for all of them: nonces and idempotency."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ledger import codec
from ledger.accounts import is_client_id
from ledger.commands import ApplyChainDelta, ApplyMempool, Command, CreditDue, Idempotency, SpentNonce
from ledger.connection import is_disk_fault
from ledger.context import Tx
from ledger.errors import (
    BlockRefusedError,
    DomainError,
    IdempotencyKeyReusedError,
    InvalidClientError,
    NonceUsedError,
    StoreError,
)
from ledger.handlers import HANDLERS
from ledger.views import Outcome

logger = logging.getLogger(__name__)

CHAIN_NEWS = frozenset({ApplyChainDelta, ApplyMempool, CreditDue})
"""Commands that carry what a node told; a node can tell anything, also what would break the books."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one command: its reply, or the refusal that changed nothing."""

    value: Any = None
    error: DomainError | None = None

    def unwrap(self) -> Any:
        """The reply; raises the refusal instead where there is one."""
        if self.error is not None:
            raise self.error
        return self.value


def handler_of(command: Command[Any]) -> Callable[[Tx, Any], Any]:
    """The handler of a command. Raises TypeError for something the ledger does not answer."""
    try:
        return HANDLERS[type(command)]
    except KeyError:
        raise TypeError(f"the ledger has no handler for {type(command).__name__}") from None


def execute(tx: Tx, command: Command[Any]) -> Result:
    """Carry out one command in its own savepoint.

    The nonce is spent first and stays spent. Then a key that was answered before gets that answer
    again; a new key's first success is stored beside the change. A refusal undoes the rest. Anything
    else that is raised is a fault and undoes the whole SQL transaction (the caller's task), except that
    news of a chain which cannot be booked, and what the database cannot hold, are refused: one chain must
    not stop the others.
    """
    handler = handler_of(command)
    nonce: SpentNonce | None = getattr(command, "nonce", None)
    if nonce is not None:
        try:
            spend_nonce(tx, nonce)
        except NonceUsedError as refusal:
            return Result(error=refusal)
    idempotency: Idempotency | None = getattr(command, "idempotency", None)
    tx.db.execute("SAVEPOINT command")
    try:
        _refuse_client_id(command)
        if idempotency is None:
            value = handler(tx, command)
        else:
            value = _once(tx, idempotency, handler, command)
    except DomainError as refusal:
        return _undo(tx, refusal.with_traceback(None))
    except (UnicodeEncodeError, OverflowError) as fault:
        # The database cannot hold it: half of a surrogate pair, or a number of more than 64 bits.
        logger.exception("%s could not be written down", type(command).__name__)
        return _undo(tx, BlockRefusedError(f"it could not be written down: {type(fault).__name__}"))
    except Exception as fault:
        if type(command) not in CHAIN_NEWS or isinstance(fault, StoreError) or is_disk_fault(fault):
            raise
        logger.exception("%s could not be booked", type(command).__name__)
        return _undo(tx, BlockRefusedError(f"it could not be booked: {type(fault).__name__}"))
    tx.db.execute("RELEASE command")
    return Result(value)


def _undo(tx: Tx, refusal: DomainError) -> Result:
    """Take back what the command changed and answer with the refusal."""
    tx.db.execute("ROLLBACK TO command")
    tx.db.execute("RELEASE command")
    tx.forget_coins()
    return Result(error=refusal)


def _refuse_client_id(command: Command[Any]) -> None:
    """A name that cannot stand in an account's name is refused before anything is booked on it."""
    client_id: str | None = getattr(command, "client_id", None)
    if client_id is not None and not is_client_id(client_id):
        raise InvalidClientError("a client id is 1 to 64 of A-Z a-z 0-9 _ . - and not house")


def spend_nonce(tx: Tx, nonce: SpentNonce) -> None:
    """Write the nonce down as used. Raises NonceUsedError when it was before."""
    spent = tx.db.execute(
        "INSERT INTO nonce (key_id, nonce, expires_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (nonce.key_id, nonce.nonce, nonce.expires_at),
    )
    if spent.rowcount == 0:
        raise NonceUsedError("this signature nonce was used before")


def _once(
    tx: Tx, idempotency: Idempotency, handler: Callable[[Tx, Any], Any], command: Command[Any]
) -> Outcome[Any]:
    """The first success of a key, now or again."""
    row = tx.db.execute(
        "SELECT request_hash, reply_type, reply, is_new FROM idempotency WHERE owner = ? AND key = ?",
        (idempotency.owner, idempotency.key),
    ).fetchone()
    if row is not None:
        if row[0] != idempotency.request_hash:
            raise IdempotencyKeyReusedError("this idempotency key came before with another request")
        return Outcome(codec.decode(row[1], row[2]), is_replayed=True, is_new=bool(row[3]))
    outcome: Outcome[Any] = handler(tx, command)
    tx.db.execute(
        "INSERT INTO idempotency (owner, key, request_hash, reply_type, reply, is_new, at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            idempotency.owner,
            idempotency.key,
            idempotency.request_hash,
            type(outcome.value).__name__,
            tx.json_of(outcome.value),
            int(outcome.is_new),
            tx.now_s,
        ),
    )
    return outcome
