"""The signer's record of what it signed: an append-only file beside the seed, its own and nobody else's.

Written and synced before a signature leaves, read whole at start: caps and the rule that nothing is
paid twice hold across restarts. A missing or altered file is refused, for then nobody knows what has
left; ``run.py keys new-record`` begins a new one on purpose. Half a line at the end was never answered
for (a crash while writing) and is dropped. Whoever may write the file can put an older copy in its
place: no file can tell that of itself.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from coins.errors import SignerError
from coins.signer.entry import (
    Entry,
    EntryError,
    decode_entry,
    encode_entry,
    record_key,
    seal,
    unseal,
)
from coins.signer.errors import SignerStartError
from coins.signer.limits import DAY_S, Memory
from coins.signer.own_file import sync_folder, write_all, write_new

ENTRIES_KEPT = 50_000
"""Newest entries that a rewrite keeps, and all of the last day; it comes when there are twice as many."""
_HEADER = {"record": 1}


class RecordFileError(SignerStartError):
    """The record is missing, altered, of another seed, or cannot be read."""


def record_path(seed_file: Path) -> Path:
    """Where the record of a seed is: beside it."""
    return seed_file.with_name(f"{seed_file.name}.signed")


def create_record(path: Path, seed: bytes) -> None:
    """Begin an empty record (mode 0600), never over an existing one. Raises RecordFileError."""
    try:
        write_new(path, seal(record_key(seed), "", _HEADER)[0])
    except FileExistsError:
        raise RecordFileError(f"{path} exists: a record of signatures is never overwritten") from None
    except OSError as error:
        raise RecordFileError(f"cannot write {path}: {error.strerror}", 3) from None


class SignedRecord:
    """An open record. ``now`` gives unix seconds; time that goes back stands still here."""

    def __init__(self, path: Path, seed: bytes, now: Callable[[], float], kept: int = ENTRIES_KEPT) -> None:
        """Open, lock and verify. Raises RecordFileError."""
        self._path, self._key, self._clock, self._kept = path, record_key(seed), now, kept
        self._is_broken, self._size, self._mac = False, 0, ""
        self._handle = _open_own(path)
        try:
            self._entries = self._read()
        except BaseException:
            self.close()
            raise
        self.memory = Memory(self._entries)

    def now_s(self) -> int:
        """The time of the next entry."""
        last = self._entries[-1].at if self._entries else 0
        return max(int(self._clock()), last)

    def append(self, entry: Entry) -> None:
        """Remember a signature for good; raises SignerError, and then the signature must not leave."""
        if self._is_broken:
            raise SignerError("the record of signatures could not be written: restart the signer")
        if len(self._entries) >= 2 * self._kept:
            self._shorten()
        line, mac = seal(self._key, self._mac, encode_entry(entry))
        try:
            write_all(self._handle, line)
            os.fsync(self._handle)
        except OSError as error:
            self._undo()
            raise SignerError(f"the record of signatures cannot be written: {error.strerror}") from None
        self._size, self._mac = self._size + len(line), mac
        self._entries.append(entry)
        self.memory.add(entry)

    def close(self) -> None:
        """Let go of the file; nothing is written after."""
        os.close(self._handle)

    def _read(self) -> list[Entry]:
        """Every entry, verified; half a line at the end is cut off. Raises RecordFileError."""
        with os.fdopen(os.dup(self._handle), "rb") as file:
            lines = file.read().splitlines(keepends=True)
        torn = len(lines.pop()) if lines and not lines[-1].endswith(b"\n") else 0
        entries = []
        for number, line in enumerate(lines):
            try:
                body, self._mac = unseal(self._key, self._mac, line)
                if number == 0 and body != _HEADER:
                    raise EntryError("it is of another form")
                if number > 0:
                    entries.append(decode_entry(body))
            except (EntryError, KeyError, TypeError, ValueError) as error:
                raise RecordFileError(
                    f"the record of signatures {self._path} is not right at line {number + 1}: {error}"
                ) from None
        if not lines:
            raise RecordFileError(f"the record of signatures {self._path} is empty")
        self._size = sum(map(len, lines))
        if torn:
            os.ftruncate(self._handle, self._size)
        return entries

    def _undo(self) -> None:
        """Take back half a line; without that nothing may be written after it."""
        try:
            os.ftruncate(self._handle, self._size)
        except OSError:
            self._is_broken = True

    def _shorten(self) -> None:
        """Begin the file anew with what still counts. Raises SignerError; the old file is whole then."""
        newest = self._entries[-self._kept :]
        day = self._entries[-1].at - DAY_S
        kept = [entry for entry in self._entries[: -self._kept] if entry.at > day] + newest
        lines, mac = _sealed(self._key, kept)
        spare = self._path.with_name(f"{self._path.name}.new")
        try:
            spare.unlink(missing_ok=True)
            write_new(spare, b"".join(lines))
            handle = _open_own(spare)
            os.replace(spare, self._path)
            sync_folder(self._path.parent)
        except OSError as error:
            raise SignerError(f"the record of signatures cannot be shortened: {error.strerror}") from None
        self.close()
        self._handle, self._mac, self._size = handle, mac, sum(map(len, lines))
        self._entries = kept
        self.memory = Memory(kept)


def _sealed(key: bytes, entries: Iterable[Entry]) -> tuple[list[bytes], str]:
    """The lines of a record, and its last MAC."""
    line, mac = seal(key, "", _HEADER)
    lines = [line]
    for entry in entries:
        line, mac = seal(key, mac, encode_entry(entry))
        lines.append(line)
    return lines, mac


def _open_own(path: Path) -> int:
    """Handle of a file that only we may read, locked against another signer. Raises RecordFileError."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise RecordFileError(
            f"there is no record of signatures {path}: put it back, or begin a new one "
            "with `python run.py keys new-record`",
            3,
        ) from None
    except OSError as error:
        raise RecordFileError(f"cannot read the record of signatures {path}: {error.strerror}", 3) from None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077:
            raise RecordFileError(f"the record of signatures {path} is open to others: chmod 600 it")
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise RecordFileError(f"another signer writes {path}", 3) from None
    except BaseException:
        os.close(handle)
        raise
    return handle
