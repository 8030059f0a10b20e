"""Requests through the whole house, beside a bare aiohttp handler on the same kind of books.

    python -m tests.benchmarks.bench_gateway

Ours is the real gateway, directory, reader and ledger actors. The bare handler does the same
authentication (and, for a transfer, the same check of the signature) and the same SQL through aiosqlite, with
nothing between; a transfer is one SQL transaction per request there. 64 clients, in a process of their own.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite
from aiohttp import web

from actors.clock import SystemClock
from actors.directory import Directory
from actors.ledger_reader import LedgerReaderActor
from gateway import signature
from gateway.app import make_app, make_runner
from gateway.secret import signing_secret
from gateway.token import NewKey, new_key, token_hash
from ledger.commands import CreateKey, Idempotency, PostTransfer, SpentNonce
from ledger.connection import connect
from ledger.reader import LedgerReader
from ledger.store import SqliteStore
from monitoring.metrics import Metrics
from tests.benchmarks.bench_ledger import make_filled, running_ledger
from tests.benchmarks.books import client_name
from tests.benchmarks.http_load import pack
from tests.benchmarks.statements import GroupCommit, OneEach
from tests.benchmarks.table import Row, row
from tests.gateway.fake import SECRET, load_settings
from tests.ledger.books import NOW, do

CLIENTS = 10_000
CONNECTIONS = 64
ROUNDS = 5
READS, TRANSFERS, TRANSFERS_ONE_EACH = 3_000, 3_000, 600
READ_BAR, TRANSFER_BAR = 0.7, 4.0
KEY_SQL = "SELECT id, website, scopes, revoked_at FROM api_key WHERE key_hash = ?"
BALANCES_SQL = "SELECT name, balance FROM account WHERE client_id = ?"


class BareHandlers:
    """What one would write in an afternoon: authenticate, read or write, answer."""

    def __init__(self, reader: aiosqlite.Connection, writer: OneEach | GroupCommit) -> None:
        """``reader`` is a read-only connection, ``writer`` commits transfers one by one or together."""
        self._reader = reader
        self._writer = writer

    async def _key(self, request: web.Request, scope: str) -> tuple[str, str]:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        digest = hashlib.sha256(token.encode()).hexdigest()
        ((key_id, website, scopes, revoked_at),) = await self._reader.execute_fetchall(KEY_SQL, (digest,))
        if revoked_at is not None or scope not in json.loads(scopes):
            raise web.HTTPForbidden
        return key_id, website

    async def balances(self, request: web.Request) -> web.Response:
        """The balances of a client, all currencies of eight decimals."""
        await self._key(request, "read")
        client_id = request.match_info["client_id"]
        parts: dict[str, dict[str, int]] = {}
        for name, balance in await self._reader.execute_fetchall(BALANCES_SQL, (client_id,)):
            _, _, currency, part = name.split(":")
            parts.setdefault(currency, {})[part] = int(balance)
        data = [
            {"currency": currency}
            | {part: f"{amount // 10**8}.{amount % 10**8:08d}" for part, amount in amounts.items()}
            for currency, amounts in parts.items()
        ]
        return web.json_response({"data": data})

    async def transfer(self, request: web.Request) -> web.Response:
        """A signed transfer, committed by itself."""
        key_id, website = await self._key(request, "transfers")
        raw = await request.read()
        given = request.headers[signature.HEADER]
        t, n, _ = (part.partition("=")[2] for part in given.split(","))
        text = f"{t}.{n}.POST.{request.path}.{hashlib.sha256(raw).hexdigest()}"
        expected = hmac.new(
            signing_secret(SECRET, key_id).encode(), text.encode(), hashlib.sha256
        ).hexdigest()
        if not hmac.compare_digest(given, f"t={t},n={n},v1={expected}"):
            raise web.HTTPUnauthorized
        body = json.loads(raw)
        whole, _, fraction = body["amount"].partition(".")
        request_hash = hashlib.sha256(f"POST\n{request.path}\n{json.dumps(body, sort_keys=True)}".encode())
        command = PostTransfer(
            id=f"tr_{secrets.token_hex(16)}",
            website=website,
            source=body["from"],
            target=body["to"],
            currency=body["currency"],
            amount=int(whole + fraction.ljust(8, "0")),
            external_id=body["external_id"],
            reason=body["reason"],
            by=f"key:{key_id}",
            idempotency=Idempotency(
                f"website:{website}", request.headers["Idempotency-Key"], request_hash.hexdigest()
            ),
            nonce=SpentNonce(key_id, n, int(t) + 360),
        )
        view = await self._writer.post(command, int(time.time()))
        return web.Response(text=view, status=201, content_type="application/json")


@asynccontextmanager
async def bare(path: Path) -> AsyncIterator[int]:
    """The bare server on its own books; its port."""
    reader = await aiosqlite.Connection(lambda: connect(path, read_only=True), iter_chunk_size=64)
    writer = await aiosqlite.Connection(lambda: connect(path), iter_chunk_size=64)
    handlers = BareHandlers(reader, OneEach(writer))
    app = web.Application()
    app.router.add_get("/v1/clients/{client_id}/balances", handlers.balances)
    app.router.add_post("/v1/transfers", handlers.transfer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
        await reader.close()
        await writer.close()


@asynccontextmanager
async def ours(path: Path) -> AsyncIterator[int]:
    """The house on its own books; its port."""
    many = 10**9
    settings = load_settings(key_rate_per_s=1e6, key_burst=many, ip_rate_per_s=1e6, ip_burst=many)
    clock, metrics, directory = SystemClock(), Metrics(), Directory()

    async def open_reader() -> LedgerReader:
        return await LedgerReader(path, now_s=clock.now_s).open()

    async with running_ledger(path, directory):
        reader = LedgerReaderActor.start(open_reader)
        directory.up("ledger_reader", reader)
        app = make_app(settings, directory, metrics, clock, secrets.token_bytes, SECRET)
        runner = make_runner(app, settings.gateway)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()
            await reader.stop(block=False)


def read_request(key: NewKey, number: int) -> bytes:
    """GET of a client's balances."""
    return (
        f"GET /v1/clients/{client_name(number % CLIENTS)}/balances HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {key.token}\r\n\r\n"
    ).encode()


