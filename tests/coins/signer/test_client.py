"""Whatever the signer does, its client raises a SignerError in time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from coins.errors import SignerError
from coins.signer.client import SignerClient
from config.schema import SignerSettings
from tests.coins.evm.test_sign import plan_of

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def answering(path: Path, reply: bytes | None) -> AsyncIterator[SignerClient]:
    """A client of a signer that always says ``reply``; with None it says nothing at all."""
    silent = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        if reply is None:
            await silent.wait()
        else:
            writer.write(reply)
        writer.close()

    server = await asyncio.start_unix_server(handle, path)
    async with server:
        yield SignerClient(SignerSettings(socket=path, timeout_s=0.3))
        silent.set()


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (None, r"within 0\.3 s"),
        (b"", "not reachable"),
        (b"half a li", "not reachable"),
        (b"no json\n", "no JSON"),
        (b"\xff\n", "no JSON"),
        (b"[]\n", "no object"),
        (b'{"id":1,"ok":false,"code":"refused","reason":"amount"}\n', "refused .refused.: amount"),
        (b'{"id":2,"ok":true,"txid":"0x","raw":"0x"}\n', "another question"),
        (b'{"id":1,"ok":true,"txid":"0x"}\n', "no raw"),
        (b'{"id":1,"ok":true,"txid":5,"raw":"0x"}\n', "no txid"),
        (b'{"id":1,"ok":"yes"}\n', "refused"),
        (b"x" * (5 * 2**20), "not reachable"),
    ],
)
async def test_any_other_answer_is_an_error(tmp_path: Path, reply: bytes | None, words: str) -> None:
    async with answering(tmp_path / "s", reply) as client:
        with pytest.raises(SignerError, match=words):
            await client.sign(plan_of())


async def test_a_right_answer(tmp_path: Path) -> None:
    async with answering(tmp_path / "s", b'{"id":1,"ok":true,"txid":"0xaa","raw":"0xbb"}\n') as client:
        signed = await client.sign(plan_of())
    assert (signed.txid, signed.raw) == ("0xaa", "0xbb")


async def test_no_signer(tmp_path: Path) -> None:
    with pytest.raises(SignerError, match="not reachable"):
        await SignerClient(SignerSettings(socket=tmp_path / "s")).ping()
