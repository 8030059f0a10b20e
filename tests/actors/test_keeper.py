"""Starting, stopping and pinging one child, without any decision."""

from __future__ import annotations

import asyncio

import pytest

from actors.child import Child
from actors.childspec import ChildSpec
from actors.directory import Directory
from actors.errors import EscalateError, StartTimeoutError
from actors.frame import Exit
from actors.keeper import Keeper
from actors.policy import FailureStreak, RestartLimits
from tests.actors.house import Echo, EchoActor, Wait, exit_of, no_actor_left, pending
from tests.fakes.clock import FakeClock, settle

pytestmark = pytest.mark.usefixtures("no_actor_left")
__all__ = ["no_actor_left"]


class Bench:
    """A keeper and what it reported."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.directory = Directory()
        self.exits: list[tuple[str, int, Exit]] = []
        self.keeper = Keeper(
            self.directory,
            self.clock,
            lambda name, incarnation, end: self.exits.append((name, incarnation, end)),
        )

    def child(self, kind: type[EchoActor] = EchoActor) -> Child:
        """A child that never ran."""
        return Child(ChildSpec("a", kind.start), FailureStreak(RestartLimits(), lambda: 0.5))

    def address(self) -> str:
        """What callers see of the child."""
        return self.directory.views()[0].state


class StuckActor(EchoActor):
    """Never gets ready."""

    async def on_start(self) -> None:
        await pending()


async def test_a_started_child_is_up_and_a_stopped_one_is_down() -> None:
    bench = Bench()
    child = bench.child()
    assert await bench.keeper.start(child) is None
    assert (child.state, bench.address()) == ("up", "up")
    started_as = child.incarnation
    await bench.keeper.stop(child)
    assert bench.address() == "down"
    ((name, incarnation, end),) = bench.exits
    assert (name, incarnation, end.kind) == ("a", started_as, "stopped")
    assert child.incarnation > incarnation


async def test_a_child_is_not_up_before_it_is_ready_and_not_after_it_was_too_slow() -> None:
    bench = Bench()
    child = bench.child(StuckActor)
    starting = asyncio.ensure_future(bench.keeper.start(child))
    await settle()
    assert bench.address() == "down"
    await bench.clock.advance(30.0)
    assert isinstance(await starting, StartTimeoutError)
    assert bench.address() == "down"
    assert bench.exits[0][1] != child.incarnation


async def test_stopping_twice_is_stopping_once() -> None:
    bench = Bench()
    child = bench.child()
    await bench.keeper.start(child)
    await bench.keeper.stop(child)
    await bench.keeper.stop(child)
    assert len(bench.exits) == 1


async def test_only_one_ping_is_under_way_and_it_is_reported_once() -> None:
    bench = Bench()
    child = bench.child()
    await bench.keeper.start(child)
    actor = child.actor
    assert actor is not None
    hung: list[str] = []
    gate = pending()
    actor.actor_ref.tell(Wait(gate))
    await settle()
    for _ in range(3):
        bench.keeper.ping(child, actor, 2.0, lambda: hung.append("hung"))
    await bench.clock.advance(5.0)
    assert hung == ["hung"]
    gate.set_result(None)
    assert await actor.actor_ref.ask(Echo(number=1), block=False) == 1
    bench.keeper.ping(child, actor, 2.0, lambda: hung.append("again"))
    await bench.clock.advance(5.0)
    assert hung == ["hung"]


async def test_a_killed_child_has_ended_before_stop_returns() -> None:
    bench = Bench()
    child = bench.child()
    await bench.keeper.start(child)
    actor = child.actor
    assert actor is not None
    actor.actor_ref.tell(Wait(pending()))
    stopping = asyncio.ensure_future(bench.keeper.stop(child))
    await bench.clock.advance(10.0)
    await stopping
    assert exit_of(actor).kind == "killed"


@pytest.mark.parametrize(
    ("error", "forbidden"),
    [
        (ValueError("books"), True),
        (KeyError("else"), False),
        (EscalateError("below", is_final=True), True),
        (EscalateError("below"), False),
    ],
)
def test_which_errors_forbid_a_restart(error: BaseException, forbidden: bool) -> None:
    spec = ChildSpec("a", EchoActor.start, never_restart_on=(ValueError,))
    assert Child(spec, FailureStreak(RestartLimits(), lambda: 0.5)).forbids(error) is forbidden


async def test_a_child_that_was_too_slow_has_cleaned_up_before_the_start_has_failed() -> None:
    bench = Bench()
    gate = pending()

    class Slow(StuckActor):
        async def on_cleanup(self) -> None:
            await gate

    child = bench.child(Slow)
    starting = asyncio.ensure_future(bench.keeper.start(child))
    await bench.clock.advance(30.0)
    assert not starting.done()
    gate.set_result(None)
    assert isinstance(await starting, StartTimeoutError)
