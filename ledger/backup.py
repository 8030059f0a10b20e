"""A copy of the database beside whoever writes to it: one state of the books, audited before it counts.

The pages are copied while one read transaction is open, so what is committed meanwhile is not in the copy,
and nobody waits for it. The copy is one file, readable by its owner alone, and has its name only when it is
whole, on the disk and audited.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ledger.connection import connect
from ledger.errors import StoreOpenError, StoreUnavailableError
from ledger.verify import Finding, verify_file

PAGES = 1_024
"""Pages copied between two words about how far it is (4 MiB)."""

OnStep = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy that lies in its place: where its journal ends, and what the audit of the copy found.

    ``hash`` is that of the last entry, hexadecimal; what is wrong with the copy is wrong with the books.
    """

    path: str
    size_bytes: int
    last_entry: int
    hash: str
    findings: tuple[Finding, ...]


def back_up(source: Path, target: Path, on_step: OnStep) -> Backup:
    """Copy the database, also beside a server, and audit the copy; ``target`` must not be there.

    ``on_step`` is told ``copy`` and ``audit`` with how much is done, and of how much. Raises StoreOpenError
    (there is no database, or a file of the copy's name) and StoreUnavailableError (the disk is full or
    fails); then nothing is left behind.
    """
    if not source.exists():
        raise StoreOpenError(f"there is no database {source} yet")
    part = target.with_name(f"{target.name}.part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        raise StoreOpenError(f"{part} is left of a backup that was broken off: remove it") from None
    except OSError as error:
        raise StoreOpenError(f"{part} cannot be written: {error.strerror}") from error
    try:
        _copy(source, part, lambda done, total: on_step("copy", done, total))
        last_entry, last_hash = _end(part)
        findings = verify_file(part, lambda done, total: on_step("audit", done, total))
        _flush(part)
        os.link(part, target)
    except FileExistsError:
        raise StoreOpenError(f"{target} exists already: a backup writes over nothing") from None
    except (sqlite3.Error, OSError) as error:
        raise StoreUnavailableError(f"{target} cannot be made: {error}") from error
    finally:
        part.unlink()
    _flush(target.parent)
    return Backup(str(target), target.stat().st_size, last_entry, last_hash, tuple(findings))


def _copy(source: Path, part: Path, on_page: Callable[[int, int], None]) -> None:
    """Copy the pages of one state; the copy keeps no log beside itself."""
    with closing(connect(source, read_only=True)) as db, closing(sqlite3.connect(part)) as copy:
        # While this transaction is open another writer's commits do not make the copying begin again.
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        db.backup(copy, pages=PAGES, progress=lambda _, left, total: on_page(total - left, total))
        db.execute("ROLLBACK")
        copy.execute("PRAGMA journal_mode = DELETE").fetchall()


def _end(part: Path) -> tuple[int, str]:
    """Number and hash of the last entry of the copy; 0 and nothing where its journal is empty."""
    with closing(connect(part, read_only=True)) as db:
        row = db.execute("SELECT id, hex(hash) FROM journal ORDER BY id DESC LIMIT 1").fetchone()
    return (row[0], row[1].lower()) if row else (0, "")


def _flush(path: Path) -> None:
    """Write a file, or the names in a folder, through to the disk."""
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)
