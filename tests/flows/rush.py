"""A website's back end that asks for the same withdrawal many times at once, in a process of its own.

    python -m tests.flows.rush < {"base_url", "key", "signing_secret", "order", "times"}

Each request has its own idempotency key and external id. Prints the replies as [status, code or id].
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from typing import Any

import aiohttp

from tests.demo.website import sign

TARGET = "/v1/withdrawals"


async def ask_once(http: aiohttp.ClientSession, task: dict[str, Any]) -> list[Any]:
    """One withdrawal."""
    data = json.dumps(task["order"] | {"external_id": secrets.token_hex(8)}).encode()
    nonce = secrets.token_hex(12)
    headers = {
        "Authorization": f"Bearer {task['key']}",
        "Content-Type": "application/json",
        "Idempotency-Key": secrets.token_hex(12),
        "Cashier-Signature": sign(task["signing_secret"], "POST", TARGET, data, int(time.time()), nonce),
    }
    async with http.post(task["base_url"] + TARGET, data=data, headers=headers) as reply:
        body = await reply.json(content_type=None)
        return [reply.status, body.get("code") or body["id"]]


async def main() -> None:
    """All at once."""
    task = json.load(sys.stdin)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        replies = await asyncio.gather(*[ask_once(http, task) for _ in range(task["times"])])
    print(json.dumps(replies))


if __name__ == "__main__":
    asyncio.run(main())
