"""Answers questions from read-only connections, beside the writer and never in its way."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from actors.answering import AnsweringActor
from actors.errors import Unavailable
from ledger.errors import StoreUnavailableError
from ledger.queries import Query
from ledger.reader import LedgerReader

logger = logging.getLogger(__name__)


class LedgerReaderActor(AnsweringActor):
    """Each question in a child task; the pool of connections bounds how many run at once.

    A disk that fails is answered "not executed" and the actor lives; any other fault of the database
    ends it.
    """

    def __init__(self, open_reader: Callable[[], Awaitable[LedgerReader]]) -> None:
        """``open_reader`` opens the connections."""
        super().__init__()
        self._open_reader = open_reader
        self._reader: LedgerReader | None = None

    async def on_start(self) -> None:
        """Open the connections; the ledger has made the database before."""
        self._reader = await self._open_reader()

    async def on_receive(self, message: object) -> object:
        """Answer one question, without waiting for the others; a made-up cursor is refused."""
        if self._reader is None or not isinstance(message, Query):
            raise TypeError(f"{self.address} does not understand {message!r}")
        return self.answer_beside(_ask(self._reader, message))

    async def on_cleanup(self) -> None:
        """Close the connections: an open one keeps the process from ending."""
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.close()


async def _ask(reader: LedgerReader, query: Query[Any]) -> object:
    """One answer."""
    try:
        return await reader.answer(query)
    except StoreUnavailableError as error:
        logger.error("the books cannot be read: %s", error)
        raise Unavailable("the books cannot be read at the moment") from error
