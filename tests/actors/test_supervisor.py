"""Start, stop, restart, give up: what a supervisor does with its children."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors.childspec import ChildSpec
from actors.errors import EscalateError, Unavailable
from actors.policy import RestartLimits
from tests.actors.house import Echo, EchoActor, ended, no_actor_left
from tests.actors.supervised import BrokenInvariantError, House, states, stop
from tests.fakes.clock import settle

pytestmark = pytest.mark.usefixtures("no_actor_left")
__all__ = ["no_actor_left"]


async def test_children_start_in_order_and_stop_in_reverse() -> None:
    house = House()
    root = await house.root(house.child("a"), house.child("b"), house.child("c"))
    assert house.diary == ["+a", "+b", "+c"]
    assert states(root.tree()) == {"a": "up", "b": "up", "c": "up"}
    await stop(root)
    assert house.diary[3:] == ["-c", "-b", "-a"]
    assert house.given_up == []


async def test_a_child_starts_only_after_the_elder_is_ready_and_can_ask_it() -> None:
    house = House()
    answers: list[Any] = []

    class Younger(EchoActor):
        async def on_start(self) -> None:
            answers.append(await house.ask("elder", Echo(number=5)))

    await house.root(house.child("elder"), ChildSpec("younger", Younger.start))
    assert answers == [5]


async def test_a_failed_start_at_boot_fails_the_supervisor_and_stops_what_was_started() -> None:
    house = House()
    house.failing["b"] = RuntimeError("no disk")
    root = await house.root(house.child("a"), house.child("b"), house.child("c"))
    assert await ended(root) == "crashed"
    assert house.diary == ["+a", "-a"]
    (error,) = house.given_up
    assert isinstance(error, EscalateError)
    assert str(error) == "b did not start"


async def test_a_temporary_child_that_fails_at_boot_is_halted_and_hinders_nobody() -> None:
    house = House()
    house.failing["b"] = RuntimeError("bad chain")
    root = await house.root(house.child("a"), house.child("b", restart="temporary"), house.child("c"))
    assert states(root.tree()) == {"a": "up", "b": "halted", "c": "up"}
    with pytest.raises(Unavailable):
        await house.ask("b", Echo())


async def test_a_factory_that_raises_is_a_failed_start() -> None:
    def broken() -> Any:
        raise OSError("no socket")

    house = House()
    await house.root(ChildSpec("a", broken))
    assert isinstance(house.given_up[0].__cause__, OSError)


@pytest.mark.parametrize(
    ("restart", "how", "expected"),
    [
        ("permanent", "crash", "up"),
        ("permanent", "stop", "up"),
        ("permanent", "kill", "up"),
        ("transient", "crash", "up"),
        ("transient", "stop", "stopped"),
        ("transient", "kill", "up"),
        ("temporary", "crash", "halted"),
        ("temporary", "stop", "stopped"),
        ("temporary", "kill", "halted"),
    ],
)
async def test_restart_types(restart: Any, how: str, expected: str) -> None:
    house = House()
    root = await house.root(house.child("a", restart=restart), house.child("b"))
    first = house.actors["a"]
    if how == "crash":
        await house.crash("a")
    elif how == "stop":
        first.stop()
    else:
        first.kill()
    await settle()
    assert states(root.tree()) == {"a": expected, "b": "up"}
    assert (house.actors["a"] is not first) == (expected == "up")
    if expected != "up":
        with pytest.raises(Unavailable):
            await house.ask("a", Echo())


async def test_one_for_one_restarts_only_the_one() -> None:
    house = House()
    await house.root(house.child("a"), house.child("b"), house.child("c"))
    house.diary.clear()
    await house.crash("b")
    assert house.diary == ["+b"]


async def test_rest_for_one_stops_the_younger_in_reverse_and_starts_them_in_order() -> None:
    house = House()
    root = await house.root(*map(house.child, "abcd"), strategy="rest_for_one")
    house.diary.clear()
    await house.crash("b")
    assert house.diary == ["-d", "-c", "+b", "+c", "+d"]
    assert states(root.tree()) == dict.fromkeys("abcd", "up")


async def test_rest_for_one_waits_with_the_younger_until_the_pause_is_over() -> None:
    house = House()
    root = await house.root(*map(house.child, "abc"), strategy="rest_for_one")
    await house.crash("b")
    await house.crash("b")
    assert states(root.tree()) == {"a": "up", "b": "waiting", "c": "waiting"}
    await house.clock.advance(0.25)
    assert states(root.tree()) == dict.fromkeys("abc", "up")


async def test_rest_for_one_when_an_elder_fails_during_the_pause_of_a_younger() -> None:
    house = House()
    root = await house.root(*map(house.child, "abc"), strategy="rest_for_one")
    await house.crash("b")
    await house.crash("b")
    house.diary.clear()
    await house.crash("a")
    assert house.diary == ["+a", "+b", "+c"]
    await house.clock.advance(1.0)
    assert house.diary == ["+a", "+b", "+c"]
    assert states(root.tree()) == dict.fromkeys("abc", "up")


async def test_a_crash_is_followed_by_a_new_incarnation_that_answers() -> None:
    house = House()
    await house.root(house.child("a"))
    first = house.actors["a"]
    await house.crash("a")
    assert await house.ask("a", Echo(number=3)) == 3
    assert house.actors["a"] is not first


async def test_the_message_that_crashed_is_not_delivered_again() -> None:
    house = House()
    await house.root(house.child("a"))
    await house.crash("a")
    assert house.actors["a"].seen == []


async def test_callers_are_parked_while_a_child_waits_and_reach_the_next_incarnation() -> None:
    house = House()
    await house.root(house.child("a"))
    await house.crash("a")
    await house.crash("a")
    parked = asyncio.ensure_future(house.ask("a", Echo(number=6)))
    await settle()
    assert not parked.done()
    await house.clock.advance(0.25)
    assert await parked == 6


async def test_the_pauses_between_restarts_double_and_a_minute_of_life_forgives() -> None:
    house = House()
    await house.root(house.child("a"), limits=RestartLimits(jitter=0.0), ping_interval_s=10_000)
    await house.crash("a")
    for pause_s in (0.2, 0.4, 0.8):
        await house.crash("a")
        assert house.clock.pending()[0] == pytest.approx(pause_s)
        await house.clock.advance(pause_s)
    await house.clock.advance(60.0)
    house.diary.clear()
    await house.crash("a")
    assert house.diary == ["+a"]


async def test_too_many_restarts_in_the_window_end_the_supervisor() -> None:
    house = House()
    limits = RestartLimits(intensity=2, window_s=5.0)
    root = await house.root(*map(house.child, "abc"), limits=limits)
    for name in "ab":
        await house.crash(name)
    assert root.exit is None
    await house.crash("c")
    assert await ended(root) == "crashed"
    assert "too many restarts" in str(house.given_up[0])
    assert house.diary[-2:] == ["-b", "-a"]


async def test_too_many_failures_in_a_row_end_it_even_when_backoff_hides_the_rate() -> None:
    house = House()
    root = await house.root(house.child("a"))
    for _ in range(11):
        await house.crash("a")
        await house.clock.advance(40.0)
    assert await ended(root) == "crashed"
    assert "11 times in a row" in str(house.given_up[0])


async def test_a_failed_start_during_restart_counts_and_is_tried_again_later() -> None:
    house = House()
    root = await house.root(house.child("a"))
    house.failing["a"] = RuntimeError("not yet")
    await house.crash("a")
    (view,) = root.tree().children
    assert (view.state, view.restarts) == ("waiting", 2)
    assert "not yet" in str(view.last_error)
    del house.failing["a"]
    await house.clock.advance(1.0)
    assert states(root.tree()) == {"a": "up"}


async def test_a_broken_invariant_is_escalated_at_once() -> None:
    house = House()
    root = await house.root(house.child("a", never_restart_on=(BrokenInvariantError,)), house.child("b"))
    await house.crash("a", BrokenInvariantError("books"))
    assert await ended(root) == "crashed"
    (error,) = house.given_up
    assert isinstance(error, EscalateError)
    assert error.is_final
    assert house.diary == ["+a", "+b", "-b"]


async def test_a_broken_invariant_below_ends_every_supervisor_above() -> None:
    house = House()
    core = house.below("core", house.child("ledger", never_restart_on=(BrokenInvariantError,)))
    root = await house.root(core, house.child("gateway"))
    await house.crash("ledger", BrokenInvariantError("books"))
    assert await ended(root) == "crashed"
    assert len(house.given_up) == 1
