"""The supervision tree as built: order of the start, who falls with whom, what a halted coin leaves alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actors.childspec import AddChild, ChildView, GetTree, RemoveChild
from actors.errors import EscalateError, Unavailable
from actors.gateway import GatewayActor
from actors.messages import GetWatcherStatus, SetCurrencyState
from actors.tree import NEVER_RESTART_ON, reason_of
from ledger.errors import LedgerCorruptError, StoreLockedError
from ledger.store import SqliteStore
from tests.actors.desk import Desk, open_desk
from tests.fakes.clock import settle
from tests.ledger.books import NOW


def shape(view: ChildView) -> Any:
    """Names with their children."""
    if not view.children:
        return view.name
    return {view.name: [shape(child) for child in view.children]}


async def test_the_tree_is_that_of_its_description(tmp_path: Path) -> None:
    async with open_desk(tmp_path, "BTC", "ETH") as desk:
        tree = shape(await desk.ask("root", GetTree()))
        (children,) = tree.values()
        core, services, gateway = children
        assert gateway == "gateway"
        assert core["core"][:2] == ["ledger", "ledger_reader"]
        assert core["core"][2] == {
            "coins": [
                {"coin:BTC": ["address:BTC", "watcher:BTC", "withdrawal:BTC"]},
                {"coin:ETH": ["address:ETH", "watcher:ETH", "withdrawal:ETH", "sweep:ETH"]},
            ]
        }
        assert services["services"][:2] == ["notifier", "reconciler"]


async def test_each_is_up_only_after_what_it_needs(tmp_path: Path) -> None:
    async with open_desk(tmp_path, is_started=False) as desk:
        order: list[str] = []
        up = desk.directory.up

        def spying(name: str, ref: Any) -> None:
            order.append(name)
            up(name, ref)

        desk.directory.up = spying  # type: ignore[method-assign]
        await desk.start()
        leaves = [name for name in order if name not in ("core", "services", "coins", "coin:BTC", "root")]
        assert leaves[:5] == ["ledger", "ledger_reader", "address:BTC", "watcher:BTC", "withdrawal:BTC"]
        assert leaves[-1] == "gateway"


async def test_the_end_comes_in_reverse(tmp_path: Path) -> None:
    async with open_desk(tmp_path, is_checked=False) as desk:
        order: list[str] = []
        for name in ("gateway", "notifier", "withdrawal:BTC", "watcher:BTC", "address:BTC", "ledger"):
            actor = actor_of_name(desk, name)
            actor.link(lambda _, name=name: order.append(name))
        await desk.stop()
        assert order == ["gateway", "notifier", "withdrawal:BTC", "watcher:BTC", "address:BTC", "ledger"]
        assert desk.server.is_closed
        assert desk.given_up == []


def actor_of_name(desk: Desk, name: str) -> Any:
    """The running actor of a name; tests only."""
    inbox = desk.directory._entries[name].inbox
    assert inbox is not None
    return inbox.actor


async def test_a_ledger_that_crashes_takes_the_coins_along_and_all_come_back(tmp_path: Path) -> None:
    async with open_desk(tmp_path, "BTC", "LTC") as desk:
        await desk.pay("alice", 50_000)
        await desk.mine()
        actor_of_name(desk, "ledger").kill()
        await desk.rest()
        tree = await desk.tree_states()
        assert set(tree.values()) == {"up"}
        await desk.mine(2)
        assert await desk.balance("alice") == (50_000, 0, 0)


async def test_the_gateway_stays_while_the_core_restarts(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        gateway = actor_of_name(desk, "gateway")
        actor_of_name(desk, "ledger").kill()
        await desk.rest()
        assert actor_of_name(desk, "gateway") is gateway
        assert isinstance(gateway, GatewayActor)


async def test_a_coin_that_gives_up_is_halted_and_all_others_serve(tmp_path: Path) -> None:
    async with open_desk(tmp_path, "BTC", "LTC") as desk:
        await desk.pay("alice", 50_000)
        ledger = actor_of_name(desk, "ledger")
        for _ in range(20):
            states = await desk.tree_states()
            if states["coin:BTC"] == "halted":
                break
            if states["watcher:BTC"] == "up":
                actor_of_name(desk, "watcher:BTC").kill()
            await desk.clock.advance(0.5)
        tree = await desk.tree_states()
        assert tree["coin:BTC"] == "halted"
        assert await desk.state("BTC") == "halted"
        with pytest.raises(Unavailable):
            await desk.directory.ask("watcher:BTC", GetWatcherStatus(), timeout_s=5)
        assert tree["coin:LTC"] == "up"
        assert actor_of_name(desk, "ledger") is ledger
        await desk.fund("bob", 7_000_000, "LTC")
        assert await desk.balance("bob", "LTC") == (7_000_000, 0, 0)
        value = desk.metrics.registry.get_sample_value
        assert value("cashier_currency_state", {"currency": "BTC", "state": "halted"}) == 1
        # It is tried again by itself, and finds what was paid meanwhile.
        desk.chains["BTC"].mine(3)
        await desk.pass_time(31)
        assert (await desk.tree_states())["coin:BTC"] == "up"
        assert await desk.state("BTC") == "open"
        assert await desk.balance("alice") == (50_000, 0, 0)


async def test_a_broken_invariant_of_the_books_ends_the_cashier(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        desk.faults.append(LedgerCorruptError("a balance does not add up"))
        desk.directory.tell("ledger", SetCurrencyState("BTC", "open", "x"))
        for _ in range(50):
            await settle()
        assert len(desk.given_up) == 1
        assert reason_of(desk.given_up[0]) == "a balance does not add up"


async def test_a_second_server_on_the_same_books_is_refused_at_once(tmp_path: Path) -> None:
    async with open_desk(tmp_path, is_started=False, is_checked=False) as desk:
        other = SqliteStore(desk.path, now_s=NOW)
        other.open()
        desk.root = desk.tree.start_root(desk.given_up.append)
        for _ in range(50):
            await settle()
        other.close()
        assert len(desk.given_up) == 1
        assert "another server" in reason_of(desk.given_up[0])
        assert StoreLockedError in NEVER_RESTART_ON


async def test_coins_come_and_go_while_the_others_run(tmp_path: Path) -> None:
    async with open_desk(tmp_path, "BTC", "LTC") as desk:
        await desk.ask("coins", RemoveChild("coin:LTC"))
        slot = desk.parts.slots.pop("LTC")
        with pytest.raises(Unavailable):
            await desk.directory.ask("watcher:LTC", GetWatcherStatus(), timeout_s=5)
        assert (await desk.status("BTC")).state == "open"
        again = desk.tree.slot(slot.settings)
        assert again is not slot
        await desk.ask("coins", AddChild(desk.tree.coin(again)))
        await desk.rest()
        assert await desk.state("LTC") == "open"
        # A restart of the core builds the coins of today.
        actor_of_name(desk, "ledger").kill()
        await desk.rest()
        assert (await desk.tree_states())["coin:LTC"] == "up"


async def test_inboxes_are_as_large_as_configured(tmp_path: Path) -> None:
    async with open_desk(tmp_path, environ={"CASHIER__ACTORS__INBOX_MAX": "123"}) as desk:
        assert actor_of_name(desk, "watcher:BTC").actor_inbox.limit == 123
        assert actor_of_name(desk, "ledger").actor_inbox.limit == 4_096


def test_a_reason_is_the_first_cause_that_is_no_supervisors_own() -> None:
    outer, middle = EscalateError("outer"), EscalateError("middle")
    outer.__cause__, middle.__cause__ = middle, ValueError("the reason")
    middle.__cause__.__cause__ = OSError("below it")
    assert reason_of(outer) == "the reason"
    assert reason_of(ValueError()) == "ValueError"
