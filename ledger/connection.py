"""How a connection to the database is opened: the same settings on every one, reader or writer."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

Database = sqlite3.Connection
"""A connection, for those who run SQL but do not open the file."""

BUSY_TIMEOUT_MS = 5_000

WRITER_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    # NORMAL may lose acknowledged commits at a power cut; an acknowledged payout must not be forgotten.
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    # Without it INSERT OR REPLACE deletes rows past the append-only triggers.
    "PRAGMA recursive_triggers = ON",
    "PRAGMA cell_size_check = ON",
    "PRAGMA trusted_schema = OFF",
    # 64 MiB of pages instead of 2: the upper levels of every index of a grown database stay at hand.
    "PRAGMA cache_size = -65536",
    # Checkpoints run beside the writer, never inside one of its commits.
    "PRAGMA wal_autocheckpoint = 0",
)
"""Settings that are per connection and off by default, or that SQLite would decide otherwise."""

READER_PRAGMAS = (*WRITER_PRAGMAS[1:], "PRAGMA query_only = ON")
"""As the writer's; the journal mode is a property of the file and a read-only connection only follows it."""

UNAVAILABLE_CODES = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY})
"""Primary result codes that speak of the disk or of a neighbour, not of the books."""


def connect(path: Path, *, read_only: bool = False, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> Database:
    """Open ``path`` with all settings and explicit SQL transactions.

    ``busy_timeout_ms`` is how long a statement waits for a lock of another connection. The connection
    may be used from another thread than this one, by one thread at a time. Raises sqlite3.Error.
    """
    mode = "ro" if read_only else "rwc"
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=512,
    )
    try:
        db.execute(f"PRAGMA busy_timeout = {int(busy_timeout_ms)}").fetchall()
        for pragma in READER_PRAGMAS if read_only else WRITER_PRAGMAS:
            db.execute(pragma).fetchall()
    except BaseException:
        db.close()
        raise
    return db


def scratch() -> Database:
    """An empty database of our own that nobody else sees: in memory, in a nameless file where it grows."""
    return sqlite3.connect("", isolation_level=None)


def make_private(path: Path) -> None:
    """Make an empty file that only we may read; SQLite gives its log the same permissions. Raises OSError.

    A file that is there keeps what its owner decided.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


DAMAGED = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What reading a file ends with that is damaged, or no database: also its words for it may be damaged."""


def is_unavailable(error: sqlite3.Error) -> bool:
    """Whether an error is of the disk (full, failing) rather than of what was asked."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in UNAVAILABLE_CODES


def is_disk_fault(error: Exception) -> bool:
    """As :func:`is_unavailable`, for an error that may not be of the database at all."""
    return isinstance(error, sqlite3.Error) and is_unavailable(error)
