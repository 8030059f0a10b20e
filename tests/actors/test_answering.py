"""Answers from child tasks: beside each other, bounded, refusals passed on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from actors.answering import AnsweringActor
from actors.directory import Directory
from actors.errors import InboxFull, NotDelivered, OutcomeUnknown
from tests.actors.house import Call, Echo, EchoActor, Fail, RefusalError, Wait, actor_of, ended, pending
from tests.actors.named import PATIENCE_S, SOON_S, ask, start_as
from tests.fakes.clock import settle, until


class Clerk(AnsweringActor):
    """Answers with what the coroutine of the message comes to."""

    async def on_receive(self, message: Any) -> object:
        work: Coroutine[Any, Any, object] = message.function(self)
        return self.answer_beside(work)


class Porter(AnsweringActor):
    """Passes everything on to ``echo``, and remembers what came back well."""

    def __init__(self, directory: Directory, timeout_s: float = PATIENCE_S) -> None:
        super().__init__()
        self.directory = directory
        self.timeout_s = timeout_s
        self.carried = 0

    async def on_receive(self, message: Any) -> object:
        return self.forward(self.directory, "echo", message, timeout_s=self.timeout_s, then=self._carry)

    def _carry(self) -> None:
        self.carried += 1


async def value_of(future: asyncio.Future[Any]) -> Any:
    return await future


def start() -> tuple[Directory, Clerk]:
    directory = Directory()
    ref = Clerk.start()
    directory.up("clerk", ref)
    actor = actor_of(ref)
    assert isinstance(actor, Clerk)
    return directory, actor


async def test_a_later_question_may_be_answered_first() -> None:
    directory, actor = start()
    first, second = asyncio.get_running_loop().create_future(), asyncio.get_running_loop().create_future()
    one = ask(directory, "clerk", Call(lambda _: value_of(first)))
    two = ask(directory, "clerk", Call(lambda _: value_of(second)))
    await settle()
    second.set_result(2)
    assert await two == 2
    first.set_result(1)
    assert await one == 1
    actor.stop()
    await ended(actor)


@pytest.mark.parametrize("error", [RefusalError("no"), NotDelivered("not executed"), OutcomeUnknown("?")])
async def test_a_refusal_or_a_failed_ask_is_the_answer_as_it_is(error: Exception) -> None:
    directory, actor = start()
    future = asyncio.get_running_loop().create_future()
    future.set_exception(error)
    with pytest.raises(type(error)) as caught:
        await ask(directory, "clerk", Call(lambda _: value_of(future)))
    assert caught.value is error
    assert actor.exit is None
    actor.stop()
    await ended(actor)


async def test_anything_else_crashes_and_leaves_the_asker_in_doubt() -> None:
    directory, actor = start()
    future = asyncio.get_running_loop().create_future()
    future.set_exception(KeyError("a fault"))
    with pytest.raises(OutcomeUnknown):
        await ask(directory, "clerk", Call(lambda _: value_of(future)))
    assert await ended(actor) == "crashed"


async def test_beyond_the_bound_nothing_is_begun() -> None:
    directory, actor = start()
    actor.actor_inbox.limit = 1
    future = asyncio.get_running_loop().create_future()
    held = ask(directory, "clerk", Call(lambda _: value_of(future)))
    await settle()
    with pytest.raises(InboxFull):
        await ask(directory, "clerk", Call(lambda _: value_of(future)))
    future.set_result("done")
    assert await held == "done"
    assert await ask(directory, "clerk", Call(lambda _: value_of(future))) == "done"
    actor.stop()
    await ended(actor)


def start_porter(timeout_s: float = PATIENCE_S) -> tuple[Directory, Porter]:
    directory = Directory()
    ref = Porter.start(directory, timeout_s)
    directory.up("porter", ref)
    directory.declare("echo")
    porter = actor_of(ref)
    assert isinstance(porter, Porter)
    return directory, porter


async def stopped(*actors: Any) -> None:
    for actor in actors:
        actor.kill()
        await ended(actor)


async def test_a_question_is_passed_on_and_later_ones_may_be_answered_first() -> None:
    directory, porter = start_porter()
    echo = start_as(directory, "echo")
    gate = pending()
    held = ask(directory, "porter", Wait(gate))
    await until(lambda: len(echo.seen) == 1)
    assert porter.carried == 0
    gate.set_result(7)
    assert await ask(directory, "porter", Echo(number=3)) == 3
    assert await held == 7
    assert porter.carried == 2
    await stopped(porter, echo)


async def test_a_refusal_is_passed_on_as_it_is() -> None:
    directory, porter = start_porter()
    echo = start_as(directory, "echo")
    error = RefusalError("no")
    with pytest.raises(RefusalError) as caught:
        await ask(directory, "porter", Fail(error))
    assert caught.value is error
    assert (porter.carried, porter.exit) == (0, None)
    await stopped(porter, echo)


async def test_what_is_passed_on_waits_for_a_receiver_that_is_down() -> None:
    directory, porter = start_porter()
    held = ask(directory, "porter", Echo(number=5))
    await settle()
    echo = start_as(directory, "echo")
    assert await held == 5
    assert porter.carried == 1
    await stopped(porter, echo)


async def test_what_a_dying_receiver_had_not_begun_goes_to_its_successor() -> None:
    directory, porter = start_porter()
    first = start_as(directory, "echo")
    begun = ask(directory, "porter", Wait(pending()))
    await until(lambda: len(first.seen) == 1)
    waiting = ask(directory, "porter", Echo(number=9))
    await until(lambda: len(first.actor_inbox.queue) == 1)
    first.kill()
    with pytest.raises(OutcomeUnknown):
        await begun
    second = start_as(directory, "echo")
    assert await waiting == 9
    assert second.seen == [Echo(number=9)]
    assert (porter.carried, porter.exit) == (1, None)
    await stopped(porter, second)


async def test_what_is_passed_on_is_not_waited_for_beyond_its_deadline() -> None:
    directory, porter = start_porter(SOON_S)
    echo = start_as(directory, "echo")
    with pytest.raises(OutcomeUnknown):
        await ask(directory, "porter", Wait(pending()))
    assert (porter.carried, porter.exit) == (0, None)
    await stopped(porter, echo)


async def test_no_more_is_passed_on_than_the_bound() -> None:
    directory, porter = start_porter()
    echo = start_as(directory, "echo")
    porter.actor_inbox.limit = 1
    gate = pending()
    held = ask(directory, "porter", Wait(gate))
    await until(lambda: len(echo.seen) == 1)
    with pytest.raises(InboxFull):
        await ask(directory, "porter", Echo())
    gate.set_result(1)
    assert await held == 1
    assert await ask(directory, "porter", Echo(number=2)) == 2
    await stopped(porter, echo)


async def test_who_passed_on_and_ended_leaves_the_asker_in_doubt_and_what_waits_unbegun() -> None:
    directory, porter = start_porter()
    echo = start_as(directory, "echo")
    gate = pending()
    first = ask(directory, "porter", Wait(gate))
    await until(lambda: len(echo.seen) == 1)
    second = ask(directory, "porter", Echo())
    await until(lambda: len(echo.actor_inbox.queue) == 1)
    porter.kill()
    for held in (first, second):
        with pytest.raises(OutcomeUnknown):
            await held
    gate.set_result(1)
    await until(lambda: not echo.actor_inbox.queue)
    await settle()
    assert echo.seen == [Wait(gate)]
    assert porter.carried == 0
    await stopped(echo)


async def test_a_fault_after_a_good_answer_crashes_and_leaves_the_asker_in_doubt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    directory, porter = start_porter()
    echo: EchoActor = start_as(directory, "echo")

    def fail() -> None:
        raise KeyError("a fault")

    monkeypatch.setattr(porter, "_carry", fail)
    with pytest.raises(OutcomeUnknown):
        await ask(directory, "porter", Echo())
    assert await ended(porter) == "crashed"
    await stopped(echo)
