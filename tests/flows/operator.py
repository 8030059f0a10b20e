"""An operator at a running cashier: logs in over HTTP with password and one-time code, and decides."""

from __future__ import annotations

import secrets
import time
from typing import Any

import aiohttp
import pyotp
from argon2 import PasswordHasher

from config.loader import load
from gateway.secret import load_or_create, totp_secret
from ledger.operator_access import CreateOperator
from ledger.store import SqliteStore
from tests.demo.stage import Stage

PASSWORD, SALT = "correct horse battery staple", "salt"


def appoint(stage: Stage, name: str, *roles: str) -> None:
    """Make an operator in the books of a cashier that is not started yet."""
    settings = load(stage.config, stage.environment())
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    store = SqliteStore(settings.ledger.path, now_s=int(time.time()))
    store.open()
    command = CreateOperator(f"op_{name}", name, quick, SALT, roles, "test")
    store.apply_batch([command], int(time.time()))[0].unwrap()
    store.close()


class Operator:
    """One operator's session; each request is answered with the reply's body, or fails."""

    def __init__(self, stage: Stage, name: str) -> None:
        """Nobody is logged in yet."""
        self.stage, self.name = stage, name
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))
        self._token = ""

    async def close(self) -> None:
        await self._http.close()

    async def login(self) -> None:
        """As the page does: name, password and the code of the app."""
        settings = load(self.stage.config, self.stage.environment())
        secret = load_or_create(settings.gateway.secret_file, secrets.token_bytes)
        code = pyotp.TOTP(totp_secret(secret, f"op_{self.name}", SALT)).now()
        body = {"name": self.name, "password": PASSWORD, "code": code}
        self._token = (await self._send("POST", "/v1/admin/login", body))[1]["token"]

    async def get(self, path: str) -> dict[str, Any]:
        status, body = await self._send("GET", f"/v1/admin/{path}")
        assert status == 200, body
        return body

    async def post(self, path: str, **body: Any) -> dict[str, Any]:
        status, answer = await self._send("POST", f"/v1/admin/{path}", body)
        assert status == 200, answer
        return answer

    async def create(self, path: str, **body: Any) -> dict[str, Any]:
        status, answer = await self._send("POST", f"/v1/admin/{path}", body)
        assert status == 201, answer
        return answer

    async def refused(self, path: str, **body: Any) -> str:
        """The code a request is refused with."""
        status, answer = await self._send("POST", f"/v1/admin/{path}", body)
        assert status >= 400, answer
        return str(answer["code"])

    async def _send(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        headers = {"Idempotency-Key": secrets.token_hex(8)} if method == "POST" else {}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        url = self.stage.base_url + path
        async with self._http.request(method, url, json=body, headers=headers) as reply:
            return reply.status, await reply.json(content_type=None)
