"""The cashier as one service: starts or says in one line why not, takes over new coins, drains."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from actors.childspec import RemoveChild
from actors.service import StartError, listen
from ledger.store import SqliteStore
from tests.actors.till import PATIENCE_S, Till, all_in_state, chains, get, running, states
from tests.coins.signer.world import PASSPHRASE, put_seed_file

__all__ = ["chains"]
pytestmark = pytest.mark.usefixtures("chains")


def nodes_of(view: dict[str, Any]) -> list[dict[str, Any]]:
    """A node of the tree and all below it."""
    return [view, *(node for child in view["children"] for node in nodes_of(child))]


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
    assert ready["currencies"]["BTC"]["lag_blocks"] == 0
    status, tree = await get(monitoring_port, "/tree")
    assert (status, tree["name"]) == (200, "root")
    told = {view["name"]: view["currency"] for view in nodes_of(tree)}
    assert (told["root"], told["coin:BTC"], told["watcher:BTC"]) == ("", "open", "")
    await service.stop()
    assert till.front.server.is_closed
    assert till.front.sockets[0].fileno() == -1
    again = SqliteStore(tmp_path / "books.sqlite", now_s=1)
    again.open()
    again.close()


async def test_a_currency_that_nobody_watches_is_not_ready_whatever_the_books_say(tmp_path: Path) -> None:
    till = Till(tmp_path, "BTC", "LTC")
    service = till.service()
    _, monitoring_port = await service.start()
    await all_in_state(till, service, BTC="open", LTC="open")
    await service.directory.ask("coins", RemoveChild("coin:LTC"), timeout_s=PATIENCE_S)
    assert (await get(monitoring_port, "/readyz?currency=LTC"))[0] == 503
    assert (await get(monitoring_port, "/readyz?currency=BTC"))[0] == 200
    await service.stop()


async def test_the_front_knows_the_currencies_of_the_books_also_without_their_files(tmp_path: Path) -> None:
    till = Till(tmp_path, "BTC", "LTC")
    async with running(till) as service:
        await all_in_state(till, service, BTC="open", LTC="open")
        assert till.front.decimals == {}
    (tmp_path / "coins" / "LTC.toml").unlink()
    till.environ = {name: value for name, value in till.environ.items() if "__LTC__" not in name}
    async with running(till) as service:
        await all_in_state(till, service, BTC="open")
        assert till.front.decimals == {"BTC": 8, "LTC": 8}


async def test_stopping_twice_or_unstarted_is_harmless(tmp_path: Path) -> None:
    service = Till(tmp_path, "BTC").service()
    await service.stop()
    await service.stop()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await service.start()
    await service.stop()
    await service.stop()
    assert asyncio.all_tasks() == {asyncio.current_task()}


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


async def test_a_disk_that_is_nearly_full_is_one_line(tmp_path: Path) -> None:
    till = Till(tmp_path, "BTC")
    till.main["ledger"]["min_free_mb"] = 1_048_576
    till.write()
    error = await fails(till)
    assert error.code == 3
    assert "min_free_mb" in str(error)


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
    assert error.code == 2
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
