"""Sends prepared HTTP requests over kept-open connections, in a process of its own.

    python -m tests.benchmarks.http_load PORT CONNECTIONS < requests

Standard input holds the requests, each with its length (4 bytes, big-endian) before it. Prints one JSON line:
seconds from the first byte sent to the last reply, seconds that each reply took, and how many had which
status.
"""

from __future__ import annotations

import asyncio
import json
import struct
import sys
import time
from collections import Counter


def pack(requests: list[bytes]) -> bytes:
    """The requests as standard input wants them."""
    return b"".join(struct.pack(">I", len(request)) + request for request in requests)


def unpack(data: bytes) -> list[bytes]:
    """Inverse of `pack`."""
    found, at = [], 0
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        found.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return found


async def client(port: int, requests: list[bytes], statuses: Counter[int], waits: list[float]) -> None:
    """One connection: a request, its whole reply, the next request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in requests:
        sent = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        waits.append(time.perf_counter() - sent)
        statuses[int(head[9:12])] += 1
    writer.close()


async def load(port: int, connections: int, requests: list[bytes]) -> dict[str, object]:
    """All requests over so many connections."""
    statuses: Counter[int] = Counter()
    waits: list[float] = []
    shares = [requests[number::connections] for number in range(connections)]
    began = time.perf_counter()
    await asyncio.gather(*(client(port, share, statuses, waits) for share in shares))
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "waits": waits,
        "statuses": {str(key): n for key, n in statuses.items()},
    }


if __name__ == "__main__":
    given = unpack(sys.stdin.buffer.read())
    print(json.dumps(asyncio.run(load(int(sys.argv[1]), int(sys.argv[2]), given))))
