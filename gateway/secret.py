"""The gateway's own secret and what is derived from it, so that nothing derived needs to be stored.

From the secret follow the signing secret of every website key, the one-time code of every client session
and what an operator's authenticator app is given; whoever reads the database alone can make none of them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import stat
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

SECRET_BYTES = 32
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class GatewaySecretError(Exception):
    """The secret file cannot be used; the text says why and shows no content."""


def load_or_create(path: Path, random_bytes: Callable[[int], bytes]) -> bytes:
    """The secret in ``path`` (64 hex digits); a missing file is made, readable by its owner only.

    Two processes that start at once get the same secret. Raises GatewaySecretError when the file cannot be
    read or made, holds something else, or is open to other users of the machine.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _create(path, random_bytes(SECRET_BYTES))
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(4 * SECRET_BYTES)
    except OSError as error:
        raise GatewaySecretError(f"cannot use {path}: {error.strerror}") from None
    if mode & _OTHERS:
        raise GatewaySecretError(f"{path} is open to other users (mode {mode:04o}): run chmod 600 on it")
    try:
        secret = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise GatewaySecretError(f"{path} does not hold {2 * SECRET_BYTES} hex digits")
    return secret


def _create(path: Path, secret: bytes) -> None:
    """Write beside, flush, then link into place: the file is there whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secret.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        return  # another process was first: its secret is the one
    finally:
        draft.unlink()


@lru_cache(maxsize=1024)
def signing_secret(secret: bytes, key_id: str) -> str:
    """The secret (64 hex digits) a website signs its money-moving requests with, by its key's id."""
    return _derive(secret, f"signing:{key_id}")


def key_secret(secret: bytes, key_id: str, salt: str) -> str:
    """The secret part (64 hex digits) of a website key made over the API, so that a repeat gives the same.

    ``salt`` is the request's Idempotency-Key: once that is forgotten nothing that is kept makes it again.
    """
    return _derive(secret, f"key:{key_id}:{salt}")


def session_code(secret: bytes, session_id: str) -> str:
    """The one-time code of a client session: derived, so that a repeated request is given the same one."""
    return _derive(secret, f"code:{session_id}")


def command_token(secret: bytes) -> str:
    """The bearer token (64 hex digits) with which the command line asks the running cashier to compare."""
    return _derive(secret, "command:reconcile")


def totp_secret(secret: bytes, operator_id: str, salt: str) -> str:
    """The secret of an operator's one-time codes (160 bits as base32, RFC 4226), by his id and his salt."""
    return base64.b32encode(bytes.fromhex(_derive(secret, f"totp:{operator_id}:{salt}"))[:20]).decode()


def first_password(secret: bytes, operator_id: str, salt: str) -> str:
    """The password (120 bits) an operator is given by an admin: derived, so that a repeat gives the same."""
    digest = bytes.fromhex(_derive(secret, f"password:{operator_id}:{salt}"))
    return base64.b32encode(digest[:15]).decode().lower()


def _derive(secret: bytes, purpose: str) -> str:
    return hmac.new(secret, purpose.encode(), hashlib.sha256).hexdigest()
