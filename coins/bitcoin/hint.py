"""The node's publications (ZMQ), taken for nothing but a hint that something is new.

They get lost, come twice and come late; whoever waits for one must look by itself as well. What a
message says is thrown away unread, so nobody who can write to that socket can make us believe anything.
"""

from __future__ import annotations

import asyncio
import logging

import zmq
import zmq.asyncio

logger = logging.getLogger(__name__)

TOPICS = (b"hashtx", b"sequence")  # the small ones: what they say is not read
KEPT_MAX = 100  # messages waiting here; the node drops what is more
TAKEN_MAX = 3_000  # parts of messages taken as one hint: a block repeats all its chain txs
PART_BYTES_MAX = 256  # 36 are usual; who says more is not heard until the subscription is opened again


class Hints:
    """Waits for whatever a node publishes at ``url``; without one there never is a hint."""

    def __init__(self, url: str | None, name: str) -> None:
        """``name`` is the currency, for the log. Nothing is opened before the first wait."""
        self._url = url
        self._name = name
        self._context: zmq.asyncio.Context | None = None
        self._socket: zmq.asyncio.Socket | None = None

    async def wait(self) -> None:
        """Return when the node has published something since the last hint."""
        if self._url is None:
            await asyncio.Event().wait()
            return
        try:
            if self._socket is None:
                self._socket = self._subscribe(self._url)
            await self._socket.poll()
            self._take(self._socket)
        except zmq.ZMQError as error:
            logger.warning("%s: no hints from %s, polling goes on: %s", self._name, self._url, error)
            self.close()
            self._url = None
            await asyncio.Event().wait()

    def _subscribe(self, url: str) -> zmq.asyncio.Socket:
        """A subscription; connecting and connecting again go on behind it."""
        self._context = zmq.asyncio.Context()
        socket = self._context.socket(zmq.SUB)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.RCVHWM, KEPT_MAX)
        socket.setsockopt(zmq.MAXMSGSIZE, PART_BYTES_MAX)
        for topic in TOPICS:
            socket.subscribe(topic)
        self._socket = socket
        socket.connect(url)
        return socket

    def _take(self, socket: zmq.asyncio.Socket) -> None:
        """Throw away what lies there, part by part: however many a message has, one is held here."""
        plain: zmq.Socket[bytes] = zmq.Socket.shadow(socket.underlying)
        for _ in range(TAKEN_MAX):
            try:
                plain.recv(zmq.NOBLOCK)
            except zmq.Again:
                return

    def close(self) -> None:
        """End the subscription; the next wait opens it again."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._context is not None:
            self._context.term()
            self._context = None
