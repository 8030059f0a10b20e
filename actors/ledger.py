"""The single writer: drains its inbox and commits everything it found in one SQL transaction."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor

from actors.clock import Clock
from actors.directory import Directory
from actors.errors import Unavailable
from actors.inbox import Deferred
from actors.messages import OutboxReady
from actors.runtime import NO_REPLY, AsyncioActor
from config.schema import LedgerSettings
from ledger.commands import Command
from ledger.errors import DomainError, StoreUnavailableError
from ledger.store import SqliteStore
from ledger.views import Outcome
from monitoring.metrics import Metrics

logger = logging.getLogger(__name__)


def private_thread() -> Executor:
    """The one thread that writes the database."""
    return ThreadPoolExecutor(1, thread_name_prefix="ledger")


class LedgerActor(AsyncioActor):
    """Owns the database. Replies leave after the commit, never before.

    One batch runs as one function in the actor's private thread; while it commits, the next batch
    gathers in the inbox. A refusal touches only its own message. A full or failing disk answers
    everybody "not executed" and the actor lives; any other fault crashes it, and the askers of that
    batch get ``OutcomeUnknown``.
    """

    def __init__(
        self,
        open_store: Callable[[], SqliteStore],
        directory: Directory,
        clock: Clock,
        settings: LedgerSettings,
        metrics: Metrics,
        make_thread: Callable[[], Executor] = private_thread,
    ) -> None:
        """``open_store`` opens the database; it is called in the one thread of ``make_thread``."""
        super().__init__()
        self.actor_inbox.limit = settings.inbox_max
        self._open_store = open_store
        self._directory = directory
        self._clock = clock
        self._batch_max = settings.batch_max
        self._checkpoint_s = settings.checkpoint_interval_s
        self._metrics = metrics
        self._thread = make_thread()
        self._store: SqliteStore | None = None
        self._last_sequence = 0

    async def on_start(self) -> None:
        """Open the database: lock, migrations, settings."""
        loop = asyncio.get_running_loop()
        store = await loop.run_in_executor(self._thread, self._open)
        if self._metrics.counted_sequence is None:
            # What this process brings about is counted, and nothing that was there before.
            self._metrics.counted_sequence = store.last_event_sequence
        self.spawn(self._checkpoints(store), "checkpoint")

    def _open(self) -> SqliteStore:
        """In the private thread: :meth:`_close` knows what was opened even when nobody waited for it."""
        self._store = self._open_store()
        return self._store

    def _close(self) -> None:
        """In the private thread, behind whatever still runs there."""
        store, self._store = self._store, None
        if store is not None:
            store.close()

    async def _checkpoints(self, store: SqliteStore) -> None:
        """Move committed pages into the database beside the writer, which never waits for it."""
        while True:
            await self._clock.sleep(self._checkpoint_s)
            try:
                await asyncio.to_thread(store.checkpoint)
            except StoreUnavailableError as error:
                logger.error("no checkpoint now: %s", error)

    async def on_receive(self, message: object) -> object:
        """Commit this command and all that wait behind it."""
        if not isinstance(message, Command):
            raise TypeError(f"{self.address} does not understand {message!r}")
        batch = [self.defer(), *self.take_batch(self._batch_max - 1, _is_command)]
        await self._commit(batch)
        return NO_REPLY

    async def _commit(self, batch: list[Deferred]) -> None:
        """Apply in order, commit once, then answer each."""
        if self._store is None:
            raise AssertionError("the ledger takes messages after its start only")
        loop = asyncio.get_running_loop()
        commands = [deferred.message for deferred in batch]
        began = loop.time()
        try:
            results = await loop.run_in_executor(
                self._thread, self._store.apply_batch, commands, self._clock.now_s()
            )
        except StoreUnavailableError as error:
            logger.error("the ledger cannot write: %s", error)
            self._metrics.ledger_batch(len(batch), loop.time() - began, is_committed=False)
            for deferred in batch:
                deferred.reject(Unavailable("the ledger cannot write at the moment"))
            return
        self._metrics.ledger_batch(len(batch), loop.time() - began, is_committed=True)
        for deferred, result in zip(batch, results, strict=True):
            self._answer(deferred, result.value, result.error)
        self._tell_outbox(self._store.last_event_sequence)

    def _answer(self, deferred: Deferred, value: object, error: DomainError | None) -> None:
        """Give one asker what became of its command."""
        name = type(deferred.message).__name__
        if error is not None:
            self._metrics.ledger_command(name, "refused")
            deferred.reject(error)
            return
        is_replay = isinstance(value, Outcome) and value.is_replayed
        self._metrics.ledger_command(name, "replayed" if is_replay else "done")
        deferred.resolve(value)

    def _tell_outbox(self, sequence: int) -> None:
        """Hint to those who carry events on; they find lost hints again on their tick."""
        if sequence > self._last_sequence:
            self._last_sequence = sequence
            for name in ("notifier", "gateway"):
                self._directory.tell(name, OutboxReady(sequence))

    async def on_cleanup(self) -> None:
        """Close behind the batch that may still run; the successor opens the file anew."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)


def _is_command(message: object) -> bool:
    return isinstance(message, Command)
