"""The node's doors: JSON-RPC, and REST for whole blocks.

Errors of a call:

===============================================  =================================
no connection, time over, broken answer          NodeUnavailableError
401 after reading the cookie again, 403          NodeUnavailableError
"Work queue depth exceeded", after retries       NodeUnavailableError
RPC error -28 (warming up)                       NodeSyncingError
any other RPC error                              RpcError with its code and words
JSON that is no answer, or too much of it        NodeDataError, NodeUnavailableError
===============================================  =================================

Nodes answer an RPC error with HTTP 500 or 404 and a JSON body, so the body decides, never the
status alone. User and password are never part of an error's text.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec

from coins.bitcoin.answer import as_int, as_object, as_text, parse_json
from coins.bitcoin.download import Door, Download
from coins.errors import (
    NodeDataError,
    NodeSyncingError,
    NodeUnavailableError,
    connection_trouble,
)
from config.schema import NodeSettings

WARMING_UP = -28
BUSY_RETRIES = 4
BUSY_PAUSE_S = 0.05
_BUSY = b"Work queue depth exceeded"


class RpcError(NodeUnavailableError):
    """The node answered with an error of its own. Says nothing about money unless its code is known."""

    def __init__(self, method: str, code: int, message: str) -> None:
        super().__init__(f"{method}: node error {code}: {message[:300]}")
        self.code = code
        self.message = message


class Envelope(msgspec.Struct):
    """An answer whose result is not parsed yet."""

    result: msgspec.Raw
    id: int
    error: msgspec.Raw = msgspec.Raw(b"null")


_ENVELOPE = msgspec.json.Decoder(Envelope)


class RpcClient:
    """One node's client; at most ``max_parallel`` calls are under way, long polls not counted."""

    def __init__(self, settings: NodeSettings) -> None:
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.max_parallel)
        self._session: aiohttp.ClientSession | None = None
        self._authorization: str | None = None
        self._next_id = 0
        self._door = Door.of(settings)
        self._threads: ThreadPoolExecutor | None = None

    async def close(self) -> None:
        """Close the connections; the client can be used again afterwards."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)

    async def call(
        self, method: str, *params: object, wallet: str | None = None, timeout_s: float | None = None
    ) -> Any:
        """Result of one RPC as untyped JSON with exact numbers. Errors: see the module's table."""
        async with self._slots:
            return await self._call(method, params, wallet, timeout_s)

    async def call_text(self, method: str, *params: object) -> bytes:
        """As :meth:`call`, with the result as JSON text: for a long one that is read in steps."""
        async with self._slots:
            number, status, body = await self._asked(method, params, None, None)
        try:
            told = _ENVELOPE.decode(body)
        except msgspec.MsgspecError:
            told = None
        if told is None or status != 200 or bytes(told.error) != b"null" or told.id != number:
            self._result(method, number, status, body)  # it tells what is wrong
            raise NodeDataError(f"{method}: no answer of an RPC server")
        return bytes(told.result)

    async def long_poll(self, method: str, *params: object, timeout_s: float) -> Any:
        """As :meth:`call`, for a call that waits inside the node: it takes no slot from the others."""
        return await self._call(method, params, None, timeout_s)

    async def batch(self, method: str, params: Sequence[Sequence[object]]) -> list[Any]:
        """Results of the same RPC with many parameters, in one request and in order.

        An element is an RpcError where that one call failed. Raises as :meth:`call` for the rest.
        """
        if not params:
            return []
        calls = [{"id": number, "method": method, "params": list(each)} for number, each in enumerate(params)]
        async with self._slots:
            status, body = await self._post("/", calls, None)
        answers = self._parse(method, status, body)
        if not isinstance(answers, list):
            self._raise_error(method, status, answers)
            raise NodeDataError(f"{method}: a batch was asked, the answer is none")
        results: list[Any] = [None] * len(calls)
        seen: set[int] = set()
        for each in answers:
            answer = as_object(each, f"{method}: batch answer")
            number = as_int(answer.get("id"), f"{method}: id", 0, len(calls) - 1)
            error = answer.get("error")
            results[number] = answer.get("result") if error is None else _rpc_error(method, error)
            seen.add(number)
        if len(seen) != len(calls):
            raise NodeDataError(f"{method}: {len(calls)} calls, {len(seen)} answers")
        return results

    async def rest(self, path: str) -> bytes | None:
        """Body of a REST resource, None when the node says it has none (or REST is off).

        Raises NodeUnavailableError for everything else.
        """
        async with self._slots:
            found = await self._download(path)
            status, body = found or await self._request("GET", path, None, None)
        if status == 200:
            return body
        if status in (403, 404):
            return None
        raise NodeUnavailableError(f"REST {path}: HTTP {status} {_words(body)}")

    async def _download(self, path: str) -> tuple[int, bytes] | None:
        """The plain way to a large body, in a thread; None when it does not lead to an answer."""
        if self._door is None:
            return None
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._settings.max_parallel, "download")
        download = Download(self._door, path)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, download.run)
        finally:
            download.give_up()  # it is through, or nobody waits for it any more

    async def _call(
        self, method: str, params: Sequence[object], wallet: str | None, timeout_s: float | None
    ) -> Any:
        """One RPC."""
        number, status, body = await self._asked(method, params, wallet, timeout_s)
        return self._result(method, number, status, body)

    async def _asked(
        self, method: str, params: Sequence[object], wallet: str | None, timeout_s: float | None
    ) -> tuple[int, int, bytes]:
        """Ask; the number of the call, the answer's HTTP status and its body."""
        self._next_id += 1
        number = self._next_id
        path = "/" if wallet is None else f"/wallet/{quote(wallet, safe='')}"
        request = {"jsonrpc": "1.0", "id": number, "method": method, "params": list(params)}
        status, body = await self._post(path, request, timeout_s)
        return number, status, body

    def _result(self, method: str, number: int, status: int, body: bytes) -> Any:
        """What the answer to call ``number`` says. Raises what it says if it is an error."""
        answer = self._parse(method, status, body)
        self._raise_error(method, status, answer)
        if answer.get("id") != number:
            raise NodeDataError(f"{method}: the answer belongs to another call")
        if "result" not in answer:
            raise NodeDataError(f"{method}: answer without a result")
        return answer["result"]

    async def _post(self, path: str, body: object, timeout_s: float | None) -> tuple[int, bytes]:
        """Send JSON; try again while the node's queue is full, and once with a fresh cookie."""
        data = json.dumps(body, separators=(",", ":")).encode()
        pause_s = BUSY_PAUSE_S
        for _ in range(BUSY_RETRIES):
            status, answer = await self._request("POST", path, data, timeout_s)
            if status == 401 and self._settings.cookie_file is not None:
                self._authorization = None  # the node makes a new cookie at each start
                status, answer = await self._request("POST", path, data, timeout_s)
            if status in (401, 403):
                raise NodeUnavailableError(f"the node refuses our user and password (HTTP {status})")
            # The node took nothing from its queue, so nothing was executed: any call may be repeated.
            if _BUSY not in answer[:200]:
                return status, answer
            await asyncio.sleep(pause_s)
            pause_s *= 2
        raise NodeUnavailableError("the node's work queue is full")

    async def _request(
        self, verb: str, path: str, data: bytes | None, timeout_s: float | None
    ) -> tuple[int, bytes]:
        """One HTTP exchange, body read up to the limit."""
        settings = self._settings
        timeout = aiohttp.ClientTimeout(
            total=timeout_s or settings.timeout_s, sock_connect=settings.connect_timeout_s
        )
        headers = {"Content-Type": "application/json"}
        if verb == "POST" and (authorization := self._credentials()):
            headers["Authorization"] = authorization
        try:
            async with self._opened().request(
                verb, settings.url + path, data=data, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                return response.status, await self._read(response)
        except TimeoutError:
            raise NodeUnavailableError(f"no answer within {timeout.total:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise NodeUnavailableError(f"no connection to the node: {connection_trouble(error)}") from None

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """The body, refused when it is larger than the configured limit."""
        limit = self._settings.response_limit_mb * 1_000_000
        parts = bytearray()
        async for part in response.content.iter_any():
            parts += part
            if len(parts) > limit:
                response.close()
                raise NodeUnavailableError(
                    f"answer larger than response_limit_mb = {self._settings.response_limit_mb}"
                )
        return bytes(parts)

    def _opened(self) -> aiohttp.ClientSession:
        """The session, made when it is first needed: it belongs to the running loop.

        Each call has a connection of its own. A kept one may be closed by the node just when it is
        used again, and then nobody knows whether the call was executed; and litecoind does not end
        before the last kept one is gone. Opening one on the own machine costs a fraction of a
        millisecond.
        """
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=self._settings.max_parallel + 2, force_close=True)
            self._session = aiohttp.ClientSession(connector=connector, trust_env=False)
        return self._session

    def _credentials(self) -> str | None:
        """Header of basic authentication; the cookie file is read when there is none yet."""
        settings = self._settings
        if self._authorization is None:
            if settings.cookie_file is not None:
                try:
                    pair = settings.cookie_file.read_text("utf-8").strip()
                except (OSError, UnicodeDecodeError) as error:
                    raise NodeUnavailableError(
                        f"cookie file {settings.cookie_file} cannot be read ({type(error).__name__})"
                    ) from None
            elif settings.user is not None and settings.password is not None:
                pair = f"{settings.user}:{settings.password.get_secret_value()}"
            else:
                return None
            self._authorization = "Basic " + base64.b64encode(pair.encode()).decode()
        return self._authorization

    def _parse(self, method: str, status: int, body: bytes) -> Any:
        """JSON of an answer; a body that is none is no answer of an RPC server."""
        try:
            return parse_json(body)
        except NodeDataError as error:
            if status == 200:
                raise NodeDataError(f"{method}: {error}") from None
            raise NodeUnavailableError(f"{method}: HTTP {status} {_words(body)}") from None

    def _raise_error(self, method: str, status: int, answer: Any) -> None:
        """Raise what the answer says if it is an error."""
        error = as_object(answer, method).get("error")
        if error is not None:
            raise _rpc_error(method, error)
        if status != 200:
            raise NodeUnavailableError(f"{method}: HTTP {status} without an error")


def _rpc_error(method: str, error: Any) -> NodeUnavailableError:
    """The exception of an RPC error object."""
    told = as_object(error, f"{method}: error")
    code = as_int(told.get("code"), f"{method}: error code", -(2**31), 2**31)
    message = as_text(told.get("message"), f"{method}: error message")
    if code == WARMING_UP:
        return NodeSyncingError(f"the node warms up: {message[:200]}")
    return RpcError(method, code, message)


def _words(body: bytes) -> str:
    """The first printable letters of a body that was no JSON."""
    text = body[:120].decode("utf-8", errors="replace")
    return "".join(letter for letter in text if letter.isprintable())
