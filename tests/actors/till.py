"""A cashier's service in a folder of its own: real clock, real ports, fake coins."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from actors.clock import SystemClock
from actors.directory import Directory
from actors.messages import ListCurrencies
from actors.service import Service
from coins import registry
from coins.family import Coin
from config.loader import load
from config.schema import Settings
from ledger.views import EventView
from tests.actors.desk import COIN_FILES, KINDS
from tests.actors.doors import DeskDeriver, DeskReader, DeskSpender, QuietServer
from tests.fakes.chain import FakeChain
from tests.fakes.coin import make_coin

PATIENCE_S = 10.0
NODE = {"CUSTODY": "node", "WALLET": "cashier"}


class Front:
    """What faces the web: it keeps what it was told."""

    def __init__(self) -> None:
        self.server = QuietServer()
        self.updates: list[Settings] = []
        self.decimals: dict[str, int] = {}
        self.sockets: list[socket.socket] = []

    command_token = "t0"

    def update(self, settings: Settings) -> None:
        self.updates.append(settings)

    def remember(self, decimals: Mapping[str, int]) -> None:
        self.decimals = dict(decimals)

    def render_event(self, view: EventView) -> dict[str, Any]:
        return {"id": view.id}

    async def serve(self, listener: socket.socket) -> QuietServer:
        self.sockets.append(listener)
        return self.server


class Till:
    """A folder with a configuration, and the service made of it."""

    def __init__(self, folder: Path, *coins: str) -> None:
        self.folder = folder
        self.front = Front()
        self.environ: dict[str, str] = {}
        self.main: dict[str, dict[str, object]] = {
            "gateway": {"port": 0},
            "monitoring": {"port": 0},
            "ledger": {"path": "books.sqlite"},
        }
        (folder / "coins").mkdir()
        for name in coins:
            self.enable(name)
        self.write()

    def write(self) -> None:
        """Write the main file."""
        lines = []
        for section, values in self.main.items():
            lines.append(f"[{section}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        (self.folder / "cashier.toml").write_text("\n".join(lines) + "\n")

    def enable(self, name: str, **values: str) -> None:
        """Enable a currency on its regtest network; UTXO coins with the node's own wallet."""
        (self.folder / "coins" / f"{name}.toml").write_text((COIN_FILES / f"{name}.toml").read_text())
        custody = NODE if KINDS[name] == "utxo" else {}
        self.set(name, ENABLED="true", NETWORK="regtest", **custody, **values)

    def set(self, name: str, **values: str) -> None:
        """Change settings of a currency."""
        for key, value in values.items():
            self.environ[f"CASHIER__COINS__{name}__{key}"] = value

    def load(self) -> Settings:
        """The configuration as it is written now."""
        return load(self.folder / "cashier.toml", self.environ)

    def service(self) -> Service:
        """A service that is not started."""
        return Service(
            self.load(),
            self.folder / "cashier.toml",
            lambda *_: self.front,
            random.Random(3),
        )


def fresh_chain(name: str) -> FakeChain:
    """A chain whose first block is of today: an old one would be stalled."""
    chain = FakeChain(name, KINDS[name])
    ref = replace(chain.anchor.ref, time=int(time.time()))
    chain.anchor = chain.tip = chain.blocks[ref.block_hash] = replace(chain.anchor, ref=ref)
    return chain


@asynccontextmanager
async def running(till: Till) -> AsyncIterator[Service]:
    """A started service whose coins are open; it is stopped at the end."""
    service = till.service()
    try:
        await service.start()
        yield service
    finally:
        await service.stop()


@pytest.fixture
def chains(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeChain]:
    """Fake coins in the place of the families, one chain per currency."""
    made: dict[str, FakeChain] = {}

    async def open_coin(settings: Any, signer: Any, *_: Any) -> Coin:
        name = settings.currency
        if settings.custody == "seed":
            await signer.account_xpub(name, 0)
        chain = made.setdefault(name, fresh_chain(name))
        base = make_coin(chain)
        reader = DeskReader(chain, SystemClock())  # type: ignore[arg-type]
        return Coin(name, base.family, reader, DeskDeriver(name), DeskSpender(chain), base.index)

    monkeypatch.setattr(registry, "open_coin", open_coin)
    return made


async def states(directory: Directory) -> dict[str, str]:
    """The states of all currencies in the books."""
    views = await directory.ask("ledger_reader", ListCurrencies(), timeout_s=PATIENCE_S)
    return {view.currency: view.state for view in views}


async def all_in_state(till: Till, service: Service, **wanted: str) -> None:
    """Wait until the currencies are in these states; each change is an event, of which the gateway hears."""
    news = till.front.server.news
    async with asyncio.timeout(PATIENCE_S):
        while True:
            news.clear()
            if (await states(service.directory)).items() >= wanted.items():
                return
            await news.wait()


async def get(port: int, path: str) -> tuple[int, Any]:
    """Status and JSON of a monitoring page."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}{path}") as reply,
    ):
        return reply.status, await reply.json(content_type=None)


def incarnations(service: Service) -> dict[str, int]:
    """How often each name was started."""
    return {view.name: view.incarnation for view in service.directory.views()}
