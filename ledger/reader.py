"""The read side: questions answered from read-only connections, never in the writer's way.

Each question is one function run in a connection's own thread, inside one SQL transaction: it sees
one state of the books, and being cancelled cannot leave a transaction open.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from ledger import (
    reader_adjustment,
    reader_books,
    reader_case,
    reader_client,
    reader_difference,
    reader_gauges,
    reader_in_flight,
    reader_journal,
    reader_list,
    reader_operator,
    reader_period,
    reader_scan,
    reader_search,
    reader_standing,
    reader_statement,
    reader_story,
    reader_trial,
    reader_webhook,
)
from ledger.connection import BUSY_TIMEOUT_MS, connect, is_unavailable
from ledger.dispatch import Result
from ledger.errors import DomainError, StoreOpenError, StoreUnavailableError
from ledger.queries import GetAddress, GetBalances, GetKey, GetOperatorSession, GetSession, Query
from ledger.snapshot import Snapshot

R = TypeVar("R")

READERS: dict[type[Any], Callable[[Snapshot, Any], Any]] = {
    **reader_adjustment.READERS,
    **reader_books.READERS,
    **reader_case.READERS,
    **reader_difference.READERS,
    **reader_client.READERS,
    **reader_gauges.READERS,
    **reader_in_flight.READERS,
    **reader_journal.READERS,
    **reader_list.READERS,
    **reader_operator.READERS,
    **reader_period.READERS,
    **reader_scan.READERS,
    **reader_standing.READERS,
    **reader_statement.READERS,
    **reader_search.READERS,
    **reader_story.READERS,
    **reader_trial.READERS,
    **reader_webhook.READERS,
}

QUICK = frozenset({GetKey, GetSession, GetOperatorSession, GetAddress, GetBalances})
"""Questions of a few rows found by an index, asked by every request: many are answered in one go."""


def is_quick(question: object) -> bool:
    """Whether :meth:`LedgerReader.answer_quick` takes it."""
    return type(question) in QUICK


class _ReadConnection(aiosqlite.Connection):
    """A connection that runs a whole function in one hop to its thread."""

    async def open(self) -> None:
        """Connect; after a failure the thread has ended, so that it never speaks to a closed loop."""
        try:
            await self
        except sqlite3.Error:
            await asyncio.to_thread(self._thread.join)
            raise

    async def ask(
        self, function: Callable[[sqlite3.Connection, Any, int], Any], query: Any, now_s: int
    ) -> Any:
        """Run ``function`` in the connection's thread."""
        return await self._execute(  # type: ignore[no-untyped-call]  # for subclasses, without types
            function, self._conn, query, now_s
        )


def _answer(db: sqlite3.Connection, query: Query[Any], now_s: int) -> Any:
    """One answer from one snapshot."""
    db.execute("BEGIN")
    try:
        return READERS[type(query)](Snapshot(db, now_s), query)
    finally:
        db.execute("ROLLBACK")


def _answer_all(db: sqlite3.Connection, queries: Sequence[Query[Any]], now_s: int) -> list[Result]:
    """Many answers from one snapshot, which is younger than every question."""
    results = []
    db.execute("BEGIN")
    try:
        snapshot = Snapshot(db, now_s)
        for query in queries:
            try:
                results.append(Result(READERS[type(query)](snapshot, query)))
            except DomainError as refusal:
                results.append(Result(error=refusal.with_traceback(None)))
    finally:
        db.execute("ROLLBACK")
    return results


class LedgerReader:
    """A small pool of read-only connections on ``path``; ``now_s`` is the clock that was handed in.

    One more, the first, is for quick questions, so that they never wait behind long ones.
    """

    def __init__(
        self,
        path: Path,
        *,
        now_s: Callable[[], int],
        connections: int = 2,
        busy_timeout_ms: int = BUSY_TIMEOUT_MS,
    ) -> None:
        """Only remember the settings; :meth:`open` touches the disk."""
        self._path = path
        self._now_s = now_s
        self._count = connections
        self._busy_timeout_ms = busy_timeout_ms
        self._all: list[_ReadConnection] = []
        # Last in, first out: the connection used last has the warmest page cache.
        self._free: asyncio.LifoQueue[_ReadConnection] = asyncio.LifoQueue()

    async def open(self) -> LedgerReader:
        """Open the connections; the writer has made the database before. Raises StoreOpenError."""
        try:
            for number in range(1 + self._count):
                connection = _ReadConnection(self._connect, iter_chunk_size=64)
                await connection.open()
                self._all.append(connection)
                if number:
                    self._free.put_nowait(connection)
        except sqlite3.Error as error:
            await self.close()
            raise StoreOpenError(f"cannot open the database {self._path}: {error}") from error
        return self

    async def close(self) -> None:
        """Close the connections; their threads would keep the process from ending."""
        connections, self._all = self._all, []
        self._free = asyncio.LifoQueue()
        for connection in connections:
            await connection.close()

    async def answer(self, query: Query[R]) -> R:
        """Answer one question; waits for a free connection.

        Raises TypeError for something that is no question, DomainErrors of the question itself,
        StoreUnavailableError when the disk fails or the reader is closed.
        """
        if type(query) not in READERS:
            raise TypeError(f"the ledger has no answer to {type(query).__name__}")
        self._check_open()
        free = self._free
        connection = await free.get()
        try:
            reply: R = await self._run(connection, _answer, query)
        finally:
            free.put_nowait(connection)
        return reply

    async def answer_quick(self, queries: Sequence[Query[Any]]) -> list[Result]:
        """Answer many quick questions (``is_quick``) in one hop to a thread kept for them; in their order.

        A refusal touches only its own question. Raises StoreUnavailableError as :meth:`answer`, for all.
        """
        self._check_open()
        results: list[Result] = await self._run(self._all[0], _answer_all, queries)
        return results

    def _check_open(self) -> None:
        if not self._all:
            raise StoreUnavailableError("the database is closed")

    async def _run(
        self,
        connection: _ReadConnection,
        function: Callable[[sqlite3.Connection, Any, int], Any],
        question: Any,
    ) -> Any:
        """Run ``function`` in the thread of ``connection``; a failing disk is StoreUnavailableError."""
        try:
            return await connection.ask(function, question, self._now_s())
        except sqlite3.Error as error:
            if is_unavailable(error):
                raise StoreUnavailableError(f"the database cannot be read: {error}") from error
            raise

    def _connect(self) -> sqlite3.Connection:
        return connect(self._path, read_only=True, busy_timeout_ms=self._busy_timeout_ms)
