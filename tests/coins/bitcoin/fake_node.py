"""A node that answers whatever a test wants, over real HTTP; no test by itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from aiohttp import web
from pydantic import SecretStr

from config.schema import NodeSettings

PASSWORD = "correct-horse-battery"
INFO = {
    "chain": "regtest", "blocks": 5, "headers": 5, "bestblockhash": "ab" * 32, "chainwork": "0c",
    "initialblockdownload": False,
}  # fmt: skip


class FakeNode:
    """A node that answers from a script: JSON results by method, or whole HTTP answers in turn."""

    def __init__(self) -> None:
        self.url = ""
        self.results: dict[str, Any] = {}
        self.answers: list[Callable[[], web.Response]] = []
        self.seen: list[dict[str, Any]] = []
        self.authorizations: list[str] = []
        self.rest: dict[str, bytes] = {}
        self.wait: asyncio.Event | None = None
        self.three_wait = asyncio.Event()
        self.three_gets = asyncio.Event()
        self.running = self.running_max = self.batch_max = self.gets = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.authorizations.append(request.headers.get("Authorization", ""))
        if request.method == "GET":
            self.gets += 1
            if self.gets == 3:
                self.three_gets.set()
            body = self.rest.get(request.path)
            return web.Response(status=404) if body is None else web.Response(body=body)
        asked = await request.json()
        self.running += 1
        self.running_max = max(self.running_max, self.running)
        if self.running == 3:
            self.three_wait.set()
        try:
            if self.wait is not None:
                await self.wait.wait()
        finally:
            self.running -= 1
        if self.answers:
            return self.answers.pop(0)()
        if isinstance(asked, list):
            self.batch_max = max(self.batch_max, len(asked))
            return web.json_response([self.result_of(each) for each in reversed(asked)])
        self.seen.append(asked)
        answer = self.result_of(asked)
        return web.Response(
            text=json.dumps(answer) if "raw" not in answer else answer["raw"],
            status=500 if answer.get("error") else 200,
        )

    def result_of(self, asked: dict[str, Any]) -> dict[str, Any]:
        result = self.results.get(asked["method"])
        if callable(result):
            result = result(*asked["params"])
        if isinstance(result, Raw):
            return {"raw": f'{{"result": {result.text}, "error": null, "id": {asked["id"]}}}'}
        if isinstance(result, Refusal):
            return {
                "result": None,
                "error": {"code": result.code, "message": result.message},
                "id": asked["id"],
            }
        return {"result": result, "error": None, "id": asked["id"]}


class Raw:
    """A result in JSON of one's own spelling."""

    def __init__(self, text: str) -> None:
        self.text = text


class Refusal:
    """An RPC error."""

    def __init__(self, code: int, message: str = "words") -> None:
        self.code = code
        self.message = message


def door(node: FakeNode, **changes: Any) -> NodeSettings:
    values: dict[str, Any] = {"url": node.url, "user": "u", "password": SecretStr(PASSWORD)}
    return NodeSettings.model_validate(values | changes)


def text(status: int, body: str) -> Callable[[], web.Response]:
    return lambda: web.Response(status=status, text=body)
