"""Who may ask whom, what travels with an ask, and what is measured."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors.directory import Directory
from actors.errors import (
    AskCycleError,
    LayerError,
)
from actors.layers import LAYERS, WaitGraph, check_layers
from tests.actors.house import (
    Call,
    Echo,
    EchoActor,
    Wait,
    ended,
    no_actor_left,
    pending,
)
from tests.actors.named import PATIENCE_S, Meters, start_as
from tests.fakes.clock import settle

pytestmark = pytest.mark.usefixtures("no_actor_left")
__all__ = ["no_actor_left"]


async def test_each_name_is_measured() -> None:
    meters = Meters()
    directory = Directory(meters)
    first = start_as(directory, "echo")
    await directory.ask("echo", Echo(), timeout_s=PATIENCE_S)
    first.kill()
    await ended(first)
    directory.down("echo")
    start_as(directory, "echo")
    await directory.ask("echo", Echo(), timeout_s=PATIENCE_S)
    assert meters.counts["echo restarted"] == 1
    assert meters.counts["echo handled"] >= 1
    assert meters.counts["echo waiting"] == 2


async def test_request_id_and_deadline_travel_down() -> None:
    directory = Directory()
    start_as(directory, "withdrawal:BTC")
    lower = start_as(directory, "ledger")
    seen: list[tuple[str | None, float | None]] = []

    async def relay(_: EchoActor) -> Any:
        note = Call(lambda _: seen.append((lower.request_id, lower.deadline)))
        return await directory.ask("ledger", note, timeout_s=10 * PATIENCE_S)

    until_s = asyncio.get_running_loop().time() + PATIENCE_S
    await directory.ask("withdrawal:BTC", Call(relay), timeout_s=PATIENCE_S, request_id="req-7")
    ((request_id, deadline),) = seen
    assert request_id == "req-7"
    assert deadline == pytest.approx(until_s, abs=1.0)


async def test_an_ask_up_the_layers_is_refused_from_handlers_and_child_tasks() -> None:
    directory = Directory()
    start_as(directory, "ledger")
    start_as(directory, "watcher:BTC")

    async def up(_: EchoActor) -> Any:
        with pytest.raises(LayerError):
            await directory.ask("watcher:BTC", Echo(), timeout_s=PATIENCE_S)
        return "refused"

    async def from_child(actor: EchoActor) -> Any:
        done = pending()

        async def child() -> None:
            done.set_result(await up(actor))

        actor.spawn(child(), "child")
        return await done

    assert await directory.ask("ledger", Call(up), timeout_s=PATIENCE_S) == "refused"
    assert await directory.ask("ledger", Call(from_child), timeout_s=PATIENCE_S) == "refused"


@pytest.mark.parametrize("depth", range(len(LAYERS)))
def test_layers_go_down_only(depth: int) -> None:
    for other, name in enumerate(LAYERS):
        if other > depth:
            check_layers(f"{LAYERS[depth]}:BTC", f"{name}:LTC")
        else:
            with pytest.raises(LayerError):
                check_layers(f"{LAYERS[depth]}:BTC", f"{name}:LTC")
    check_layers("coin:BTC", LAYERS[depth])
    check_layers(LAYERS[depth], "coin:BTC")


def test_the_wait_graph_finds_rings_of_any_length_and_forgets_what_ended() -> None:
    graph = WaitGraph()
    graph.begin("a", "b")
    graph.begin("b", "c")
    graph.begin("b", "c")
    with pytest.raises(AskCycleError, match="c → a → b → c"):
        graph.begin("c", "a")
    graph.end("b", "c")
    with pytest.raises(AskCycleError):
        graph.begin("c", "a")
    graph.end("b", "c")
    graph.begin("c", "a")
    with pytest.raises(AskCycleError):
        graph.begin("d", "d")


async def test_a_child_task_keeps_the_request_it_was_spawned_for() -> None:
    directory = Directory()
    start_as(directory, "watcher:BTC")
    lower = start_as(directory, "ledger")
    gate, seen = pending(), pending()

    async def child() -> None:
        await gate
        note = Call(lambda _: seen.set_result(lower.request_id))
        await directory.ask("ledger", note, timeout_s=PATIENCE_S)

    spawned = Call(lambda actor: actor.spawn(child(), "child") and None)
    await directory.ask("watcher:BTC", spawned, timeout_s=PATIENCE_S, request_id="first")
    other = asyncio.ensure_future(
        directory.ask("watcher:BTC", Wait(seen), timeout_s=PATIENCE_S, request_id="second")
    )
    await settle()
    gate.set_result(None)
    assert str(await other) == "first"


async def test_an_ask_that_is_over_hinders_no_ask_the_other_way() -> None:
    directory = Directory()
    start_as(directory, "a")
    start_as(directory, "b")

    def asking(name: str) -> Call:
        async def handler(_: EchoActor) -> int:
            return await directory.ask(name, Echo(number=1), timeout_s=PATIENCE_S)

        return Call(handler)

    assert await directory.ask("a", asking("b"), timeout_s=PATIENCE_S) == 1
    assert await directory.ask("b", asking("a"), timeout_s=PATIENCE_S) == 1
