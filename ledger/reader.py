"""The read side: questions answered from read-only connections, never in the writer's way.

Each question is one function run in a connection's own thread, inside one SQL transaction: it sees
one state of the books, and being cancelled cannot leave a transaction open.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from ledger import reader_books, reader_client, reader_list
from ledger.connection import BUSY_TIMEOUT_MS, connect, is_unavailable
from ledger.errors import StoreOpenError, StoreUnavailableError
from ledger.queries import Query
from ledger.snapshot import Snapshot

R = TypeVar("R")

READERS: dict[type[Any], Callable[[Snapshot, Any], Any]] = {
    **reader_books.READERS,
    **reader_client.READERS,
    **reader_list.READERS,
}


class _ReadConnection(aiosqlite.Connection):
    """A connection that runs a whole question in one hop to its thread."""

    async def ask(self, function: Callable[[Snapshot, Any], Any], query: Any, now_s: int) -> Any:
        """Run ``function`` in the connection's thread on one snapshot."""
        return await self._execute(  # type: ignore[no-untyped-call]  # for subclasses, without types
            _in_snapshot, self._conn, function, query, now_s
        )


def _in_snapshot(
    db: sqlite3.Connection, function: Callable[[Snapshot, Any], Any], query: Any, now_s: int
) -> Any:
    db.execute("BEGIN")
    try:
        return function(Snapshot(db, now_s), query)
    finally:
        db.execute("ROLLBACK")


class LedgerReader:
    """A small pool of read-only connections on ``path``; ``now_s`` is the clock that was handed in."""

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
            for _ in range(self._count):
                connection = _ReadConnection(self._connect, iter_chunk_size=64)
                await connection
                self._all.append(connection)
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
        function = READERS.get(type(query))
        if function is None:
            raise TypeError(f"the ledger has no answer to {type(query).__name__}")
        if not self._all:
            raise StoreUnavailableError("the database is closed")
        free = self._free
        connection = await free.get()
        try:
            reply: R = await connection.ask(function, query, self._now_s())
        except sqlite3.Error as error:
            if is_unavailable(error):
                raise StoreUnavailableError(f"the database cannot be read: {error}") from error
            raise
        finally:
            free.put_nowait(connection)
        return reply

    def _connect(self) -> sqlite3.Connection:
        return connect(self._path, read_only=True, busy_timeout_ms=self._busy_timeout_ms)
