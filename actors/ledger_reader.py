"""Answers questions from read-only connections, beside the writer and never in its way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ledger.reader import LedgerReader

from actors.inbox import Deferred
from actors.runtime import NO_REPLY, AsyncioActor
from ledger.errors import DomainError
from ledger.queries import Query


class LedgerReaderActor(AsyncioActor):
    """Each question in a child task; the pool of connections bounds how many run at once."""

    def __init__(self, open_reader: Callable[[], Awaitable[LedgerReader]]) -> None:
        """``open_reader`` opens the connections."""
        super().__init__()
        self._open_reader = open_reader
        self._reader: LedgerReader | None = None

    async def on_start(self) -> None:
        """Open the connections; the ledger has made the database before."""
        self._reader = await self._open_reader()

    async def on_receive(self, message: object) -> object:
        """Answer one question, without waiting for the others."""
        if self._reader is None or not isinstance(message, Query):
            raise TypeError(f"{self.address} does not understand {message!r}")
        self.spawn(self._answer(self._reader, message, self.defer()), "query")
        return NO_REPLY

    async def _answer(self, reader: LedgerReader, query: Query[object], deferred: Deferred) -> None:
        """Refusals (a made-up cursor) are answers; a fault of the database ends the actor."""
        try:
            deferred.resolve(await reader.answer(query))
        except DomainError as refusal:
            deferred.reject(refusal)

    async def on_cleanup(self) -> None:
        """Close the connections: an open one keeps the process from ending."""
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.close()
