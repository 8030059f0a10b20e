"""The base of everything one actor may ask another, with the type of its reply. Pure.

A command that moves money for a caller carries :class:`Idempotency` and, for signed requests,
:class:`SpentNonce`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

R = TypeVar("R", covariant=True)


class Request(Generic[R]):
    """A frozen message whose reply has the type ``R``.

    ``receiver`` is the directory name that answers it (``ledger``, ``watcher`` …); where one
    actor runs per currency the name is completed with ``:{currency}`` by the caller.
    """

    receiver: ClassVar[str]


@dataclass(frozen=True, slots=True)
class Idempotency:
    """``owner`` scopes the key (``key:…``, ``session:…``); ``request_hash`` is over method, path and
    parsed body. Same key, other hash: IdempotencyKeyReusedError."""

    owner: str
    key: str
    request_hash: str


@dataclass(frozen=True, slots=True)
class SpentNonce:
    """A signature nonce that must not have been used by this key; stays used if the command is refused."""

    key_id: str
    nonce: str
    expires_at: int


class Command(Request[R], Generic[R]):
    """A request to the single writer."""

    receiver: ClassVar[str] = "ledger"
