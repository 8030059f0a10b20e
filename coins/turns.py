"""Long work gives way: what people wait for goes first on the one event loop.

Reading a full block takes tens of milliseconds, an answer to a client two or three. Between two steps of
a block everything that waits gets one turn of the loop, but an answer needs many: so the steps rest
while answers are being made, within a bound, which keeps callers from holding up the chain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

REST_MAX_S = 0.005  # between two steps of about a millisecond


class Turns:
    """Who is served now, and who has time."""

    def __init__(self) -> None:
        self._served = 0
        self._is_quiet = asyncio.Event()
        self._is_quiet.set()

    @contextmanager
    def first(self) -> Iterator[None]:
        """Somebody waits for what happens inside."""
        self._served += 1
        self._is_quiet.clear()
        try:
            yield
        finally:
            self._served -= 1
            if not self._served:
                self._is_quiet.set()

    async def rest(self) -> None:
        """Between two steps of long work: let others have a turn, and rest while somebody is served."""
        await asyncio.sleep(0)
        if self._served:
            try:
                async with asyncio.timeout(REST_MAX_S):
                    await self._is_quiet.wait()
            except TimeoutError:
                return
