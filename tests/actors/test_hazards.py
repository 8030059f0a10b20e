"""What is known to go wrong with actors on an event loop, each as a test that it does not here."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import pykka
import pytest
from pykka import ActorDeadError, ActorRegistry

from actors.directory import Directory
from actors.errors import AskCycleError, BlockingCallInLoop, DeadlineAfterStart, NotDelivered, OutcomeUnknown
from actors.future import AsyncioFuture
from actors.inbox import AsyncioInbox, Deferred
from actors.runtime import NO_REPLY, AsyncioActor
from tests.actors.house import (
    Call,
    Echo,
    EchoActor,
    Fail,
    Wait,
    ask_ref,
    ended,
    exit_of,
    no_actor_left,
    pending,
    start_echo,
)
from tests.actors.named import PATIENCE_S, SOON_S, ask, start_as
from tests.fakes.clock import settle, until

pytestmark = pytest.mark.usefixtures("no_actor_left")
__all__ = ["no_actor_left"]


# -- the future --------------------------------------------------------------------------------------


async def test_awaiting_a_future_does_not_freeze_the_loop() -> None:
    future: AsyncioFuture[int] = AsyncioFuture()
    waiting = asyncio.ensure_future(_value(future))
    await settle()
    assert not waiting.done()
    future.set(1)
    assert await waiting == 1


async def _value(future: AsyncioFuture[int]) -> int:
    return await future


async def test_a_future_answered_on_another_thread_wakes_the_loop() -> None:
    future: AsyncioFuture[int] = AsyncioFuture()
    waiting = asyncio.ensure_future(_value(future))
    await settle()
    await asyncio.to_thread(future.set, 2)
    assert await asyncio.wait_for(waiting, PATIENCE_S) == 2


def test_a_future_whose_waiters_loop_is_closed_is_answered_all_the_same() -> None:
    future: AsyncioFuture[int] = AsyncioFuture()
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(_value(future))
    loop.run_until_complete(asyncio.sleep(0))
    waiting.cancel()
    loop.run_until_complete(asyncio.gather(waiting, return_exceptions=True))
    loop.close()
    future.set(3)
    assert future.get() == 3


async def test_two_loops_can_await_one_future() -> None:
    future: AsyncioFuture[int] = AsyncioFuture()
    here = asyncio.ensure_future(_value(future))
    there = asyncio.ensure_future(asyncio.to_thread(lambda: asyncio.run(_value(future))))
    await until(lambda: len(future._wakers) == 2, rounds=1_000_000)
    future.set(4)
    assert await here == 4
    assert await there == 4


async def test_a_future_with_a_blocking_hook_is_awaited_on_a_worker_thread() -> None:
    ref, _ = start_echo()
    mapped = ref.ask(Echo(number=5), block=False).map(lambda number: (number, threading.current_thread()))
    number, thread = await mapped
    assert number == 5
    assert thread is not threading.current_thread()


async def test_a_blocking_get_times_out_on_a_thread_of_its_own() -> None:
    with pytest.raises(pykka.Timeout):
        await asyncio.to_thread(AsyncioFuture[int]().get, timeout=SOON_S)


BLOCKING_CALLS: dict[str, Callable[[Any], object]] = {
    "ask": lambda ref: ref.ask(Echo()),
    "stop": lambda ref: ref.stop(),
    "assign": lambda ref: setattr(ref.proxy(), "hooks", []),
    "stop_all": lambda _: ActorRegistry.stop_all(),
    "get": lambda _: AsyncioFuture[int]().get(),
}


@pytest.mark.parametrize("blocking", BLOCKING_CALLS)
async def test_a_blocking_call_on_the_loop_is_refused(blocking: str) -> None:
    ref, _ = start_echo()
    await ref.ask(Echo(), block=False)
    with pytest.raises(BlockingCallInLoop):
        BLOCKING_CALLS[blocking](ref)


async def test_an_answer_that_is_here_already_may_be_got_on_the_loop() -> None:
    future: AsyncioFuture[int] = AsyncioFuture()
    future.set(6)
    assert future.get() == 6


# -- exceptions --------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), MemoryError()])
async def test_no_exception_of_one_actor_ends_another_or_the_loop(error: BaseException) -> None:
    ref, actor = start_echo()
    other, _ = start_echo()
    with pytest.raises(OutcomeUnknown):
        await ref.ask(Fail(error), block=False)
    assert await ended(actor) == "crashed"
    assert await other.ask(Echo(number=1), block=False) == 1


async def test_a_system_exit_in_a_child_task_ends_its_actor_only() -> None:
    ref, actor = start_echo()

    async def leave() -> None:
        raise SystemExit(3)

    await ref.ask(Call(lambda a: a.spawn(leave(), "leaving") and None), block=False)
    assert await ended(actor) == "crashed"
    assert isinstance(exit_of(actor).error, SystemExit)


async def test_a_cancellation_of_what_a_handler_awaits_does_not_cancel_the_asker() -> None:
    ref, _ = start_echo()
    other, _ = start_echo()
    future = pending()
    asked = ask_ref(ref, Wait(future))
    await settle()
    future.cancel()
    with pytest.raises(OutcomeUnknown):
        await asked
    assert not asked.cancelled()
    assert await other.ask(Echo(number=2), block=False) == 2


async def test_an_exception_on_an_ask_crashes_because_state_may_be_half_changed() -> None:
    ref, actor = start_echo()
    with pytest.raises(OutcomeUnknown):
        await ref.ask(Fail(KeyError("half")), block=False)
    assert await ended(actor) == "crashed"
    assert "failure" in actor.hooks


async def test_a_batch_that_crashes_leaves_no_asker_hanging() -> None:
    ref, _ = start_echo()

    async def commit(actor: EchoActor) -> None:
        actor.defer()
        actor.take_batch(256)
        raise OSError("disk full")

    gate = pending()
    blocking = ask_ref(ref, Wait(gate))
    asks = [ask_ref(ref, Call(commit)), *(ask_ref(ref, Echo(number=n)) for n in range(5))]
    await settle()
    gate.set_result(0)
    assert await blocking == 0
    outcomes = await asyncio.gather(*asks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [OutcomeUnknown] * 6


# -- the inbox ---------------------------------------------------------------------------------------


async def test_after_the_end_an_ask_is_answered_at_once_and_a_tell_raises_only_for_refs() -> None:
    ref, actor = start_echo()
    directory = Directory()
    directory.up("echo", ref)
    actor.kill()
    await ended(actor)
    with pytest.raises(ActorDeadError):
        await ref.ask(Echo(), block=False)
    with pytest.raises(ActorDeadError):
        ref.tell(Echo())
    with pytest.raises(NotDelivered):
        ref.actor_inbox.put(Deferred(Echo()))
    assert directory.tell("echo", Echo()) is False


async def test_telling_a_dead_actor_does_not_kill_the_teller() -> None:
    directory = Directory()
    dead = start_as(directory, "dead")
    teller = start_as(directory, "teller")
    dead.kill()
    await ended(dead)
    told = await directory.ask("teller", Call(lambda _: directory.tell("dead", Echo())), timeout_s=PATIENCE_S)
    assert told is False
    assert teller.exit is None


@pytest.fixture
def hurried_threads() -> Iterator[None]:
    """Switch threads as often as possible, to find races."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hurried_threads")
