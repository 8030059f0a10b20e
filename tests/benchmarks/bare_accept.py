"""A bare handler that takes signed transfers, in a process of its own.

    python -m tests.benchmarks.bare_accept DATABASE

The authentication is the product's (the key is looked up once for all who ask at the same time, nonces are
spent in the commit), the transfer is the SQL by hand, committed together with all that came meanwhile.
Prints its port.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from pathlib import Path

import aiosqlite
from aiohttp import web

from gateway.lookup import Lookups
from ledger.connection import connect
from tests.benchmarks.bench_gateway import BareHandlers
from tests.benchmarks.bench_ledger import checkpoints
from tests.benchmarks.statements import GroupCommit


class SharingHandlers(BareHandlers):
    """Many requests with one key share one lookup of it, never an older one than they asked for."""

    _lookups = Lookups()

    async def _key(self, request: web.Request, scope: str) -> tuple[str, str]:
        digest = hashlib.sha256(request.headers["Authorization"].encode()).hexdigest()
        return await self._lookups.get(digest, lambda: super(SharingHandlers, self)._key(request, scope))


async def serve(path: Path) -> None:
    """Until the process is ended."""
    reader = await aiosqlite.Connection(lambda: connect(path, read_only=True), iter_chunk_size=64)
    writer = connect(path)
    # As the product has it for such batches: the pages of savepoints stay in memory.
    writer.execute("PRAGMA temp_store = MEMORY").fetchall()
    handlers = SharingHandlers(reader, GroupCommit(writer))
    app = web.Application()
    app.router.add_post("/v1/transfers", handlers.transfer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    database = Path(sys.argv[1])
    with checkpoints(database):
        asyncio.run(serve(database))
