"""A website's back end in a few lines: what an integrator has to write to use the cashier.

Uses the HTTP contract alone: bearer key, idempotency keys, signed requests for money that moves.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
import time
from typing import Any

import aiohttp

RETRY_S = 0.2
RETRY_FOR_S = 60.0


class ApiError(Exception):
    """The cashier refused; ``status`` and ``code`` are those of its problem document."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        """Keep the problem document."""
        super().__init__(f"{status} {problem.get('code')}: {problem.get('detail')}")
        self.status = status
        self.code = str(problem.get("code"))


def sign(secret: str, method: str, target: str, body: bytes, now_s: int, nonce: str) -> str:
    """The Cashier-Signature header of a request."""
    text = f"{now_s}.{nonce}.{method}.{target}.{hashlib.sha256(body).hexdigest()}"
    return f"t={now_s},n={nonce},v1={hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()}"


class Website:
    """Calls the cashier and, as every client of a payment API must, repeats what had no answer.

    A repeated call carries the same idempotency key, so it happens once however often it is sent.
    """

    def __init__(self, base_url: str, key: str, signing_secret: str) -> None:
        """Use one website key."""
        self.base_url = base_url
        self._key = key
        self._signing_secret = signing_secret
        self._session: aiohttp.ClientSession | None = None

    async def get(self, target: str) -> Any:
        """The reply's JSON."""
        return await self._call("GET", target, None, None)

    async def put(self, target: str) -> Any:
        """Get or create."""
        return await self._call("PUT", target, None, None)

    async def post(self, target: str, body: dict[str, Any]) -> Any:
        """Send once, however often it takes."""
        return await self._call("POST", target, body, f"demo-{secrets.token_hex(12)}")

    async def _call(self, method: str, target: str, body: dict[str, Any] | None, key: str | None) -> Any:
        give_up_at = time.monotonic() + RETRY_FOR_S
        while True:
            try:
                return await self._once(method, target, body, key)
            except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
                if time.monotonic() > give_up_at:
                    raise TimeoutError(f"{method} {target}: no answer: {error}") from error
            except ApiError as error:
                # 503: not done, 504: perhaps done, 429: too fast. All may be repeated with the same key.
                if error.status not in (429, 503, 504) or time.monotonic() > give_up_at:
                    raise
            await asyncio.sleep(RETRY_S)

    async def _once(self, method: str, target: str, body: dict[str, Any] | None, key: str | None) -> Any:
        data = b"" if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._key}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if key is not None:
            headers["Idempotency-Key"] = key
            nonce = secrets.token_hex(12)
            headers["Cashier-Signature"] = sign(
                self._signing_secret, method, target, data, int(time.time()), nonce
            )
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        async with self._session.request(
            method, self.base_url + target, data=data or None, headers=headers
        ) as reply:
            text = await reply.text()
            if reply.status >= 400:
                try:
                    problem = json.loads(text)
                except ValueError:
                    problem = {"code": "no_json", "detail": text[:200]}
                raise ApiError(reply.status, problem)
            return json.loads(text) if text else None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
