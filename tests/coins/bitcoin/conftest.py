"""A scripted node, a client of it, and a coin on it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from pydantic import SecretStr

from coins.bitcoin import open_coin
from coins.bitcoin.rpc import RpcClient
from coins.family import Coin
from tests.coins.bitcoin.fake_node import INFO, PASSWORD, FakeNode, door
from tests.coins.bitcoin.setup import FakeSigner, coin_settings


@pytest.fixture
async def fake_node() -> AsyncIterator[FakeNode]:
    fake = FakeNode()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", fake.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    fake.url = f"http://{host}:{port}"
    yield fake
    await runner.cleanup()


@pytest.fixture
async def client(fake_node: FakeNode) -> AsyncIterator[RpcClient]:
    made = RpcClient(door(fake_node))
    yield made
    await made.close()


@pytest.fixture
async def fake_coin(fake_node: FakeNode) -> AsyncIterator[Coin]:
    settings = coin_settings("BTC", node={"url": fake_node.url, "user": "u", "password": SecretStr(PASSWORD)})
    opened = await open_coin(settings, FakeSigner(settings))
    fake_node.results = {"getblockhash": settings.genesis_hash, "getblockchaininfo": INFO}
    yield opened
    await opened.reader.close()
