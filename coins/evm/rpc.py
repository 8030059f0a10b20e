"""JSON-RPC of an Ethereum node in batches, decoded into typed structs.

Every batch asks the chain id first: a node that was swapped for one of another chain, at whatever
reconnect, is refused before a single answer of it is believed.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import aiohttp
import msgspec

from coins.errors import NodeDataError, NodeUnavailableError, WrongNetworkError, connection_trouble
from coins.evm.quantity import parse_quantity
from config.schema import NodeSettings

BATCH_MAX = 200
"""Calls in one batch; common nodes refuse more than 1 000."""
_CHUNK_BYTES = 65_536
_NULL = msgspec.Raw(b"null")


class RpcAnswerError(NodeUnavailableError):
    """The node answered one call with an error of its own; ``code`` and ``message`` as it sent them."""

    def __init__(self, method: str, code: int, message: str) -> None:
        super().__init__(f"{method}: error {code}: {message[:300]}")
        self.code = code
        self.message = message


class TooDeepError(NodeDataError):
    """An answer is nested deeper than it can be decoded."""


class _Error(msgspec.Struct):
    code: int = 0
    message: str = ""


class _Reply(msgspec.Struct):
    id: int | str | None = None
    result: msgspec.Raw = _NULL
    error: _Error | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One call: method, parameters, and the type its result must have.

    An error of the node ends the whole batch, unless the call ``may_fail``: then the error is its result.
    """

    method: str
    params: tuple[Any, ...]
    result: Any
    may_fail: bool = False


class EvmRpc:
    """One node. At most ``max_parallel`` requests at once, each bounded in time and size."""

    def __init__(self, node: NodeSettings, chain_id: int) -> None:
        self._node = node
        self._chain_id = chain_id
        self._ids = itertools.count(1)
        self._slots = asyncio.Semaphore(node.max_parallel)
        self._session: aiohttp.ClientSession | None = None
        self._replies = msgspec.json.Decoder(list[_Reply])
        self._encoder = msgspec.json.Encoder()

    async def call(self, method: str, *params: Any, result: Any) -> Any:
        """Result of one call as type ``result``. Raises as :meth:`batch`."""
        return (await self.batch([Call(method, params, result)]))[0]

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        """Results in the order of ``calls``; long lists go out in several batches side by side.

        Without calls only the chain id is checked.

        Raises NodeUnavailableError (no answer, no JSON, ids that were not asked), RpcAnswerError (an
        error of the node), NodeDataError (a result of the wrong shape; the text names the field;
        TooDeepError for one that is nested too deep),
        WrongNetworkError (another chain id than the configured one).
        """
        parts = [calls[start : start + BATCH_MAX] for start in range(0, len(calls), BATCH_MAX)] or [calls]
        if len(parts) == 1:
            return await self._batch(parts[0])
        tasks = [asyncio.ensure_future(self._batch(part)) for part in parts]
        try:
            return [result for results in await asyncio.gather(*tasks) for result in results]
        finally:  # at the first error the other parts are not worth waiting for
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _batch(self, calls: Sequence[Call]) -> list[Any]:
        """One HTTP request for the chain id and ``calls``."""
        asked = [Call("eth_chainId", (), str), *calls]
        ids = [next(self._ids) for _ in asked]
        body = self._encoder.encode(
            [
                {"jsonrpc": "2.0", "id": number, "method": call.method, "params": call.params}
                for number, call in zip(ids, asked, strict=True)
            ]
        )
        async with self._slots:
            status, answer = await self._post(body)
        replies = self._match(ids, status, answer)
        results = [_result(call, reply) for call, reply in zip(asked, replies, strict=True)]
        chain_id = parse_quantity(results[0], "eth_chainId")
        if chain_id != self._chain_id:
            raise WrongNetworkError(f"the node serves chain id {chain_id}, configured is {self._chain_id}")
        return results[1:]

    async def _post(self, body: bytes) -> tuple[int, bytes]:
        """HTTP status and body of one request. Raises NodeUnavailableError."""
        if self._session is None:
            self._session = self._open()
        limit = self._node.response_limit_mb * 2**20
        received = bytearray()
        try:
            async with self._session.post(self._node.url, data=body, allow_redirects=False) as response:
                async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                    received += chunk
                    if len(received) > limit:
                        response.close()
                        raise NodeUnavailableError(
                            f"the node's answer is larger than {self._node.response_limit_mb} MB"
                        )
                return response.status, bytes(received)
        except TimeoutError:
            raise NodeUnavailableError(f"the node did not answer within {self._node.timeout_s} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise NodeUnavailableError(f"no connection to the node: {connection_trouble(error)}") from error

    def _open(self) -> aiohttp.ClientSession:
        """A session with the configured bounds and, where set, user and password."""
        auth = None
        if self._node.user is not None and self._node.password is not None:
            auth = aiohttp.encode_basic_auth(self._node.user, self._node.password.get_secret_value())
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if auth is not None:
            headers["Authorization"] = auth
        return aiohttp.ClientSession(
            headers=headers,
            connector=aiohttp.TCPConnector(limit=self._node.max_parallel),
            timeout=aiohttp.ClientTimeout(
                total=self._node.timeout_s, sock_connect=self._node.connect_timeout_s
            ),
            trust_env=False,
        )

    def _match(self, ids: Sequence[int], status: int, answer: bytes) -> list[_Reply]:
        """Replies in the order of ``ids``; exactly the asked ones, each once."""
        try:
            replies = self._replies.decode(answer)
        except msgspec.DecodeError:
            raise NodeUnavailableError(f"HTTP {status} without a JSON-RPC batch: {_head(answer)}") from None
        except RecursionError:
            raise TooDeepError("the node's answer is nested too deep") from None
        found = {reply.id: reply for reply in replies}
        if len(replies) != len(ids) or found.keys() != set(ids):
            raise NodeUnavailableError("the ids of the node's answers are not those that were asked")
        return [found[number] for number in ids]


@lru_cache(maxsize=64)
def _decoder(result: Any) -> msgspec.json.Decoder[Any]:
    """The decoder of one result type."""
    return msgspec.json.Decoder(result)


def _result(call: Call, reply: _Reply) -> Any:
    """The typed result of one call."""
    if reply.error is not None:
        failure = RpcAnswerError(call.method, reply.error.code, reply.error.message)
        if call.may_fail:
            return failure
        raise failure
    try:
        return _decoder(call.result).decode(reply.result)
    except msgspec.DecodeError as error:
        raise NodeDataError(f"{call.method}: {error}") from None
    except RecursionError:
        raise TooDeepError(f"{call.method}: the answer is nested too deep") from None


def _head(answer: bytes) -> str:
    """The start of an answer that could not be read, printable."""
    return repr(answer[:120].decode("utf-8", errors="replace"))
