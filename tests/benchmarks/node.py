"""A node in memory that serves made-up full blocks by the calls the reader makes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Sequence
from typing import Any

from coins.bitcoin.rpc import RpcError
from coins.bitcoin.wire import sha256d
from tests.benchmarks.bench_scan import full_block

FIRST_HEIGHT = 100
HEADER_BYTES = 80
OUT_OF_RANGE = -8


class MemoryNode:
    """Stands where an ``RpcClient`` stands; blocks before FIRST_HEIGHT have no content."""

    def __init__(self, genesis_hash: str) -> None:
        """One block: the first one of the books."""
        self._genesis_hash = genesis_hash
        self._hashes: list[str] = [hashlib.sha256(b"first block").hexdigest()]
        self._raw: dict[str, bytes] = {}
        self._moved = asyncio.Event()

    @property
    def height(self) -> int:
        """Of the best block."""
        return FIRST_HEIGHT + len(self._hashes) - 1

    def prepare(self, own: list[bytes], after: bytes | None = None) -> bytes:
        """A full block that pays these scripts, on the best block or on a prepared one."""
        parent = bytes.fromhex(self._hashes[-1])[::-1] if after is None else sha256d(after[:HEADER_BYTES])
        return full_block(own, seed=self.height, parent=parent)

    def announce(self, raw: bytes) -> None:
        """Make a prepared block the best one."""
        block_hash = sha256d(raw[:HEADER_BYTES])[::-1].hex()
        self._raw[block_hash] = raw
        self._hashes.append(block_hash)
        self._moved.set()
        self._moved = asyncio.Event()

    # -- as RpcClient ---------------------------------------------------------------------------

    async def call(self, method: str, *params: Any, timeout_s: float | None = None) -> Any:
        """One answer."""
        match method:
            case "getblockhash":
                return self._hash_at(params[0])
            case "getblockheader":
                return self._header(params[0])
            case "getblockchaininfo":
                return {
                    "chain": "regtest",
                    "blocks": self.height,
                    "headers": self.height,
                    "bestblockhash": self._hashes[-1],
                    "chainwork": f"{self.height:064x}",
                    "initialblockdownload": False,
                }
            case "getrawmempool":
                return []
            case _:
                raise AssertionError(f"{method} is not expected here")

    async def call_text(self, method: str, *params: Any) -> bytes:
        """One answer as JSON text."""
        return json.dumps(await self.call(method, *params)).encode()

    async def batch(self, method: str, params: Sequence[Sequence[Any]]) -> list[Any]:
        """Many answers; a refusal is an element."""
        answers: list[Any] = []
        for each in params:
            try:
                answers.append(await self.call(method, *each))
            except RpcError as error:
                answers.append(error)
        return answers

    def _hash_at(self, height: int) -> str:
        if height == 0:
            return self._genesis_hash
        if not FIRST_HEIGHT <= height <= self.height:
            raise RpcError("getblockhash", OUT_OF_RANGE, "Block height out of range")
        return self._hashes[height - FIRST_HEIGHT]

    def _header(self, block_hash: str) -> dict[str, Any]:
        place = self._hashes.index(block_hash)
        height = FIRST_HEIGHT + place
        return {
            "hash": block_hash,
            "height": height,
            "previousblockhash": self._hashes[place - 1] if place else "11" * 32,
            "time": int(time.time()),
            "chainwork": f"{height:064x}",
            "confirmations": self.height - height + 1,
        }

    async def rest(self, path: str) -> bytes | None:
        """The bytes of a block."""
        return self._raw[path.removeprefix("/rest/block/").removesuffix(".bin")]

    async def long_poll(self, method: str, height: int, wait_ms: int, *, timeout_s: float) -> None:
        """Wait for a block at ``height``."""
        try:
            async with asyncio.timeout(wait_ms / 1000):
                while self.height < height:
                    await self._moved.wait()
        except TimeoutError:
            return

    async def close(self) -> None:
        """Nothing is open."""