async def test_no_ask_from_another_thread_is_lost_while_actors_die() -> None:
    outcomes: Counter[str] = Counter()

    def asker(refs: list[Any]) -> None:
        for ref in refs:
            for _ in range(3):
                try:
                    ref.ask(Echo(number=1), block=True, timeout=PATIENCE_S)
                    outcomes["answered"] += 1
                except (ActorDeadError, OutcomeUnknown):
                    outcomes["refused"] += 1
                ref.stop(block=False)

    refs = [EchoActor.start() for _ in range(150)]
    await asyncio.gather(*(asyncio.to_thread(asker, refs) for _ in range(4)))
    assert outcomes.total() == 150 * 4 * 3
    assert min(outcomes["answered"], outcomes["refused"]) >= 100


async def test_an_inbox_is_bounded_without_saying_so() -> None:
    class Unbounded(AsyncioActor):
        inbox_limit = None

    ref = Unbounded.start()
    assert isinstance(ref.actor_inbox, AsyncioInbox)
    assert ref.actor_inbox.limit == 4096


# -- asks that wait for each other --------------------------------------------------------------------


async def test_an_actor_that_asks_itself_is_told_so() -> None:
    directory = Directory()
    start_as(directory, "a")

    async def again(_: EchoActor) -> Any:
        return await directory.ask("a", Echo(), timeout_s=PATIENCE_S)

    with pytest.raises(OutcomeUnknown) as caught:
        await directory.ask("a", Call(again), timeout_s=PATIENCE_S)
    assert isinstance(caught.value.__cause__, AskCycleError)


