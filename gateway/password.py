"""Passwords of operators: argon2id (RFC 9106), checked beside the event loop, few at a time.

argon2 lets go of the interpreter's lock while it works, so a thread keeps the loop as free as a process
would, and the memory it needs stays bounded by the number of threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.problem import ProblemError

R = TypeVar("R")

THREADS = 2
WAITING_MAX = 16
"""Checks that may wait for a thread; more are refused."""
HASHER = PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=1, type=Type.ID)
"""RFC 9106's second recommendation (64 MiB, three passes), on one lane."""
NOBODY = "$argon2id$v=19$m=65536,t=3,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
"""A hash no password has; checked for names nobody has, so that they take as long."""


def is_right(password_hash: str, password: str) -> bool:
    """Whether ``password`` is the one of the hash. Some 0.2 s of work and 64 MiB."""
    try:
        return HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


class Passwords:
    """Hashes and checks in threads of its own."""

    def __init__(self) -> None:
        """No thread is started before the first check."""
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="password")
        self._waiting = 0

    async def is_right(self, password_hash: str, password: str) -> bool:
        """`is_right` beside the loop. Raises ProblemError ``rate_limited`` when too many wait."""
        return await self._run(is_right, password_hash, password)

    async def hash(self, password: str) -> str:
        """The hash to keep. Raises ProblemError ``rate_limited`` when too many wait."""
        return await self._run(HASHER.hash, password)

    def require_room(self) -> None:
        """Raises ProblemError ``rate_limited`` when too many wait."""
        if self._waiting >= WAITING_MAX:
            raise ProblemError("rate_limited", "Try again in 1 s.", headers={"Retry-After": "1"})

    async def _run(self, function: Callable[..., R], *arguments: str) -> R:
        self.require_room()
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, function, *arguments)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """End the threads; what they do ends first."""
        self._threads.shutdown(wait=False, cancel_futures=True)