def transfer_request(key: NewKey, run: str, number: int, clients: int = CLIENTS) -> bytes:
    """A signed POST of a transfer."""
    body = json.dumps(
        {
            "from": client_name(number % clients),
            "to": client_name((number + 1) % clients),
            "currency": "BTC",
            "amount": "0.00000123",
            "external_id": f"{run}-{number}",
            "reason": "bet",
        }
    ).encode()
    return signed_post(
        key.token, signing_secret(SECRET, key.id), "/v1/transfers", f"{run}-{number:08d}", body
    )


def signed_post(token: str, secret: str, target: str, name: str, body: bytes) -> bytes:
    """A signed POST; ``name`` is its nonce and its idempotency key."""
    signed = signature.sign(
        secret, signed_at=int(time.time()), nonce=name, method="POST", target=target, body=body
    )
    head = (
        f"POST {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Idempotency-Key: {name}\r\n{signature.HEADER}: {signed}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def rate(port: int, requests: list[bytes], status: int) -> float:
    """Requests per second; every one must be answered with ``status``."""
    return (await answered(port, requests, status))[0]


async def answered(port: int, requests: list[bytes], status: int) -> tuple[float, list[float]]:
    """Requests per second, and seconds that each reply took; every one must be answered with ``status``."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.http_load", str(port), str(CONNECTIONS),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate(pack(requests))
    result: dict[str, Any] = json.loads(out)
    if result["statuses"] != {str(status): len(requests)}:
        raise AssertionError(f"unexpected answers: {result['statuses']}")
    return len(requests) / float(result["seconds"]), list(result["waits"])


async def _measure(ours_path: Path, bare_path: Path, key: NewKey) -> tuple[list[float], list[float]]:
    """Medians of (ours, bare, ratio) for reads and for transfers."""
    reads: list[tuple[float, float]] = []
    transfers: list[tuple[float, float]] = []
    read = [read_request(key, number) for number in range(READS)]
    async with ours(ours_path) as our_port, bare(bare_path) as bare_port:
        for number in range(ROUNDS + 1):
            pair = (await rate(our_port, read, 200), await rate(bare_port, read, 200))
            posts = [transfer_request(key, f"run{number}", n) for n in range(TRANSFERS)]
            ours_rate = await rate(our_port, posts, 201)
            bare_rate = await rate(bare_port, posts[:TRANSFERS_ONE_EACH], 201)
            if number:  # the first round warms up
                reads.append(pair)
                transfers.append((ours_rate, bare_rate))
    return _medians(reads), _medians(transfers)


def _medians(pairs: list[tuple[float, float]]) -> list[float]:
    columns: list[Callable[[tuple[float, float]], float]] = [
        lambda p: p[0],
        lambda p: p[1],
        lambda p: p[0] / p[1],
    ]
    return [statistics.median(column(pair) for pair in pairs) for column in columns]


def _books(folder: Path) -> tuple[Path, Path, NewKey]:
    """Two copies of the same books, with one key."""
    first = folder / "ours"
    first.mkdir()
    path = make_filled(first, CLIENTS)
    key = make_key(path)
    shutil.copytree(first, folder / "bare")
    return path, folder / "bare" / path.name, key


def make_key(path: Path) -> NewKey:
    """A website key in books that nobody has open."""
    key = new_key(secrets.token_bytes)
    store = SqliteStore(path, now_s=NOW)
    store.open()
    do(store, CreateKey(key.id, "shop", token_hash(key.token), ("read", "transfers"), "bench"))
    store.close()
    return key


def rows() -> list[Row]:
    """The table's rows."""
    with tempfile.TemporaryDirectory(prefix="cashier-bench-") as folder:
        reads, transfers = asyncio.run(_measure(*_books(Path(folder))))
    return [
        row("GET balance over HTTP, 64 clients", f"{reads[0]:,.0f}/s",
            f"a bare aiohttp handler with the same authentication and read: {reads[1]:,.0f}/s", reads[2],
            at_least=READ_BAR),
        row("POST transfer over HTTP, committed, 64 clients, FULL", f"{transfers[0]:,.0f}/s",
            f"the same write as one aiosqlite transaction per request: {transfers[1]:,.0f}/s", transfers[2],
            at_least=TRANSFER_BAR),
    ]  # fmt: skip


if __name__ == "__main__":
    for each in rows():
        print(each)
