"""A transfer as somebody would write it by hand: the same SQL statements, and nothing around them.

Three ways to run them: :func:`apply_batch` in plain sqlite3, many transfers in one SQL transaction,
:class:`GroupCommit` with whatever came while the batch before was written, and :class:`OneEach` through
aiosqlite, one SQL transaction for each. A test holds the first against the
product statement by statement, value by value, so the comparison cannot fall behind.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
from collections.abc import Sequence
from typing import Any

import aiosqlite

from ledger.commands import PostTransfer, SpentNonce
from ledger.journal import GENESIS_HASH

SPEND = "INSERT INTO nonce (key_id, nonce, expires_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
REPLAY = "SELECT request_hash, reply_type, reply, is_new FROM idempotency WHERE owner = ? AND key = ?"
BY_EXTERNAL_ID = "SELECT id FROM transfer WHERE website = ? AND external_id = ?"
BY_ID = "SELECT 1 FROM transfer WHERE id = ?"
ACCOUNT = "SELECT id, balance FROM account WHERE name = ?"
LAST_ENTRY = "SELECT id, hash, at FROM journal ORDER BY id DESC LIMIT 1"
ENTRY = (
    "INSERT INTO journal (id, kind, at, by, ref_type, ref_id, chain, height, block_hash, txid,"
    " reverses, reason, prev_hash, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
BALANCE = "UPDATE account SET balance = ? WHERE id = ?"
POSTING = (
    "INSERT INTO posting (journal_id, currency, debit_id, credit_id, amount,"
    " debit_balance_after, credit_balance_after) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
TRANSFER = (
    "INSERT INTO transfer (id, website, external_id, source, target, currency, amount, reason, by,"
    " created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
LAST_EVENT = "SELECT max(sequence) FROM event"
EVENT = (
    "INSERT INTO event (sequence, id, type, occurred_at, client_id, object_type, object_id, data)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
REPLY = (
    "INSERT INTO idempotency (owner, key, request_hash, reply_type, reply, is_new, at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
LAST_COMMITTED = "SELECT coalesce(max(sequence), 0) FROM event"


class RefusedError(Exception):
    """The transfer is not possible; nothing of it stays."""


def names(command: PostTransfer) -> tuple[str, str]:
    """The accounts of payer and payee."""
    currency = command.currency
    return f"client:{command.source}:{currency}:available", f"client:{command.target}:{currency}:available"


def after(command: PostTransfer, source_text: str, target_text: str) -> tuple[str, str]:
    """Both balances after the transfer, as they are stored."""
    balance = int(source_text) - command.amount
    if balance < 0:
        raise RefusedError("the available balance does not cover this")
    return str(balance), str(int(target_text) + command.amount)


def entry_row(
    command: PostTransfer,
    now_s: int,
    last: tuple[int, bytes, int] | None,
    source_after: str,
    target_after: str,
) -> tuple[Any, ...]:
    """The next row of the journal, chained to the last one by its hash."""
    entry_id, prev_hash = (last[0] + 1, last[1]) if last else (1, GENESIS_HASH)
    source, target = names(command)
    postings = [[source, target, str(command.amount), source_after, target_after]]
    head = ["transfer", "transfer", command.id, command.by, None, None, None, None, None, command.reason]
    body = json.dumps([entry_id, now_s, *head, postings], separators=(",", ":"))
    chained = hashlib.sha256(prev_hash + body.encode()).digest()
    place = (None, None, None, None, None)
    ref = ("transfer", now_s, command.by, "transfer", command.id)
    return (entry_id, *ref, *place, command.reason, prev_hash, chained)


def transfer_row(command: PostTransfer, now_s: int) -> tuple[Any, ...]:
    """The transfer's own row."""
    return (
        command.id,
        command.website,
        command.external_id,
        command.source,
        command.target,
        command.currency,
        str(command.amount),
        command.reason,
        command.by,
        now_s,
    )


def view_text(command: PostTransfer, now_s: int) -> str:
    """The transfer as JSON: data of its event, and stored reply."""
    view = {
        "id": command.id,
        "external_id": command.external_id,
        "source": command.source,
        "target": command.target,
        "currency": command.currency,
        "amount": command.amount,
        "reason": command.reason,
        "created_at": now_s,
    }
    return json.dumps(view, separators=(",", ":"))


def event_row(command: PostTransfer, now_s: int, last: int | None, view: str) -> tuple[Any, ...]:
    """The event's row."""
    sequence = (last or 0) + 1
    seed = f"{sequence}|transfer.posted|{command.id}|{now_s}|{view}".encode()
    event_id = f"evt_{sequence:012x}{hashlib.blake2b(seed, digest_size=10).hexdigest()}"
    return (sequence, event_id, "transfer.posted", now_s, None, "transfer", command.id, view)


def reply_row(command: PostTransfer, now_s: int, view: str) -> tuple[Any, ...]:
    """The stored reply to the idempotency key."""
    key = command.idempotency
    return (key.owner, key.key, key.request_hash, "TransferView", view, 1, now_s)


def spend_row(nonce: SpentNonce) -> tuple[Any, ...]:
    """The nonce's row."""
    return (nonce.key_id, nonce.nonce, nonce.expires_at)


