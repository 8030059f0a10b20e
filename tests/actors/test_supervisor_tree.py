"""Trees of supervisors, the watchdog, bounds, and children that come and go."""

from __future__ import annotations

import asyncio

import pytest

from actors.childspec import AddChild, ChildError, ChildSpec, GetTree, RemoveChild, RestartChild
from actors.errors import HungError, NotDelivered, StartTimeoutError, Unavailable
from actors.frame import Exit
from actors.runtime import AsyncioActor
from actors.supervisor import Supervisor
from tests.actors.house import Call, Echo, EchoActor, Fail, Wait, ended, exit_of, no_actor_left, pending
from tests.actors.supervised import PATIENCE_S, House, states, stop
from tests.fakes.clock import settle

pytestmark = pytest.mark.usefixtures("no_actor_left")
__all__ = ["no_actor_left"]


async def test_a_supervisor_that_gives_up_is_restarted_by_its_own() -> None:
    house = House()
    root = await house.root(house.below("core", house.child("a")), house.child("b"))
    for _ in range(11):
        await house.crash("a")
        await house.clock.advance(40.0)
    assert root.exit is None
    assert states(root.tree()) == {"core": "up", "a": "up", "b": "up"}
    assert root.tree().children[0].restarts == 1
    assert await house.ask("a", Echo(number=1)) == 1


async def test_a_temporary_supervisor_that_gives_up_is_halted_with_all_its_names() -> None:
    house = House()
    coin = house.below("coin:BTC", house.child("watcher:BTC"), restart="temporary")
    root = await house.root(house.child("ledger"), house.below("coins", coin, house.child("other")))
    for _ in range(11):
        await house.crash("watcher:BTC")
        await house.clock.advance(40.0)
    tree = states(root.tree())
    assert {name: tree[name] for name in ("ledger", "coins", "coin:BTC", "other")} == {
        "ledger": "up",
        "coins": "up",
        "coin:BTC": "halted",
        "other": "up",
    }
    for name in ("coin:BTC", "watcher:BTC"):
        with pytest.raises(Unavailable):
            await house.ask(name, Echo())
    assert (await house.ask("coins", RestartChild("coin:BTC"))).state == "up"
    assert await house.ask("watcher:BTC", Echo(number=1)) == 1


async def test_a_halted_child_is_retried_after_growing_pauses() -> None:
    house = House()
    house.failing["a"] = RuntimeError("bad chain")
    spec = house.child("a", restart="temporary", halted_retry_s=(60.0, 100.0))
    root = await house.root(spec, ping_interval_s=100_000)
    for pause_s in (60.0, 100.0, 100.0):
        assert states(root.tree()) == {"a": "halted"}
        assert house.clock.pending()[0] == pause_s
        with pytest.raises(Unavailable):
            await house.ask("a", Echo())
        await house.clock.advance(pause_s)
    del house.failing["a"]
    await house.clock.advance(100.0)
    assert states(root.tree()) == {"a": "up"}
    assert await house.ask("a", Echo(number=1)) == 1


async def test_a_child_that_is_not_ready_in_time_is_killed() -> None:
    house = House()
    started: list[AsyncioActor] = []

    class Slow(EchoActor):
        async def on_start(self) -> None:
            started.append(self)
            await pending()

    root = await asyncio.wait_for(_boot(house, ChildSpec("slow", Slow.start, start_timeout_s=5.0)), 10)
    assert await ended(root) == "crashed"
    assert isinstance(house.given_up[0].__cause__, StartTimeoutError)
    assert started[0].exit == Exit("killed", house.given_up[0].__cause__)


async def _boot(house: House, spec: ChildSpec) -> Supervisor:
    """Start a root whose child needs the clock to move."""
    booting = asyncio.ensure_future(house.root(spec))
    await house.clock.advance(5.1)
    return await booting


async def test_a_child_that_does_not_stop_in_time_is_killed() -> None:
    house = House()
    root = await house.root(house.child("a", stop_timeout_s=3.0), house.child("b"))
    hung = asyncio.ensure_future(house.ask("a", Wait(pending())))
    await settle()
    root.stop()
    await house.clock.advance(2.9)
    assert root.exit is None
    await house.clock.advance(0.2)
    assert await ended(root) == "stopped"
    assert exit_of(house.actors["a"]).kind == "killed"
    with pytest.raises(Exception, match="may have been executed"):
        await hung


async def test_a_child_that_cannot_be_ended_is_never_doubled() -> None:
    house = House()
    gate = pending()

    async def immortal(_: EchoActor) -> None:
        while not gate.done():
            try:
                await asyncio.shield(gate)
            except asyncio.CancelledError:
                continue

    root = await house.root(house.child("a", stop_timeout_s=1.0), strategy="one_for_one")
    first = house.actors["a"]
    house.directory.tell("a", Call(immortal))
    await settle()
    restarting = asyncio.ensure_future(house.ask("root", RestartChild("a")))
    await house.clock.advance(10.0)
    with pytest.raises(Exception, match="cannot be ended"):
        await restarting
    assert house.actors["a"] is first
    gate.set_result(None)
    await ended(first)
    assert await ended(root) == "crashed"


async def test_the_watchdog_kills_and_restarts_a_child_that_hangs() -> None:
    house = House()
    root = await house.root(house.child("a", ping_timeout_s=2.0), ping_interval_s=10.0)
    first = house.actors["a"]
    hung = asyncio.ensure_future(house.ask("a", Wait(pending())))
    await settle()
    await house.clock.advance(11.9)
    assert first.actor_ref.is_alive()
    await house.clock.advance(0.2)
    assert isinstance(exit_of(first).error, HungError)
    assert states(root.tree()) == {"a": "up"}
    assert house.actors["a"] is not first
    with pytest.raises(Exception, match="may have been executed"):
        await hung


