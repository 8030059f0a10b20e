"""A block by the plain way: whole or not at all, within its time, and given up at once when nobody waits."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest

from coins.bitcoin.download import Door, Download
from coins.bitcoin.rpc import RpcClient
from coins.errors import NodeUnavailableError
from config.schema import NodeSettings

BODY = bytes(range(256)) * 8_000
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
Answer = Callable[[socket.socket], None]


@contextmanager
def serving(answer: Answer) -> Iterator[Door]:
    """A server that takes one connection after the other, reads the request and does what it is told."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            while True:
                link, _ = listener.accept()
                with link:
                    if not (asked := link.recv(65_536)):
                        return
                    assert asked.startswith(b"GET /x HTTP/1.1\r\n")
                    with suppress(ConnectionError):  # it need not hear us out
                        answer(link)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Door("127.0.0.1", port, 5.0, 5.0, 10_000_000)
        finally:
            socket.create_connection(("127.0.0.1", port)).close()
            thread.join(10)
            assert not thread.is_alive()


def told(head: bytes, body: bytes = BODY) -> Answer:
    return lambda link: link.sendall(head + b"\r\n" + body)


@pytest.mark.parametrize("status", [200, 404, 503])
def test_status_and_body(status: int) -> None:
    with serving(told(b"HTTP/1.1 %d Words\r\n" % status + LENGTH)) as door:
        assert Download(door, "/x").run() == (status, BODY)


def test_an_empty_body() -> None:
    with serving(told(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", b"")) as door:
        assert Download(door, "/x").run() == (200, b"")


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + LENGTH,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n" + LENGTH, b"HTTP/1.1 200 OK\r\n" + LENGTH + LENGTH,
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5_000 + b"\r\n",
        b"HTTP/1.1 2x0 OK\r\n" + LENGTH, b"HTTP/1.1\r\n" + LENGTH, b"hello\r\n", b"\xff\x00\r\n", b"",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 9_000 + b"\r\n" + LENGTH,
    ],
)  # fmt: skip
def test_d23_an_answer_that_is_not_plain_is_left_to_others(head: bytes) -> None:
    with serving(told(head)) as door:
        assert Download(door, "/x").run() is None


@pytest.mark.parametrize("size", [0, 1, len(BODY) - 1])
def test_a_body_that_breaks_off_is_none(size: int) -> None:
    with serving(told(b"HTTP/1.1 200 OK\r\n" + LENGTH, BODY[:size])) as door:
        assert Download(door, "/x").run() is None


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\n" + LENGTH + b"\r\n" + BODY[:5_000]])
def test_a_node_that_hangs_costs_the_time_that_is_set(begun: bytes) -> None:
    is_over = threading.Event()

    def hang(link: socket.socket) -> None:
        link.sendall(begun)
        is_over.wait(20)

    with serving(hang) as door:
        assert Download(replace(door, timeout_s=0.05), "/x").run() is None
        is_over.set()


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert Download(Door("127.0.0.1", port, 5.0, 5.0, 1_000), "/x").run() is None


def test_a_download_that_is_given_up_ends_at_once() -> None:
    has_begun, is_over = threading.Event(), threading.Event()

    def hang(link: socket.socket) -> None:
        link.sendall(b"HTTP/1.1 200 OK\r\n" + LENGTH + b"\r\n")
        has_begun.set()
        is_over.wait(20)

    found: list[object] = []
    with serving(hang) as door:
        download = Download(replace(door, timeout_s=600.0), "/x")
        thread = threading.Thread(target=lambda: found.append(download.run()))
        thread.start()
        assert has_begun.wait(10)
        download.give_up()
        thread.join(10)
        is_over.set()
        assert found == [None]
        again = Download(door, "/x")
        again.give_up()
        assert again.run() is None


@pytest.mark.parametrize(
    ("url", "wanted"),
    [("http://127.0.0.1:8332", ("127.0.0.1", 8332)), ("http://[::1]:8332/", ("::1", 8332)),
     ("http://node", ("node", 80)), ("https://node:8332", None), ("http://node:8332/behind", None)],
)  # fmt: skip
def test_only_a_plain_door_is_used(url: str, wanted: tuple[str, int] | None) -> None:
    door = Door.of(NodeSettings.model_validate({"url": url}))
    assert (door and (door.host, door.port)) == wanted


async def test_the_usual_client_says_what_is_wrong() -> None:
    with serving(told(b"HTTP/1.1 200 OK\r\n" + LENGTH, BODY[:9])) as door:
        client = RpcClient(NodeSettings.model_validate({"url": f"http://127.0.0.1:{door.port}"}))
        with pytest.raises(NodeUnavailableError, match="no connection to the node"):
            await client.rest("/x")
        await client.close()
