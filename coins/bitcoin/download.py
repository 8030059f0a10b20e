"""One GET of a whole block, blocking: for a thread or a process of its own.

The body comes by one call of the system, straight into the bytes that are kept, without Python's lock: an
event loop that reads it part by part spends more on a full block than reading its chain txs costs.
Whatever is not an ordinary answer is left to the usual client (:mod:`coins.bitcoin.rpc`), which says what
is wrong with it.
"""

from __future__ import annotations

import socket
import struct
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:  # a worker must start at once, and settings bring their library with them
    from config.schema import NodeSettings

HEAD_MAX = 8_192
_TIMEVAL = struct.Struct("@ll").pack


@dataclass(frozen=True, slots=True)
class Door:
    """Where a node gives out blocks by plain HTTP. REST asks for no password."""

    host: str
    port: int
    connect_timeout_s: float
    timeout_s: float
    bytes_max: int

    @classmethod
    def of(cls, settings: NodeSettings) -> Door | None:
        """The node's door, None for one that must be spoken to in another way."""
        url = urlsplit(settings.url)
        if url.scheme != "http" or url.hostname is None or url.path.strip("/"):
            return None
        limit = settings.response_limit_mb * 1_000_000
        return cls(url.hostname, url.port or 80, settings.connect_timeout_s, settings.timeout_s, limit)


class Download:
    """One exchange on a connection of its own; run in one thread, may be given up in another."""

    def __init__(self, door: Door, path: str) -> None:
        """Nothing is sent yet."""
        self._door = door
        self._path = path
        self._lock = threading.Lock()
        self._link: socket.socket | None = None
        self._is_given_up = False

    def run(self) -> tuple[int, bytes] | None:
        """Status and body; None when there was trouble, or no ordinary answer."""
        door = self._door
        try:
            with socket.create_connection((door.host, door.port), door.connect_timeout_s) as link:
                with self._lock:
                    if self._is_given_up:
                        return None
                    self._link = link
                try:
                    return self._exchange(link)
                finally:
                    with self._lock:
                        self._link = None
        except OSError:
            return None  # the usual client meets it again and tells

    def give_up(self) -> None:
        """Let :meth:`run` end at once."""
        with self._lock:
            self._is_given_up = True
            if self._link is not None:
                try:
                    self._link.shutdown(socket.SHUT_RDWR)
                except OSError:
                    return  # the node was faster

    def _exchange(self, link: socket.socket) -> tuple[int, bytes] | None:
        # The system keeps the time: with a timeout of Python's the body would come in many small parts.
        link.settimeout(None)
        seconds, rest = divmod(self._door.timeout_s, 1)
        for side in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            link.setsockopt(socket.SOL_SOCKET, side, _TIMEVAL(int(seconds), int(rest * 1_000_000)))
        host = f"{self._door.host}:{self._door.port}"
        link.sendall(
            f"GET {self._path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("ascii")
        )
        head, end, _ = link.recv(HEAD_MAX, socket.MSG_PEEK).partition(b"\r\n\r\n")
        parsed = _parse(head) if end else None
        if parsed is None or parsed[1] > self._door.bytes_max:
            return None
        status, size = parsed
        link.recv(len(head) + len(end), socket.MSG_WAITALL)
        body = link.recv(size, socket.MSG_WAITALL) if size else b""
        return (status, body) if len(body) == size else None


def _parse(head: bytes) -> tuple[int, int] | None:
    """Status and size of the body by an answer's head; None for a head that is not of the plainest kind."""
    first, *lines = head.split(b"\r\n")
    words = first.split(b" ", 2)
    fields = [line.lower().partition(b":") for line in lines]
    sizes = [value.strip() for name, _, value in fields if name == b"content-length"]
    is_coded = any(name in (b"transfer-encoding", b"content-encoding") for name, _, _ in fields)
    if is_coded or len(sizes) != 1 or not sizes[0].isdigit() or not words[0].startswith(b"HTTP/1."):
        return None
    if len(words) < 2 or len(words[1]) != 3 or not words[1].isdigit():
        return None
    return int(words[1]), int(sizes[0][:20])
