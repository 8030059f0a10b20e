"""Sends one HTTP request at a steady pace and notes how long each reply took, in a process of its own.

    python -m tests.benchmarks.http_pace PORT PER_SECOND SECONDS CONNECTIONS < request

Prints one JSON line: for each request the moment it was due (the machine's monotonic clock) and the seconds
from then until its reply was whole, and how many replies had which status. A late reply makes no later
request wait for its turn: that would hide what it costs.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter


class Pace:
    """Connections that take turns."""

    def __init__(self, port: int, connections: int, request: bytes) -> None:
        """Nothing is open yet."""
        self._port = port
        self._request = request
        self._free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        self._connections = connections
        self.replies: list[tuple[float, float]] = []
        self.statuses: Counter[int] = Counter()

    async def run(self, per_second: float, seconds: float) -> None:
        """Ask so often for so long."""
        for _ in range(self._connections):
            self._free.put_nowait(await asyncio.open_connection("127.0.0.1", self._port))
        first = time.monotonic()
        asking = []
        for number in range(int(per_second * seconds)):
            due = first + number / per_second
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            asking.append(asyncio.create_task(self._ask(due)))
        await asyncio.gather(*asking)
        while not self._free.empty():
            self._free.get_nowait()[1].close()

    async def _ask(self, due: float) -> None:
        """One request and its whole reply."""
        reader, writer = await self._free.get()
        writer.write(self._request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        self.replies.append((due, time.monotonic() - due))
        self.statuses[int(head[9:12])] += 1
        self._free.put_nowait((reader, writer))


async def main(port: int, per_second: float, seconds: float, connections: int, request: bytes) -> str:
    """What is printed."""
    pace = Pace(port, connections, request)
    await pace.run(per_second, seconds)
    statuses = {str(status): count for status, count in pace.statuses.items()}
    return json.dumps({"replies": pace.replies, "statuses": statuses})


if __name__ == "__main__":
    _, port, per_second, seconds, connections = sys.argv
    given = sys.stdin.buffer.read()
    print(asyncio.run(main(int(port), float(per_second), float(seconds), int(connections), given)))
