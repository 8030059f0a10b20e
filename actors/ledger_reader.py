"""Answers questions from read-only connections, beside the writer and never in its way."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from actors.answering import AnsweringActor
from actors.errors import Unavailable
from actors.inbox import Deferred
from actors.runtime import NO_REPLY
from ledger.errors import StoreUnavailableError
from ledger.queries import Query
from ledger.reader import LedgerReader, is_quick

logger = logging.getLogger(__name__)

BATCH_MAX = 64
"""Most quick questions answered in one go."""


class LedgerReaderActor(AnsweringActor):
    """Quick questions all at once, whatever waits of them; each other one in a child task.

    While a batch is read the next one gathers. The pool of connections bounds how many others run at once.

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
        if is_quick(message):
            batch = [self.defer(), *self.take_batch(BATCH_MAX - 1, is_quick)]
            await _answer_quick(self._reader, batch)
            return NO_REPLY
        return self.answer_beside(_ask(self._reader, message))

    async def on_cleanup(self) -> None:
        """Close the connections: an open one keeps the process from ending."""
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.close()


async def _answer_quick(reader: LedgerReader, batch: list[Deferred]) -> None:
    """Answer every question of a batch."""
    try:
        results = await reader.answer_quick([deferred.message for deferred in batch])
    except StoreUnavailableError as error:
        logger.error("the books cannot be read: %s", error)
        for deferred in batch:
            deferred.reject(Unavailable("the books cannot be read at the moment"))
        return
    for deferred, result in zip(batch, results, strict=True):
        if result.error is None:
            deferred.resolve(result.value)
        else:
            deferred.reject(result.error)


async def _ask(reader: LedgerReader, query: Query[Any]) -> object:
    """One answer."""
    try:
        return await reader.answer(query)
    except StoreUnavailableError as error:
        logger.error("the books cannot be read: %s", error)
        raise Unavailable("the books cannot be read at the moment") from error
