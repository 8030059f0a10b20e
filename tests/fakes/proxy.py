"""Stands between the cashier and a real node: loses replies, changes them, changes the node behind it.

Runs in a thread with an event loop of its own, so that it outlives the loop of a single test. Everything
else goes through unchanged, JSON-RPC and REST alike.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web

from tests.nodes.regtest import free_port

BODY_MAX = 2**27

Rewrite = Callable[[str, dict[str, Any]], dict[str, Any]]
"""(method, JSON-RPC reply of the node) → the reply that is given instead."""


class NodeProxy:
    """A node's second address. ``target`` is the port of the node behind it and may be changed at any time.

    Attributes:
        port: where it answers.
        calls: (method, parameters) of every call that reached the node.
        asked: the name of every question, one by REST as well (``/rest/block``).
        dropped: methods whose replies were lost, in order.
        rewrite: changes replies while it is set.
    """

    def __init__(self) -> None:
        """Nothing listens yet."""
        self.port = free_port()
        self.target = 0
        self.calls: list[tuple[str, Any]] = []
        self.asked: list[str] = []
        self.dropped: list[str] = []
        self.rewrite: Rewrite | None = None
        self._drops: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._is_up = threading.Event()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def drop_replies(self, method: str, times: int) -> None:
        """Let the next calls of a method reach the node, and lose what it answers."""
        self._drops[method] = times

    def sent(self, method: str) -> list[Any]:
        """Parameters of every call of a method, in order."""
        return [params for name, params in list(self.calls) if name == method]

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        assert self._is_up.wait(10), "the proxy does not listen"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close everything."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(10)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        async with aiohttp.ClientSession() as self._http:
            app = web.Application(client_max_size=BODY_MAX)
            app.router.add_route("*", "/{path:.*}", self._forward)
            runner = web.AppRunner(app, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", self.port).start()
            self._is_up.set()
            await self._ended.wait()
            await runner.cleanup()

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        asked = _calls_of(body)
        self.calls += [(method, params) for _, method, params in asked]
        names = [method for _, method, _ in asked] or ["/".join(request.path.split("/")[:3])]
        self.asked += names
        url = f"http://127.0.0.1:{self.target}{request.raw_path}"
        headers = {k: v for k, v in request.headers.items() if k in ("Authorization", "Content-Type")}
        try:
            async with self._http.request(request.method, url, data=body or None, headers=headers) as reply:
                status, answer = reply.status, await reply.read()
        except aiohttp.ClientError:
            _hang_up(request)
            return web.Response()
        for method in names:
            if self._drops[method] > 0:
                self._drops[method] -= 1
                self.dropped.append(method)
                _hang_up(request)
                return web.Response()
        if self.rewrite is not None and asked:
            return self._rewritten(asked, answer)
        return web.Response(status=status, body=answer, headers={"Content-Type": "application/json"})

    def _rewritten(self, asked: list[tuple[Any, str, Any]], answer: bytes) -> web.Response:
        assert self.rewrite is not None
        held = json.loads(answer)
        methods = {call_id: method for call_id, method, _ in asked}
        if isinstance(held, list):
            replies: Any = [self.rewrite(methods[reply["id"]], reply) for reply in held]
            return web.json_response(replies)
        changed = self.rewrite(methods[held["id"]], held)
        return web.json_response(changed, status=500 if changed.get("error") else 200)


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _calls_of(body: bytes) -> list[tuple[Any, str, Any]]:
    """(id, method, parameters) of a call or of a batch; nothing for REST."""
    if not body:
        return []
    held = json.loads(body)
    calls = held if isinstance(held, list) else [held]
    return [(call.get("id"), str(call["method"]), call.get("params")) for call in calls]
