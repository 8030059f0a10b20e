"""The single writer: batches of commands as one SQL transaction in SQLite.

``apply_batch`` is one plain function, run by the ledger actor in one private thread; nothing else
writes. A command is answered only after COMMIT. Checkpoints run on a connection of their own.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from coins.failpoint import failpoint, failpoints
from ledger import dispatch, migrate
from ledger.commands import ApplyChainDelta, ApplyMempool, Command
from ledger.connection import BUSY_TIMEOUT_MS, connect, is_unavailable, make_private
from ledger.context import Tx
from ledger.dispatch import Result
from ledger.errors import StoreLockedError, StoreOpenError, StoreUnavailableError

DAY_S = 86_400
PRUNE_EVERY_S = 60
PRUNE_ROWS = 500
WAL_WAIT_MS = 100
LARGE = (ApplyChainDelta, ApplyMempool)
"""Commands that may change thousands of rows; all others change a few."""


class SqliteStore:
    """One SQLite database opened for writing by this process alone.

    ``last_event_sequence`` is that of the last event there is, those of earlier processes included.
    ``path`` of the database; ``now_s`` stamps its migrations; ``webhook_url`` gets a delivery per event,
    None for none; ``idempotency_keep_s`` is how long replies are kept; ``wal_limit_bytes`` is the size of
    the write-ahead log from which a batch waits for a checkpoint that empties it.
    """

    def __init__(
        self,
        path: Path,
        *,
        now_s: int,
        webhook_url: str | None = None,
        idempotency_keep_s: int = 7 * DAY_S,
        wal_limit_bytes: int = 256 * 1024 * 1024,
        busy_timeout_ms: int = BUSY_TIMEOUT_MS,
    ) -> None:
        """Only remember the settings; :meth:`open` touches the disk."""
        self.path = path
        self.webhook_url = webhook_url
        self.last_event_sequence = 0
        self._now_s = now_s
        self._idempotency_keep_s = idempotency_keep_s
        self._wal_limit_bytes = wal_limit_bytes
        self._wal_goal_bytes = wal_limit_bytes
        self._busy_timeout_ms = busy_timeout_ms
        self._db: sqlite3.Connection | None = None
        self._lock_fd: int | None = None
        self._tx: Tx | None = None
        self._pruned_at = 0
        self._savepoints_in = ""
        self._checkpoint_lock = threading.Lock()
        self._checkpoint_db: sqlite3.Connection | None = None

    # -- life -------------------------------------------------------------------------------------

    def open(self) -> None:
        """Take the lock, open the database, migrate it.

        Raises StoreLockedError (another server has it), StoreOpenError (folder or file unusable),
        MigrationError; nothing stays open then.
        """
        self._take_lock()
        try:
            make_private(self.path)
            self._db = connect(self.path, busy_timeout_ms=self._busy_timeout_ms)
            migrate.migrate(self._db, self.path, self._now_s, migrate.load())
            self._checkpoint_db = connect(self.path, busy_timeout_ms=self._busy_timeout_ms)
            self.last_event_sequence = _last_sequence(self._db)
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise StoreOpenError(f"cannot open the database {self.path}: {error}") from error
        except BaseException:
            self.close()
            raise
        self._savepoints_in = ""
        self._tx = Tx(self._db, self._now_s, self.webhook_url)

    def decimals(self) -> dict[str, int]:
        """Decimals of every currency there ever was, by name. Raises StoreUnavailableError when closed."""
        if self._db is None:
            raise StoreUnavailableError("the database is closed")
        return dict(self._db.execute("SELECT currency, decimals FROM coin ORDER BY currency"))

    def close(self) -> None:
        """Close the connections (SQLite then moves the log into the database) and free the lock."""
        with self._checkpoint_lock:
            if self._checkpoint_db is not None:
                self._checkpoint_db.close()
                self._checkpoint_db = None
        if self._db is not None:
            self._db.close()
            self._db = None
        self._tx = None
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    def _take_lock(self) -> None:
        """Lock ``{path}.lock`` for this process; the system frees it when the process ends."""
        lock_path = self.path.with_name(self.path.name + ".lock")
        try:
            fd = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreOpenError(
                f"cannot write in {self.path.parent.absolute()}: {error.strerror}"
            ) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise StoreLockedError(f"another server has the database {self.path} open") from error
            raise StoreOpenError(f"cannot lock {lock_path}: {error.strerror}") from error
        self._lock_fd = fd

    # -- work -------------------------------------------------------------------------------------

    def apply_batch(self, commands: Sequence[Command[Any]], now_s: int) -> list[Result]:
        """Carry out commands in order in one SQL transaction; one Result per command.

        A refusal undoes its own command alone. Raises, with everything rolled back:
        StoreUnavailableError (disk full or failing; a later batch may succeed), LedgerCorruptError, or
        whatever else a handler raised. When COMMIT itself was interrupted the outcome is decided by the
        database: rolled back here, and after a crash by what reached the disk.
        """
        if self._db is None or self._tx is None:
            raise StoreUnavailableError("the database is closed")
        db, tx = self._db, self._tx
        tx.now_s, tx.webhook_url = now_s, self.webhook_url
        failpoint("before-begin")
        try:
            self._bound_wal()
            self._place_savepoints(db, commands)
            db.execute("BEGIN IMMEDIATE")
            results = [dispatch.execute(tx, command) for command in commands]
            self._prune(db, now_s)
            last_sequence = _last_sequence(db)
            failpoints("before-commit", commands)
            db.execute("COMMIT")
        except BaseException as error:
            self._roll_back(db, tx)
            if isinstance(error, sqlite3.Error) and is_unavailable(error):
                raise StoreUnavailableError(f"the database cannot be written: {error}") from error
            raise
        failpoints("after-commit", commands)
        self.last_event_sequence = last_sequence
        return results

    def _roll_back(self, db: sqlite3.Connection, tx: Tx) -> None:
        """Undo the open SQL transaction, if SQLite has not done so by itself (disk full does)."""
        tx.forget_coins()
        self._pruned_at = 0
        if db.in_transaction:
            db.execute("ROLLBACK")

    def _place_savepoints(self, db: sqlite3.Connection, commands: Sequence[Command[Any]]) -> None:
        """Choose where SQLite keeps the pages that a command's savepoint may have to restore.

        In memory it saves a third of a small command's time, which goes into writing a file that nobody
        reads. But its list in memory is walked from the start at each statement: a block with thousands of
        payments would take time by their square.
        """
        place = "FILE" if any(isinstance(command, LARGE) for command in commands) else "MEMORY"
        if place != self._savepoints_in:
            db.execute(f"PRAGMA temp_store = {place}").fetchall()
            self._savepoints_in = place

    def _prune(self, db: sqlite3.Connection, now_s: int) -> None:
        """Now and then drop a bounded number of replies and nonces that can no longer matter.

        A nonce stays a day beyond the end of its signature, so that a clock set back does not make
        a spent one fresh.
        """
        if abs(now_s - self._pruned_at) < PRUNE_EVERY_S:
            return
        self._pruned_at = now_s
        db.execute(
            "DELETE FROM nonce WHERE (key_id, nonce) IN"
            " (SELECT key_id, nonce FROM nonce WHERE expires_at < ? LIMIT ?)",
            (now_s - DAY_S, PRUNE_ROWS),
        )
        db.execute(
            "DELETE FROM idempotency WHERE (owner, key) IN"
            " (SELECT owner, key FROM idempotency WHERE at < ? LIMIT ?)",
            (now_s - self._idempotency_keep_s, PRUNE_ROWS),
        )

    # -- write-ahead log ----------------------------------------------------------------------------

    @property
    def wal_bytes(self) -> int:
        """Size of the write-ahead log now."""
        try:
            return os.stat(f"{self.path}-wal").st_size
        except FileNotFoundError:
            return 0

    def checkpoint(self) -> None:
        """Copy committed pages into the database without waiting for anybody (PASSIVE).

        Safe from any thread beside :meth:`apply_batch`. Raises StoreUnavailableError.
        """
        with self._checkpoint_lock:
            if self._checkpoint_db is None:
                return
            failpoint("before-checkpoint")
            try:
                self._checkpoint_db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            except sqlite3.Error as error:
                if is_unavailable(error):
                    raise StoreUnavailableError(f"the database cannot be written: {error}") from error
                raise

    def _bound_wal(self) -> None:
        """When the log has outgrown its limit, empty it before the next batch.

        Waits for readers a moment only: one that holds on to an old state (a backup, an audit) delays
        this until the log has grown by a quarter more, and not every batch by the whole wait.
        """
        size = self.wal_bytes
        if size <= self._wal_goal_bytes or self._db is None:
            return
        with self._checkpoint_lock:
            self._db.execute(f"PRAGMA busy_timeout = {WAL_WAIT_MS}").fetchall()
            try:
                is_busy, _, _ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                self._db.execute(f"PRAGMA busy_timeout = {self._busy_timeout_ms}").fetchall()
        self._wal_goal_bytes = size + self._wal_limit_bytes // 4 if is_busy else self._wal_limit_bytes


def _last_sequence(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT coalesce(max(sequence), 0) FROM event").fetchone()[0])
