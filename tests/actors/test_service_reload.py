"""New settings in a running cashier: exactly the changed currencies are touched."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from actors.errors import Unavailable
from actors.messages import GetWatcherStatus, IssueAddress, ListCurrencies
from config.loader import ConfigError
from tests.actors.desk import COIN_FILES
from tests.actors.doors import DeskDeriver
from tests.actors.test_service import with_passphrase
from tests.actors.till import PATIENCE_S, Till, all_in_state, chains, incarnations, running, states
from tests.fakes.chain import FakeChain

__all__ = ["chains"]
pytestmark = pytest.mark.usefixtures("chains")


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


async def test_a_token_starts_its_chain_anew_and_may_not_become_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    till = Till(tmp_path, "BTC", "ETH")
    with_passphrase(till, monkeypatch)
    async with running(till) as service:
        await all_in_state(till, service, BTC="open", ETH="open")
        before = incarnations(service)
        shipped = (COIN_FILES / "USDT-ETH.toml").read_text()
        token_file = tmp_path / "coins" / "USDT-ETH.toml"
        token_file.write_text(shipped.replace("enabled = false", "enabled = true"))
        await service.reload(till.load)
        await all_in_state(till, service, **{"BTC": "open", "ETH": "open", "USDT-ETH": "open"})
        after = incarnations(service)
        assert after["watcher:ETH"] == before["watcher:ETH"] + 1
        assert after["watcher:BTC"] == before["watcher:BTC"]
        old = service.settings.tokens["USDT-ETH"]
        till.set("USDT_ETH", CONTRACT="0x" + "22" * 20)
        till.set("ETH", DRAINING="true")
        await service.reload(till.load)
        assert incarnations(service) == after
        assert service.settings.currencies["USDT-ETH"] == old
        assert not service.settings.coins["ETH"].draining
