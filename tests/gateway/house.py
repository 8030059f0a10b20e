"""The gateway on a real ledger, on a free port, with a clock that a test moves."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pyotp
from aiohttp import ClientSession, TCPConnector, web
from argon2 import PasswordHasher

from actors.directory import Directory
from actors.ledger import LedgerActor
from actors.ledger_reader import LedgerReaderActor
from config.schema import LedgerSettings
from gateway.app import make_app, make_runner
from gateway.context import GATEWAY
from gateway.secret import totp_secret
from gateway.token import NewKey, new_key
from ledger.commands import Command, CreateKey
from ledger.operator_access import CreateOperator
from ledger.reader import LedgerReader
from ledger.store import SqliteStore
from monitoring.metrics import Metrics
from tests.fakes.clock import FakeClock
from tests.gateway.fake import ALL_SCOPES, SECRET, Answer, Rig, load_settings
from tests.ledger.books import NOW, do, fund, make_books

PASSWORD = "correct horse battery"
QUICK_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
"""Of PASSWORD, without the work a real one takes."""


class House(Rig):
    """A gateway with the ledger behind it; ``token`` and ``key_id`` are a website's."""

    token: str
    key_id: str

    async def post(self, path: str, body: dict[str, object] | None, key: str, **sign: str) -> Answer:
        """A signed request with an idempotency key."""
        raw = b"" if body is None else json.dumps(body).encode()
        headers = {"Idempotency-Key": key, **self.signed(self.key_id, "POST", path, raw, **sign)}
        if raw:
            headers["Content-Type"] = "application/json"
        return await self.send("POST", path, self.token, data=raw or None, headers=headers)

    async def ask(self, command: Command[Any]) -> Any:
        """A command straight to the ledger."""
        return await self.app[GATEWAY].ask("ledger", command, "req_test")

    def code(self, drift_s: int = 0, operator_id: str = "op_ann", salt: str = "salt") -> str:
        """The one-time code that an operator's app shows now, or showed ``drift_s`` ago or later."""
        secret = totp_secret(SECRET, operator_id, salt)
        return pyotp.TOTP(secret).at(self.clock.now_s() + drift_s)

    async def login(self, **changes: str) -> Answer:
        """Ann logs in; ``changes`` in place of what is right."""
        headers = {"X-Forwarded-For": changes.pop("address")} if "address" in changes else {}
        body = {"name": "ann", "password": PASSWORD, "code": self.code(), **changes}
        return await self.send("POST", "/v1/admin/login", json=body, headers=headers)

    async def operator(self, **changes: str) -> str:  # type: ignore[override]  # a real one
        """The token of a login that succeeds."""
        answer = await self.login(**changes)
        assert answer.status == 200, answer.raw
        return str(answer.data["token"])


def fill(folder: Path) -> NewKey:
    """A new ledger: BTC open, alice owns 0.01, a key of the shop, ann may do everything."""
    store = make_books(folder)
    fund(store, "alice", 1_000_000)
    made = new_key(secrets.token_bytes)
    do(store, CreateKey(made.id, "shop", made.key_hash, ALL_SCOPES, "test"))
    do(store, CreateOperator("op_ann", "ann", QUICK_HASH, "salt", ("admin",), "test"))
    store.close()
    return made


@asynccontextmanager
async def open_house(folder: Path, **gateway: Any) -> AsyncIterator[House]:
    """Serve a new ledger (see `fill`)."""
    async with serve(folder, fill(folder), FakeClock(NOW), **gateway) as house:
        yield house


@asynccontextmanager
async def serve(folder: Path, made: NewKey, clock: FakeClock, **gateway: Any) -> AsyncIterator[House]:
    """Serve the ledger in ``folder``, until the end of the context: then it may be served again."""
    path = folder / "books.sqlite"
    directory, settings = Directory(), load_settings(**gateway)

    def open_store() -> SqliteStore:
        opened = SqliteStore(path, now_s=NOW)
        opened.open()
        return opened

    async def open_reader() -> LedgerReader:
        return await LedgerReader(path, now_s=clock.now_s).open()

    ledger = LedgerActor.start(open_store, directory, clock, LedgerSettings(path=path), Metrics())
    reader = LedgerReaderActor.start(open_reader)
    directory.up("ledger", ledger)
    directory.up("ledger_reader", reader)
    app = make_app(settings, directory, Metrics(), clock, secrets.token_bytes, SECRET)
    runner = make_runner(app, settings.gateway)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with ClientSession(connector=TCPConnector(limit=0)) as http:
        rig = House(app, http, f"http://127.0.0.1:{runner.addresses[0][1]}", settings)
        rig.clock, rig.token, rig.key_id = clock, made.token, made.id  # type: ignore[assignment]
        try:
            yield rig
        finally:
            await runner.cleanup()
            for ref in (reader, ledger):
                await ref.stop(block=False)
