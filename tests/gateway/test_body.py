"""Hostile bodies are refused cheaply: in time, in memory, and without harm to the next request."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import socket
import time
import tracemalloc
from contextlib import suppress
from typing import Any

import pytest

from tests.gateway.calls import Caller, script
from tests.gateway.fake import Rig, running

CPU_MAX_S = 0.1
CPU_TRIES = 5
MEMORY_MAX = 50 * 1024 * 1024
MEGABYTE = 1024 * 1024


async def exchange(rig: Rig, head: str, parts: list[bytes]) -> tuple[int, str]:
    """Send a raw request, deaf to being refused; give status and code of the answer."""
    port = int(rig.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        # Refused while we are still sending: the answer is there to be read all the same.
        with suppress(ConnectionError):
            writer.write(head.encode())
            for part in parts:
                writer.write(part)
                await writer.drain()
        raw = await asyncio.wait_for(reader.read(64 * 1024), 10)
        answered, _, body = raw.partition(b"\r\n\r\n")
        status = int(answered.split(b" ", 2)[1])
        return status, str(json.loads(body)["code"]) if body.startswith(b"{") else ""
    finally:
        writer.close()


def exchange_blocking(port: int, head: str, parts: list[bytes]) -> tuple[int, str]:
    """As `exchange`, from another thread: its CPU time is not the server's."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as caller:
        with suppress(ConnectionError):
            caller.sendall(head.encode())
            for part in parts:
                caller.sendall(part)
        answered, _, body = caller.recv(64 * 1024).partition(b"\r\n\r\n")
        return int(answered.split(b" ", 2)[1]), str(json.loads(body)["code"]) if body[:1] == b"{" else ""


def head(rig: Rig, token: str, extra: str) -> str:
    return (
        "POST /v1/cashier/withdrawals HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: k\r\n"
        f"Authorization: Bearer {token}\r\n{extra}\r\n\r\n"
    )


def chunked(pieces: int) -> list[bytes]:
    return [b"1\r\n[\r\n" * 1000] * (pieces // 1000) + [b"0\r\n\r\n"]


def attack(name: str) -> tuple[str, list[bytes], int, str]:
    """Headers, body, and the status and code it is answered with."""
    json_type = "Content-Type: application/json"
    if name == "10 MB":
        return (
            f"{json_type}\r\nContent-Length: {10 * MEGABYTE}",
            [b"[" * MEGABYTE] * 10,
            413,
            "body_too_large",
        )
    if name == "10 MB in chunks":
        chunk = b"100000\r\n" + b"[" * MEGABYTE + b"\r\n"
        return (
            f"{json_type}\r\nTransfer-Encoding: chunked",
            [chunk] * 10 + [b"0\r\n\r\n"],
            400,
            "length_required",
        )
    if name == "nesting":
        body = b"[" * 60_000
        return f"{json_type}\r\nContent-Length: {len(body)}", [body], 400, "invalid_json"
    if name == "nested objects":
        body = b'{"a":' * 12_000
        return f"{json_type}\r\nContent-Length: {len(body)}", [body], 400, "invalid_json"
    if name == "100k chunks":
        return f"{json_type}\r\nTransfer-Encoding: chunked", chunked(100_000), 400, "length_required"
    if name == "50k chunks":
        return f"{json_type}\r\nTransfer-Encoding: chunked", chunked(50_000), 400, "length_required"
    if name == "gzip bomb":
        body = gzip.compress(bytes(50 * MEGABYTE))[:60_000]
        encoding = f"{json_type}\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}"
        return encoding, [body], 415, "unsupported_media_type"
    if name == "multipart":
        body = b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n" * 1000
        kind = f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(body)}"
        return kind, [body], 415, "unsupported_media_type"
    if name == "long number":
        body = b'{"amount":' + b"9" * 60_000 + b"}"
        return f"{json_type}\r\nContent-Length: {len(body)}", [body], 400, "invalid_json"
    assert name == "many members"
    body = json.dumps({f"member{number}": 1 for number in range(3500)}).encode()
    return f"{json_type}\r\nContent-Length: {len(body)}", [body], 422, "validation_failed"


ATTACKS = (
    "10 MB", "10 MB in chunks", "nesting", "nested objects", "100k chunks", "50k chunks", "gzip bomb",
    "multipart", "long number", "many members",
)  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
async def test_s24_a_hostile_body_is_cheap(name: str) -> None:
    """The server's own CPU time: the caller runs in another thread.

    The least of a few tries counts: a neighbour on the same core makes every second of CPU longer.
    """
    async with running(script) as rig:
        caller = Caller.of(rig)
        extra, parts, status, code = attack(name)
        await caller.call("get_client_session")
        least, port = CPU_MAX_S, int(rig.url.rpartition(":")[2])
        for _ in range(CPU_TRIES):
            gc.collect()
            used = time.thread_time()
            answer = await asyncio.to_thread(exchange_blocking, port, head(rig, caller.session, extra), parts)
            least = min(least, time.thread_time() - used)
            assert answer == (status, code)
        assert least < CPU_MAX_S, f"{CPU_MAX_S} s of CPU or more, {CPU_TRIES} times"
        assert (await caller.call("get_client_session")).status == 200
        assert rig.directory.asked == []


@pytest.mark.parametrize("name", ATTACKS)
async def test_s24_a_hostile_body_takes_little_memory(name: str) -> None:
    async with running(script) as rig:
        caller = Caller.of(rig)
        extra, parts, status, code = attack(name)
        tracemalloc.start()
        try:
            assert await exchange(rig, head(rig, caller.session, extra), parts) == (status, code)
            assert tracemalloc.get_traced_memory()[1] < MEMORY_MAX
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b"", 415, "unsupported_media_type"),
        (b"{", 400, "invalid_json"),
        (b"\xff\xfe", 400, "invalid_json"),
        (b'{"amount": NaN}', 400, "invalid_json"),
        (b'{"amount": Infinity}', 400, "invalid_json"),
        (b'{"amount": "1", "amount": "2"}', 422, "validation_failed"),
        (b'{"address": "\\ud800"}', 422, "validation_failed"),
        (b'{"address": "a\\u0000b"}', 422, "validation_failed"),
        (b"[]", 422, "validation_failed"),
        (b"null", 422, "validation_failed"),
        (b'"text"', 422, "validation_failed"),
    ],
)
async def test_what_is_no_good_json_is_refused(raw: bytes, status: int, code: str) -> None:
    async with running(script) as rig:
        answer = await Caller.of(rig).call("create_client_withdrawal", raw=raw)
        assert (answer.status, answer.code) == (status, code)
        assert rig.directory.asked == []


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/json5", "text/json"]
)
async def test_s11_only_json_is_taken(kind: str) -> None:
    """A form of another site can send none of it: it can only send the first two kinds."""
    async with running(script) as rig:
        answer = await Caller.of(rig).call("create_client_withdrawal", headers={"Content-Type": kind})
        assert (answer.status, answer.code) == (415, "unsupported_media_type")
        answer = await Caller.of(rig).call(
            "create_client_withdrawal", headers={"Content-Type": "application/json; charset=utf-8"}
        )
        assert answer.status == 201


async def test_a_body_that_does_not_come_is_given_up() -> None:
    async with running(script, read_timeout_s=0.05) as rig:
        caller = Caller.of(rig)
        extra = "Content-Type: application/json\r\nContent-Length: 100"
        parts: list[Any] = [b"{"]
        assert await exchange(rig, head(rig, caller.session, extra), parts) == (408, "request_timeout")
