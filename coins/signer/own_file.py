"""Files that only the signer's user may read, on the disk before anybody relies on them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from coins.signer.errors import SignerStartError


class OwnFileError(SignerStartError):
    """A file that only its owner may read is missing, open to others, too large or no file."""


def read_own(path: Path, kind: str, size_max: int) -> bytes:
    """Content of a file that only its owner may read; ``kind`` is what to call it. Raises OwnFileError."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise OwnFileError(f"the {kind} {path} is no regular file")
            if status.st_mode & 0o077:
                raise OwnFileError(f"the {kind} {path} may be read by others: chmod 600 it")
            data = file.read(size_max + 1)
    except FileNotFoundError:
        raise OwnFileError(f"there is no {kind} {path}", 3) from None
    except OSError as error:
        raise OwnFileError(f"cannot read the {kind} {path}: {error.strerror}", 3) from None
    if len(data) > size_max:
        raise OwnFileError(f"{path} is too large for a {kind}")
    return data


def write_new(path: Path, data: bytes) -> None:
    """Write a new file (mode 0600; its folder 0700 if it is missing) and sync it with its name.

    Raises FileExistsError when there is one already, OSError when it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(path, flags, 0o600)
    try:
        write_all(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)
    sync_folder(path.parent)


def write_all(handle: int, data: bytes) -> None:
    """Write every byte. Raises OSError."""
    while data:
        data = data[os.write(handle, data) :]


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