async def test_two_actors_that_ask_each_other_are_told_so() -> None:
    directory = Directory()
    start_as(directory, "a")
    start_as(directory, "b")

    async def ask_a(_: EchoActor) -> Any:
        with pytest.raises(AskCycleError):
            await directory.ask("a", Echo(), timeout_s=PATIENCE_S)
        return "told"

    async def ask_b(_: EchoActor) -> Any:
        return await directory.ask("b", Call(ask_a), timeout_s=PATIENCE_S)

    assert await directory.ask("a", Call(ask_b), timeout_s=PATIENCE_S) == "told"


async def test_two_clients_whose_asks_cross_are_told_so() -> None:
    directory = Directory()
    start_as(directory, "a")
    start_as(directory, "b")
    gate = pending()

    def relay(to: str) -> Call:
        async def handler(_: EchoActor) -> Any:
            await gate
            try:
                return await directory.ask(to, Echo(number=1), timeout_s=PATIENCE_S)
            except AskCycleError:
                return "cycle"

        return Call(handler)

    clients = [ask(directory, "a", relay("b")), ask(directory, "b", relay("a"))]
    await settle()
    gate.set_result(None)
    assert sorted(map(str, await asyncio.gather(*clients))) == ["1", "cycle"]


async def test_several_asks_at_once_inside_a_handler_count_for_the_ring() -> None:
    directory = Directory()
    start_as(directory, "a")
    start_as(directory, "b")

    async def ask_a(_: EchoActor) -> Any:
        return await directory.ask("a", Echo(), timeout_s=PATIENCE_S)

    async def gather(_: EchoActor) -> Any:
        both = (directory.ask("b", m, timeout_s=PATIENCE_S) for m in (Echo(number=1), Call(ask_a)))
        return await asyncio.gather(*both, return_exceptions=True)

    one, crossed = await directory.ask("a", Call(gather), timeout_s=PATIENCE_S)
    assert one == 1
    assert isinstance(crossed, OutcomeUnknown)
    assert isinstance(crossed.__cause__, AskCycleError)


async def test_a_ring_through_a_deferred_answer_is_ended_by_the_deadline() -> None:
    directory = Directory()
    start_as(directory, "a")
    start_as(directory, "b")
    replies: list[Deferred] = []

    def keep(actor: EchoActor) -> object:
        replies.append(actor.defer())
        return NO_REPLY

    async def ask_b(_: EchoActor) -> Any:
        try:
            return await directory.ask("b", Call(keep), timeout_s=SOON_S)
        except DeadlineAfterStart:
            return "ended"

    assert await directory.ask("a", Call(ask_b), timeout_s=PATIENCE_S) == "ended"
    replies[0].resolve("too late")


async def test_an_await_inside_one_handler_holds_up_nobody_else() -> None:
    directory = Directory()
    start_as(directory, "a")
    start_as(directory, "b")
    gate = pending()
    slow = ask(directory, "a", Wait(gate))
    assert await directory.ask("b", Echo(number=1), timeout_s=PATIENCE_S) == 1
    gate.set_result(2)
    assert await slow == 2


# -- pykka's private surface ---------------------------------------------------------------------------


def test_pykka_is_the_release_whose_hooks_we_build_on() -> None:
    assert version("pykka").startswith("4.5.")
    for hook in ("_create_actor_inbox", "_create_future", "_start_actor_loop", "_stop", "_handle_receive"):
        assert hasattr(pykka.Actor, hook)