async def test_the_watchdog_leaves_a_busy_child_with_a_long_queue_alone() -> None:
    house = House()
    await house.root(house.child("a", ping_timeout_s=2.0), ping_interval_s=10.0)
    first = house.actors["a"]
    for _ in range(1000):
        house.directory.tell("a", Echo())
    await house.clock.advance(100.0)
    assert first.exit is None


async def test_children_come_and_go_by_message() -> None:
    house = House()
    root = await house.root(house.child("a"))
    view = await house.ask("root", AddChild(house.child("b")))
    assert (view.name, view.state) == ("b", "up")
    assert await house.ask("b", Echo(number=2)) == 2
    with pytest.raises(ChildError, match="child_exists"):
        await house.ask("root", AddChild(house.child("b")))
    assert (await house.ask("root", RemoveChild("b"))).state == "up"
    with pytest.raises(Unavailable):
        await house.ask("b", Echo())
    with pytest.raises(ChildError, match="unknown_child"):
        await house.ask("root", RemoveChild("b"))
    assert house.diary == ["+a", "+b", "-b"]
    assert states(await house.ask("root", GetTree())) == states(root.tree()) == {"a": "up"}


async def test_an_added_child_that_does_not_start_is_refused_or_halted() -> None:
    house = House()
    root = await house.root(house.child("a"))
    house.failing["b"] = RuntimeError("no")
    with pytest.raises(ChildError, match="start_failed"):
        await house.ask("root", AddChild(house.child("b")))
    assert states(root.tree()) == {"a": "up"}
    view = await house.ask("root", AddChild(house.child("b", restart="temporary")))
    assert view.state == "halted"
    assert "no" in str(view.last_error)


async def test_a_removed_child_that_was_waiting_is_not_started_any_more() -> None:
    house = House()
    await house.root(house.child("a"), house.child("b"))
    await house.crash("b")
    await house.crash("b")
    assert (await house.ask("root", RemoveChild("b"))).state == "waiting"
    house.diary.clear()
    await house.clock.advance(60.0)
    assert house.diary == []


async def test_the_tree_shows_state_restarts_depth_and_last_error_of_all_descendants() -> None:
    house = House()
    root = await house.root(house.below("core", house.child("a")), house.child("b"))
    await house.crash("a", RuntimeError("twist"))
    gate = pending()
    house.directory.tell("a", Wait(gate))
    await settle()
    house.directory.tell("a", Echo())
    core, b = root.tree().children
    (a,) = core.children
    assert (a.state, a.restarts, a.inbox_depth, a.last_error) == ("up", 1, 1, "RuntimeError('twist')")
    assert (b.restarts, b.last_error, b.children) == (0, None, ())
    gate.set_result(None)


async def test_a_killed_supervisor_leaves_no_child_behind() -> None:
    house = House()
    root = await house.root(house.below("core", house.child("a")), house.child("b"))
    root.kill()
    assert await ended(root) == "killed"
    assert all(actor.exit is not None for actor in house.actors.values())


async def test_after_a_stop_every_name_is_gone() -> None:
    house = House()
    root = await house.root(house.below("core", house.child("a")))
    await stop(root)
    for name in ("core", "a"):
        with pytest.raises(NotDelivered):
            await house.directory.ask(name, Echo(), timeout_s=PATIENCE_S)


async def test_two_children_of_one_name_are_refused() -> None:
    house = House()
    with pytest.raises(ValueError, match="two children"):
        house.supervisor(house.child("a"), house.child("a"))


@pytest.mark.parametrize("crashes", [["a", "b", "c"], ["c", "b", "a"], ["b", "a", "b"]])
async def test_crashes_at_the_same_moment_all_end_in_a_whole_house(crashes: list[str]) -> None:
    house = House()
    root = await house.root(*map(house.child, "abc"), strategy="rest_for_one")
    for name in crashes:
        house.directory.tell(name, Fail(RuntimeError(name)))
    await settle()
    await house.clock.advance(5.0)
    assert states(root.tree()) == dict.fromkeys("abc", "up")
    for name in "abc":
        assert await house.ask(name, Echo(number=1)) == 1
    alive = [actor for actor in house.actors.values() if actor.exit is None]
    assert len(alive) == 3


async def test_restarting_an_elder_by_hand_under_rest_for_one_restarts_the_younger_too() -> None:
    house = House()
    await house.root(*map(house.child, "abc"), strategy="rest_for_one")
    house.diary.clear()
    await house.ask("root", RestartChild("b"))
    assert house.diary == ["-c", "-b", "+b", "+c"]


async def test_rest_for_one_ends_a_temporary_younger_for_good_and_keeps_a_halted_one_halted() -> None:
    house = House()
    house.failing["c"] = RuntimeError("bad")
    specs = (
        house.child("a"),
        house.child("b", restart="temporary"),
        house.child("c", restart="temporary", halted_retry_s=(60.0, 60.0)),
    )
    root = await house.root(*specs, strategy="rest_for_one")
    await house.crash("a")
    assert states(root.tree()) == {"a": "up", "b": "stopped", "c": "halted"}
    with pytest.raises(Unavailable):
        await house.ask("b", Echo())
    house.failing.clear()
    await house.clock.advance(60.0)
    assert states(root.tree()) == {"a": "up", "b": "stopped", "c": "up"}
