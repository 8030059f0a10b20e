"""Child tasks, kills, clean-up: how an actor ends, and what it leaves behind."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextvars import ContextVar
from itertools import pairwise
from typing import Any

import pytest
from pykka import ActorRegistry

from actors.errors import (
    CancelledByOtherError,
    KilledError,
    OutcomeUnknown,
)
from actors.frame import current_frame
from actors.runtime import MESSAGES_PER_TURN
from tests.actors.house import (
    Call,
    Echo,
    EchoActor,
    Later,
    Wait,
    actor_of,
    ask_ref,
    ask_stop,
    ended,
    exit_of,
    no_actor_left,
    pending,
    start_echo,
)
from tests.fakes.clock import settle, until

pytestmark = pytest.mark.usefixtures("no_actor_left")
__all__ = ["no_actor_left"]


async def test_a_child_task_is_cancelled_when_the_actor_stops() -> None:
    ref, _ = start_echo()
    gate = pending()
    waiting = ask_ref(ref, Later(gate))
    await settle()
    await ref.stop(block=False)
    assert gate.cancelled()
    with pytest.raises(OutcomeUnknown):
        await waiting


async def test_a_failing_child_task_crashes_the_actor_in_the_middle_of_a_message() -> None:
    ref, actor = start_echo()

    async def fail() -> None:
        raise ValueError("child")

    async def work(a: EchoActor) -> None:
        a.spawn(fail(), "failing")
        await pending()

    with pytest.raises(OutcomeUnknown):
        await ref.ask(Call(work), block=False)
    assert await ended(actor) == "crashed"
    assert isinstance(exit_of(actor).error, ValueError)


async def test_an_ending_actor_starts_no_child_task() -> None:
    class Late(EchoActor):
        async def on_cleanup(self) -> None:
            with pytest.raises(RuntimeError, match="ending"):
                self.spawn(settle(), "late")
            self.hooks.append("refused")

    ref = Late.start()
    actor = actor_of(ref)
    await ref.ask(Echo(), block=False)
    await ref.stop(block=False)
    assert actor.hooks[-1] == "refused"


async def test_a_kill_ends_an_actor_that_hangs() -> None:
    ref, actor = start_echo()
    hung = ask_ref(ref, Wait(pending()))
    await settle()
    actor.kill(KilledError("enough"))
    with pytest.raises(OutcomeUnknown):
        await hung
    assert await ended(actor) == "killed"
    assert actor.hooks == ["start", "cleanup"]


async def test_a_kill_before_the_first_step_still_cleans_up_and_tells_the_link() -> None:
    ref, actor = start_echo()
    exits: list[Any] = []
    actor.link(exits.append)
    actor.kill()
    await until(lambda: exits)
    assert exits[0].kind == "killed"
    assert actor.hooks == ["cleanup"]
    assert not ref.is_alive()


async def test_a_second_kill_ends_an_actor_that_swallowed_the_first() -> None:
    ref, actor = start_echo()

    async def stubborn(_: EchoActor) -> None:
        try:
            await pending()
        except asyncio.CancelledError:
            await pending()

    asked = ask_ref(ref, Call(stubborn))
    await settle()
    actor.kill()
    await settle()
    assert actor.exit is None
    actor.kill()
    assert await ended(actor) == "killed"
    with pytest.raises(OutcomeUnknown):
        await asked


async def test_a_kill_does_not_disturb_the_clean_up() -> None:
    gate = pending()

    class Careful(EchoActor):
        async def on_cleanup(self) -> None:
            await gate
            self.hooks.append("clean")

    ref = Careful.start()
    actor = actor_of(ref)
    await ref.ask(Echo(), block=False)
    stop = ask_stop(ref)
    await settle()
    actor.kill()
    await settle()
    assert actor.exit is None
    assert not stop.done()
    gate.set_result(None)
    await stop
    assert actor.hooks[-1] == "clean"
    assert exit_of(actor).kind == "stopped"


async def test_a_link_made_after_the_end_is_called_at_once() -> None:
    ref, actor = start_echo()
    await ref.stop(block=False)
    exits: list[Any] = []
    actor.link(exits.append)
    assert exits == [actor.exit]


async def test_a_cancelled_await_inside_a_handler_is_a_crash_not_a_kill() -> None:
    ref, actor = start_echo()
    future = pending()
    asked = ask_ref(ref, Wait(future))
    await settle()
    future.cancel()
    with pytest.raises(OutcomeUnknown):
        await asked
    assert await ended(actor) == "crashed"
    assert isinstance(exit_of(actor).error, CancelledByOtherError)


async def test_the_starters_context_does_not_leak_in() -> None:
    ref, _ = start_echo()

    def start_inside(_: EchoActor) -> Any:
        return actor_of(EchoActor.start())

    inner = await ref.ask(Call(start_inside), block=False)
    frame = await inner.actor_ref.ask(Call(lambda _: current_frame.get()), block=False)
    assert frame.actor is inner


async def test_a_running_actor_without_any_reference_is_not_collected() -> None:
    def start() -> weakref.ref[EchoActor]:
        ref, actor = start_echo()
        ActorRegistry.unregister(ref)
        return weakref.ref(actor)

    alive = start()
    await settle()
    gc.collect()
    actor = alive()
    assert actor is not None
    assert await actor.actor_ref.ask(Echo(number=1), block=False) == 1
    actor.kill()
    await ended(actor)


async def test_a_context_variable_of_the_starter_is_not_seen() -> None:
    leak: ContextVar[str] = ContextVar("leak", default="nothing")
    leak.set("the starter's")
    ref, _ = start_echo()
    assert await ref.ask(Call(lambda _: leak.get()), block=False) == "nothing"


async def test_the_loops_own_cancellation_does_not_disturb_the_clean_up() -> None:
    gate = pending()

    class Careful(EchoActor):
        async def on_cleanup(self) -> None:
            await gate
            self.hooks.append("clean")

    ref = Careful.start()
    actor = actor_of(ref)
    await ref.ask(Echo(), block=False)
    actor.kill()
    await settle()
    actor._task.cancel()
    await settle()
    gate.set_result(None)
    await ended(actor)
    assert actor.hooks[-1] == "clean"


async def test_a_busy_actor_lets_others_run_every_32_messages() -> None:
    ref, actor = start_echo()
    await ref.ask(Echo(), block=False)
    seen_by_neighbour: list[int] = []
    for number in range(MESSAGES_PER_TURN * 3):
        ref.tell(Echo(number))

    async def neighbour() -> None:
        while len(actor.seen) <= MESSAGES_PER_TURN * 3:
            seen_by_neighbour.append(len(actor.seen))
            await asyncio.sleep(0)

    await neighbour()
    steps = [b - a for a, b in pairwise(seen_by_neighbour)]
    assert max(steps) <= MESSAGES_PER_TURN


async def test_starting_without_a_loop_says_so() -> None:
    def start() -> None:
        EchoActor.start()

    with pytest.raises(RuntimeError, match="running event loop"):
        await asyncio.to_thread(start)
    for ref in ActorRegistry.get_all():
        ActorRegistry.unregister(ref)


async def test_a_kill_during_on_stop_still_answers_the_stop() -> None:
    class Slow(EchoActor):
        async def on_stop(self) -> None:
            await pending()

    ref = Slow.start()
    actor = actor_of(ref)
    await ref.ask(Echo(), block=False)
    stop = ask_stop(ref)
    await settle()
    actor.kill()
    assert await stop is True
    assert exit_of(actor).kind == "killed"


async def test_a_link_that_fails_does_not_silence_the_others() -> None:
    _, actor = start_echo()
    exits: list[Any] = []

    def fail(_: object) -> None:
        raise ValueError("link")

    actor.link(fail)
    actor.link(exits.append)
    actor.kill()
    await until(lambda: exits)


async def test_a_meter_that_fails_crashes_its_actor_visibly() -> None:
    class Broken:
        def waiting(self, _: int) -> None:
            raise ValueError("meter")

    ref, actor = start_echo()
    actor.meter = Broken()  # type: ignore[assignment]
    ref.tell(Echo())
    assert await ended(actor) == "crashed"