def apply_batch(
    db: sqlite3.Connection, commands: Sequence[PostTransfer], now_s: int
) -> list[str | RefusedError]:
    """All transfers in one SQL transaction, each in its savepoint; their views as JSON, or why not."""
    answers: list[str | RefusedError] = []
    execute, many = db.execute, db.executemany
    execute("BEGIN IMMEDIATE")
    for command in commands:
        nonce, key = command.nonce, command.idempotency
        if nonce is not None and execute(SPEND, spend_row(nonce)).rowcount == 0:
            answers.append(RefusedError("this nonce was used"))
            continue
        execute("SAVEPOINT command")
        try:
            if execute(REPLAY, (key.owner, key.key)).fetchone() is not None:
                raise RefusedError("this idempotency key came before")
            if execute(BY_EXTERNAL_ID, (command.website, command.external_id)).fetchone() is not None:
                raise RefusedError("this external_id was used")
            if execute(BY_ID, (command.id,)).fetchone() is not None:
                raise RefusedError("this id was used")
            source, target = names(command)
            source_id, source_text = execute(ACCOUNT, (source,)).fetchone()
            target_id, target_text = execute(ACCOUNT, (target,)).fetchone()
            source_after, target_after = after(command, source_text, target_text)
            last = execute(LAST_ENTRY).fetchone()
            entry = entry_row(command, now_s, last, source_after, target_after)
            execute(ENTRY, entry)
            many(BALANCE, ((source_after, source_id), (target_after, target_id)))
            amount = str(command.amount)
            posting = (entry[0], command.currency, source_id, target_id, amount, source_after, target_after)
            many(POSTING, (posting,))
            execute(TRANSFER, transfer_row(command, now_s))
            view = view_text(command, now_s)
            execute(EVENT, event_row(command, now_s, execute(LAST_EVENT).fetchone()[0], view))
            execute(REPLY, reply_row(command, now_s, view))
            answers.append(view)
        except RefusedError as error:
            execute("ROLLBACK TO command")
            answers.append(error)
        execute("RELEASE command")
    execute(LAST_COMMITTED).fetchone()
    execute("COMMIT")
    return answers


class GroupCommit:
    """Transfers that come while a batch is written are the next batch; written in a thread."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """``db`` is used by nobody else."""
        self._db = db
        self._waiting: list[tuple[PostTransfer, asyncio.Future[str]]] = []
        self._lock = asyncio.Lock()

    async def post(self, command: PostTransfer, now_s: int) -> str:
        """Commit a transfer with its neighbours; its view as JSON. Raises RefusedError."""
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, done))
        async with self._lock:
            if not done.done():
                batch, self._waiting = self._waiting, []
                await self._write(batch, now_s)
        return await done

    async def _write(self, batch: list[tuple[PostTransfer, asyncio.Future[str]]], now_s: int) -> None:
        commands = [command for command, _ in batch]
        answers = await asyncio.to_thread(apply_batch, self._db, commands, now_s)
        for (_, done), answer in zip(batch, answers, strict=True):
            if isinstance(answer, RefusedError):
                done.set_exception(answer)
            else:
                done.set_result(answer)


class OneEach:
    """The same through aiosqlite, one SQL transaction for each transfer, one after the other."""

    def __init__(self, db: aiosqlite.Connection) -> None:
        """``db`` is used by nobody else."""
        self._db = db
        self._lock = asyncio.Lock()

    async def post(self, command: PostTransfer, now_s: int) -> str:
        """Commit one transfer; its view as JSON. Raises RefusedError."""
        async with self._lock:
            await self._db.execute("BEGIN IMMEDIATE")
            try:
                view = await self._post(command, now_s)
            except RefusedError:
                await self._db.execute("ROLLBACK")
                raise
            await self._db.execute("COMMIT")
            return view

    async def _one(self, sql: str, arguments: tuple[Any, ...] = ()) -> Any:
        """The first row, None for none; one hop to the connection's thread."""
        rows = list(await self._db.execute_fetchall(sql, arguments))
        return rows[0] if rows else None

    async def _post(self, command: PostTransfer, now_s: int) -> str:
        db, one = self._db, self._one
        nonce, key = command.nonce, command.idempotency
        if nonce is not None and (await db.execute(SPEND, spend_row(nonce))).rowcount == 0:
            raise RefusedError("this nonce was used")
        if await one(REPLAY, (key.owner, key.key)) is not None:
            raise RefusedError("this idempotency key came before")
        if await one(BY_EXTERNAL_ID, (command.website, command.external_id)) is not None:
            raise RefusedError("this external_id was used")
        if await one(BY_ID, (command.id,)) is not None:
            raise RefusedError("this id was used")
        source, target = names(command)
        source_id, source_text = await one(ACCOUNT, (source,))
        target_id, target_text = await one(ACCOUNT, (target,))
        source_after, target_after = after(command, source_text, target_text)
        entry = entry_row(command, now_s, await one(LAST_ENTRY), source_after, target_after)
        await db.execute(ENTRY, entry)
        await db.executemany(BALANCE, ((source_after, source_id), (target_after, target_id)))
        amount = str(command.amount)
        posting = (entry[0], command.currency, source_id, target_id, amount, source_after, target_after)
        await db.execute(POSTING, posting)
        await db.execute(TRANSFER, transfer_row(command, now_s))
        view = view_text(command, now_s)
        (last,) = await one(LAST_EVENT)
        await db.execute(EVENT, event_row(command, now_s, last, view))
        await db.execute(REPLY, reply_row(command, now_s, view))
        return view
