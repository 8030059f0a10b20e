"""Where secrets come from, and how they stay hidden."""

import stat
from pathlib import Path

from pydantic import SecretStr

from config.fields import Section

__all__ = ["MASK", "SecretFileError", "read_value_file", "secret_values"]

MASK = "********"
"""What is shown instead of a secret, whatever its length."""

_VALUE_LIMIT = 65_536
_OTHERS = stat.S_IROTH | stat.S_IWOTH


class SecretFileError(Exception):
    """A file that should hold one value cannot be used; the text says why and shows no content."""


def read_value_file(path: Path, *, is_secret: bool) -> str:
    """Read one value from a file, without the newline at its end.

    Raises SecretFileError when the file is missing, unreadable, no regular file, empty, no UTF-8, too
    large, or when it holds a secret and every user of the machine may read or write it.
    """
    try:
        with path.open("rb") as file:
            info = path.stat()
            if not stat.S_ISREG(info.st_mode):
                raise SecretFileError(f"{path} is not a regular file")
            if is_secret and info.st_mode & _OTHERS:
                raise SecretFileError(
                    f"{path} can be read by every user of this machine "
                    f"(mode {stat.S_IMODE(info.st_mode):04o}): run chmod 600 on it"
                )
            raw = file.read(_VALUE_LIMIT + 1)
    except OSError as error:
        raise SecretFileError(f"cannot read {path}: {error.strerror}") from None
    if len(raw) > _VALUE_LIMIT:
        raise SecretFileError(f"{path} is larger than {_VALUE_LIMIT} bytes")
    try:
        text = raw.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise SecretFileError(f"{path} is not UTF-8 text") from None
    if not text or "\0" in text:
        raise SecretFileError(f"{path} is empty" if not text else f"{path} is not text")
    return text


def secret_values(settings: Section) -> tuple[str, ...]:
    """Give every secret of a configuration in clear, for the log's redaction only."""
    found: list[str] = []
    for value in (getattr(settings, name) for name in type(settings).model_fields):
        if isinstance(value, SecretStr):
            found.append(value.get_secret_value())
        elif isinstance(value, Section):
            found.extend(secret_values(value))
        elif isinstance(value, dict):
            for item in value.values():
                found.extend(secret_values(item))
    return tuple(found)
