"""Hints from a node that publishes; whatever they say, they only mean "look"."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import zmq
import zmq.asyncio

from coins.bitcoin import hint, open_coin
from coins.bitcoin.hint import Hints
from coins.types import Branch
from tests.coins.bitcoin.setup import FakeSigner, settings_for
from tests.nodes.regtest import BitcoinNode, free_port

LONG_S = 20.0
SILENCE_S = 0.2


class Publisher:
    """Somebody who publishes."""

    def __init__(self) -> None:
        self.context = zmq.asyncio.Context()
        self.socket = self.context.socket(zmq.XPUB)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.url = f"tcp://127.0.0.1:{self.socket.bind_to_random_port('tcp://127.0.0.1')}"

    async def until_heard(self) -> None:
        """Wait for the listener's subscriptions."""
        for _ in hint.TOPICS:
            await asyncio.wait_for(self.socket.recv(), LONG_S)

    async def say(self, *parts: bytes) -> None:
        await self.socket.send_multipart(parts)


@pytest.fixture
async def publisher() -> AsyncIterator[Publisher]:
    made = Publisher()
    yield made
    made.socket.close()
    made.context.term()


async def until_silent(hints: Hints, most: int) -> int:
    """How many more hints come; at most so many."""
    for heard in range(most):
        try:
            await asyncio.wait_for(hints.wait(), SILENCE_S)
        except TimeoutError:
            return heard
    return most


async def test_many_messages_are_one_hint(publisher: Publisher) -> None:
    hints = Hints(publisher.url, "BTC")
    waiting = asyncio.create_task(hints.wait())
    await publisher.until_heard()
    await publisher.say(b"hashtx", bytes(32), bytes(4))
    await asyncio.wait_for(waiting, LONG_S)
    messages = 50
    for number in range(messages):
        await publisher.say(b"hashtx", bytes([number]) * 32, bytes(4))
    await asyncio.wait_for(hints.wait(), LONG_S)
    heard = 1 + await until_silent(hints, messages)
    assert heard < messages
    hints.close()


async def test_d23_nonsense_is_a_hint_like_any_other(publisher: Publisher) -> None:
    hints = Hints(publisher.url, "BTC")
    waiting = asyncio.create_task(hints.wait())
    await publisher.until_heard()
    await publisher.say(b"hashtx of nobody", b"\xff" * 200, b"", b"", b"{")
    await asyncio.wait_for(waiting, LONG_S)
    hints.close()


async def test_d23_a_publisher_that_says_too_much_is_heard_no_more(publisher: Publisher) -> None:
    hints = Hints(publisher.url, "BTC")
    waiting = asyncio.create_task(hints.wait())
    await publisher.until_heard()
    await publisher.say(b"hashtx", b"\xff" * (hint.PART_BYTES_MAX + 1))
    await publisher.until_heard()  # the subscriptions end with the connection
    assert not waiting.done()
    waiting.cancel()
    hints.close()
    again = asyncio.create_task(hints.wait())
    await publisher.until_heard()
    await publisher.say(b"hashtx", bytes(32), bytes(4))
    await asyncio.wait_for(again, LONG_S)
    hints.close()


async def test_d23_a_message_of_many_parts_is_taken_in_pieces(publisher: Publisher) -> None:
    hints = Hints(publisher.url, "BTC")
    waiting = asyncio.create_task(hints.wait())
    await publisher.until_heard()
    await publisher.say(b"hashtx", *[bytes(100)] * (2 * hint.TAKEN_MAX))
    await asyncio.wait_for(waiting, LONG_S)
    for _ in range(2):
        await asyncio.wait_for(hints.wait(), LONG_S)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(hints.wait(), 0.05)
    hints.close()


async def test_d26_without_a_publisher_a_wait_has_no_end_of_its_own() -> None:
    for url in (None, f"tcp://127.0.0.1:{free_port()}", "tcp://no-such-name.invalid:1", "tcp://127.0.0.1:0"):
        hints = Hints(url, "BTC")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(hints.wait(), 0.05)
        hints.close()


@pytest.mark.node
async def test_a_payment_ends_the_wait_of_a_node_that_publishes(tmp_path: Path) -> None:
    url = f"tcp://127.0.0.1:{free_port()}"
    with BitcoinNode("bitcoind", tmp_path, extra=(f"-zmqpubhashtx={url}",)) as node:
        node.fund_faucet(1)
        settings = settings_for(node, {"zmq": url, "poll_interval_s": LONG_S})
        coin = await open_coin(settings, FakeSigner(settings))
        own = await coin.deriver.derive(Branch.DEPOSIT, 0)
        coin.index.add_script(own.script)
        head = await coin.reader.head()
        try:
            # A subscription takes effect some time after it was asked for: payments until one is heard.
            waiting = asyncio.create_task(coin.reader.wait_change(head, LONG_S))
            sent = set()
            while not waiting.done():
                sent.add(await asyncio.to_thread(node.send, own.address, "0.01"))
                await asyncio.wait({waiting}, timeout=0.2)
            waiting.result()
            assert 0 < len(sent) < LONG_S
            assert {receipt.txid for receipt in (await coin.reader.mempool(coin.index)).receipts} == sent
            assert await coin.reader.head() == head
            # The call that waits for a block was not given up meanwhile.
            waiting = asyncio.create_task(coin.reader.wait_change(head, LONG_S))
            await asyncio.to_thread(node.mine)
            await asyncio.wait_for(waiting, LONG_S / 2)
            assert (await coin.reader.head()).height == head.height + 1
        finally:
            await coin.reader.close()
