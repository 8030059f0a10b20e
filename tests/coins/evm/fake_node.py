"""A node that lies: JSON-RPC over real HTTP with answers chosen by the test."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import web

Answer = Callable[..., Any] | Any
HASH_5 = "0x" + "05" * 32
HASH_4 = "0x" + "04" * 32
TXID = "0x" + "aa" * 32
PAYER = "0x" + "99" * 20


class FakeNode:
    """Answers by method: a value, or a function of the parameters; ``RpcFailure`` becomes an error.

    ``mangle`` gets the list of replies before it is sent, ``respond`` replaces the whole response.
    """

    def __init__(self, **answers: Answer) -> None:
        self.answers: dict[str, Answer] = {"eth_chainId": "0x7a69", "eth_syncing": False, **answers}
        self.mangle: Callable[[list[dict[str, Any]]], Any] = lambda replies: replies
        self.respond: Callable[[], web.StreamResponse] | None = None
        self.batches: list[list[str]] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        calls = await request.json()
        self.batches.append([call["method"] for call in calls])
        if self.respond is not None:
            return self.respond()
        replies = self.mangle([self._reply(call) for call in calls])
        return web.Response(text=_dumps(replies), content_type="application/json")

    def _reply(self, call: dict[str, Any]) -> dict[str, Any]:
        answer = self.answers.get(call["method"], RpcFailure(-32601, "no such method"))
        if callable(answer):
            answer = answer(*call["params"])
        if isinstance(answer, RpcFailure):
            return {"id": call["id"], "error": {"code": answer.code, "message": answer.message}}
        return {"id": call["id"], "result": answer}


class RpcFailure:
    """An error of the node's own."""

    def __init__(self, code: int, message: str) -> None:
        self.code, self.message = code, message


class Raw:
    """A result that is sent as this very text."""

    def __init__(self, text: str) -> None:
        self.text = text


def _dumps(replies: Any) -> str:
    """The JSON of replies, with every ``Raw`` as it stands."""
    raws: list[str] = []

    def placed(value: Any) -> str:
        if not isinstance(value, Raw):
            raise TypeError(f"{value!r} is no JSON")
        raws.append(value.text)
        return f"raw text {len(raws) - 1}"

    text = json.dumps(replies, default=placed)
    for number, raw in enumerate(raws):
        text = text.replace(f'"raw text {number}"', raw)
    return text


@contextlib.asynccontextmanager
async def served(node: FakeNode, port: int = 0) -> AsyncIterator[FakeNode]:
    """The node on a free loopback port."""
    app = web.Application()
    app.router.add_post("/", node.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        node.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield node
    finally:
        await runner.cleanup()


def block(**changes: Any) -> dict[str, Any]:
    """Block 5 with one payment, as a node tells it."""
    return {
        "number": "0x5", "hash": HASH_5, "parentHash": HASH_4, "timestamp": "0x66", "baseFeePerGas": "0x7",
        "transactions": [tx()],
        **changes,
    }  # fmt: skip


def tx(**changes: Any) -> dict[str, Any]:
    """One payment of a thousand wei."""
    values = {"hash": TXID, "from": PAYER, "to": "0x" + "11" * 20, "value": "0x3e8", "nonce": "0x0"}
    return {name: value for name, value in {**values, **changes}.items() if value != "MISSING"}


def receipt(**changes: Any) -> dict[str, Any]:
    """What became of it."""
    values = {
        "transactionHash": TXID, "blockHash": HASH_5, "status": "0x1", "gasUsed": "0x5208",
        "effectiveGasPrice": "0x8",
    }  # fmt: skip
    return {name: value for name, value in {**values, **changes}.items() if value != "MISSING"}


def body(text: str, status: int = 200) -> Callable[[], web.StreamResponse]:
    """A response of the test's own making."""
    return lambda: web.Response(text=json.dumps(text) if status < 0 else text, status=abs(status))
