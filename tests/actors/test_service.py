"""The cashier as one service: starts or says in one line why not, takes over new coins, drains."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from actors.clock import SystemClock
from actors.directory import Directory
from actors.errors import Unavailable
from actors.messages import GetWatcherStatus, IssueAddress, ListCurrencies
from actors.service import Service, StartError, listen
from coins import registry
from coins.family import Coin
from config.loader import ConfigError, load
from config.schema import Settings
from ledger.store import SqliteStore
from ledger.views import EventView
from tests.actors.desk import COIN_FILES, KINDS, DeskDeriver, DeskReader, DeskSpender, QuietServer
from tests.coins.signer.world import PASSPHRASE, put_seed_file
from tests.fakes.chain import FakeChain
from tests.fakes.coin import make_coin

PATIENCE_S = 10.0
NODE = {"CUSTODY": "node", "WALLET": "cashier"}


class Front:
    """What faces the web: it keeps what it was told."""

    def __init__(self) -> None:
        self.server = QuietServer()
        self.updates: list[Settings] = []
        self.sockets: list[socket.socket] = []

    def update(self, settings: Settings) -> None:
        self.updates.append(settings)

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
            lambda settings, directory, metrics, clock: self.front,
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


@pytest.fixture(autouse=True)
def chains(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeChain]:
    """Fake coins in the place of the families, one chain per currency."""
    made: dict[str, FakeChain] = {}

    async def open_coin(settings: Any, signer: Any) -> Coin:
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


async def test_it_starts_tells_its_health_and_stops(tmp_path: Path) -> None:
    till = Till(tmp_path, "BTC", "LTC")
    service = till.service()
    port, monitoring_port = await service.start()
    assert till.front.sockets[0].getsockname()[1] == port
    await all_in_state(till, service, BTC="open", LTC="open")
    assert (await get(monitoring_port, "/healthz"))[0] == 200
    status, ready = await get(monitoring_port, "/readyz")
    assert status == 200
    assert ready["currencies"]["BTC"]["ready"]
    status, tree = await get(monitoring_port, "/tree")
    assert (status, tree["name"]) == (200, "root")
    await service.stop()
    assert till.front.server.is_closed
    assert till.front.sockets[0].fileno() == -1
    again = SqliteStore(tmp_path / "books.sqlite", now_s=1)
    again.open()
    again.close()


async def test_stopping_twice_or_unstarted_is_harmless(tmp_path: Path) -> None:
    service = Till(tmp_path, "BTC").service()
    await service.stop()
    await service.stop()


async def fails(till: Till) -> StartError:
    """The error of a start that must fail; nothing is left running."""
    service = till.service()
    try:
        with pytest.raises(StartError) as caught:
            await service.start()
    finally:
        await service.stop()
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("section", ["gateway", "monitoring"])
async def test_a_port_in_use_is_one_line(tmp_path: Path, section: str) -> None:
    till = Till(tmp_path, "BTC")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        till.main[section]["port"] = taken.getsockname()[1]
        till.write()
        error = await fails(till)
    assert error.code == 3
    assert section in str(error)
    assert "in use" in str(error)


async def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    till = Till(tmp_path, "BTC")
    till.main["ledger"]["path"] = "file/books.sqlite"
    till.write()
    error = await fails(till)
    assert error.code == 3
    assert "file" in str(error)


async def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    till = Till(tmp_path, "BTC")
    (tmp_path / "books.sqlite").write_bytes(b"this is no database at all" * 100)
    error = await fails(till)
    assert error.code == 3
    assert "books.sqlite" in str(error)


async def test_a_second_server_on_the_same_books_is_one_line(tmp_path: Path) -> None:
    till = Till(tmp_path, "BTC")
    async with running(till):
        error = await fails(till)
    assert error.code == 3
    assert "another server" in str(error)


async def test_a_seed_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    till = Till(tmp_path, "ETH")
    error = await fails(till)
    assert error.code == 2
    assert "passphrase" in str(error)
    till.environ["CASHIER__SIGNER__PASSPHRASE"] = PASSPHRASE
    error = await fails(till)
    assert error.code == 2
    assert "seed" in str(error)


async def test_a_wrong_passphrase_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    till = Till(tmp_path, "ETH")
    with_passphrase(till, monkeypatch, "swordfish")
    error = await fails(till)
    assert error.code == 3
    assert "swordfish" not in str(error)


def with_passphrase(till: Till, monkeypatch: pytest.MonkeyPatch, passphrase: str = PASSPHRASE) -> None:
    """A seed file, and the passphrase for the service and for its signer, which reads the environment."""
    put_seed_file(seed_path(till))
    till.environ["CASHIER__SIGNER__PASSPHRASE"] = passphrase
    for name, value in till.environ.items():
        monkeypatch.setenv(name, value)


def seed_path(till: Till) -> Path:
    """Where the configuration looks for the seed."""
    path = till.load().signer.seed_file
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


async def test_with_a_seed_the_signer_is_up_before_its_coins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    till = Till(tmp_path, "ETH")
    with_passphrase(till, monkeypatch)
    async with running(till) as service:
        await all_in_state(till, service, ETH="open")
        tree = await service.tree()
        assert tree.children[0].name == "signer"


async def test_a_reload_starts_exactly_what_is_new(tmp_path: Path) -> None:
    till = Till(tmp_path, "BTC")
    async with running(till) as service:
        await all_in_state(till, service, BTC="open")
        before = incarnations(service)
        till.enable("LTC")
        await service.reload(till.load)
        await all_in_state(till, service, BTC="open", LTC="open")
        after = incarnations(service)
        assert {name: after[name] for name in before} == before
        assert till.front.updates[-1].enabled_coins.keys() == {"BTC", "LTC"}


async def test_a_reload_stops_exactly_what_is_gone_and_takes_it_back(
    tmp_path: Path, chains: dict[str, FakeChain]
) -> None:
    till = Till(tmp_path, "BTC", "LTC")
    async with running(till) as service:
        await all_in_state(till, service, BTC="open", LTC="open")
        issued = await service.directory.ask(
            "address:LTC", IssueAddress("alice", "LTC"), timeout_s=PATIENCE_S
        )
        before = incarnations(service)["watcher:BTC"]
        till.set("LTC", ENABLED="false")
        await service.reload(till.load)
        assert "LTC" not in await states(service.directory)
        with pytest.raises(Unavailable):
            await service.directory.ask("watcher:LTC", GetWatcherStatus(), timeout_s=PATIENCE_S)
        assert incarnations(service)["watcher:BTC"] == before
        script = DeskDeriver("LTC").parse(issued.view.address).script
        chains["LTC"].pay((script, 7_000_000))
        chains["LTC"].mine(6)
        till.set("LTC", ENABLED="true")
        await service.reload(till.load)
        await all_in_state(till, service, LTC="open")
        status = await service.directory.ask("watcher:LTC", GetWatcherStatus(), timeout_s=PATIENCE_S)
        assert status.height == 106


async def test_a_reload_drains_and_others_answer_meanwhile(tmp_path: Path) -> None:
    till = Till(tmp_path, "BTC", "LTC")
    async with running(till) as service:
        await all_in_state(till, service, BTC="open", LTC="open")
        is_over = asyncio.Event()

        async def customers() -> int:
            served = 0
            while not is_over.is_set():
                await service.directory.ask(
                    "address:BTC", IssueAddress(f"c{served}", "BTC"), timeout_s=PATIENCE_S
                )
                served += 1
            return served

        task = asyncio.ensure_future(customers())
        till.set("LTC", DRAINING="true")
        await service.reload(till.load)
        await all_in_state(till, service, LTC="draining")
        is_over.set()
        assert await task > 0
        views = await service.directory.ask("ledger_reader", ListCurrencies(), timeout_s=PATIENCE_S)
        assert {view.currency: view.deposits for view in views} == {"BTC": "open", "LTC": "closed"}


async def test_a_reload_takes_over_a_changed_limit(tmp_path: Path) -> None:
    till = Till(tmp_path, "BTC", "LTC")
    async with running(till) as service:
        await all_in_state(till, service, BTC="open", LTC="open")
        before = incarnations(service)
        till.set("BTC", MINIMUM_WITHDRAWAL="0.002")
        await service.reload(till.load)
        await all_in_state(till, service, BTC="open")
        views = await service.directory.ask("ledger_reader", ListCurrencies(), timeout_s=PATIENCE_S)
        assert {view.currency: view.minimum_withdrawal for view in views}["BTC"] == 200_000
        after = incarnations(service)
        assert after["watcher:BTC"] == before["watcher:BTC"] + 1
        assert after["watcher:LTC"] == before["watcher:LTC"]
        assert after["ledger"] == before["ledger"]


async def test_what_a_currency_is_may_not_change_while_it_runs(tmp_path: Path) -> None:
    till = Till(tmp_path, "BTC")
    async with running(till) as service:
        await all_in_state(till, service, BTC="open")
        before = incarnations(service)
        till.set("BTC", WALLET="cashier", P2PKH="30")
        await service.reload(till.load)
        assert incarnations(service) == before
        assert (await states(service.directory))["BTC"] == "open"


async def test_a_configuration_that_is_wrong_changes_nothing(tmp_path: Path) -> None:
    till = Till(tmp_path, "BTC")
    async with running(till) as service:
        await all_in_state(till, service, BTC="open")
        before, settings = incarnations(service), service.settings
        till.set("BTC", CONFIRMATIONS="many")
        with pytest.raises(ConfigError):
            await service.reload(till.load)
        assert incarnations(service) == before
        assert service.settings is settings


async def test_a_currency_no_longer_configured_at_the_start_is_not_offered(tmp_path: Path) -> None:
    till = Till(tmp_path, "BTC", "LTC")
    async with running(till) as service:
        await all_in_state(till, service, BTC="open", LTC="open")
    till.set("LTC", ENABLED="false")
    async with running(till) as service:
        await all_in_state(till, service, BTC="open")
        assert (await states(service.directory)).keys() == {"BTC"}


async def test_a_root_that_gives_up_is_told(tmp_path: Path) -> None:
    till = Till(tmp_path, "BTC")
    async with running(till) as service:
        assert service.given_up is not None
        await all_in_state(till, service, BTC="open")
        inbox = service.directory._entries["root"].inbox
        assert inbox is not None
        assert inbox.actor is not None
        inbox.actor.kill(RuntimeError("the reason"))
        error = await asyncio.wait_for(service.given_up, PATIENCE_S)
        assert str(error) == "the reason"


def test_listening_gives_the_port_that_was_free() -> None:
    with listen("127.0.0.1", 0, "gateway") as listener:
        assert listener.getsockname()[1] > 0
    with pytest.raises(StartError, match="cannot listen"):
        listen("203.0.113.1", 80, "gateway")
