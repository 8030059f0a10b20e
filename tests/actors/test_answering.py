"""Answers from child tasks: beside each other, bounded, refusals passed on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from actors.answering import AnsweringActor
from actors.directory import Directory
from actors.errors import InboxFull, NotDelivered, OutcomeUnknown
from tests.actors.house import Call, RefusalError, actor_of, ended
from tests.actors.named import ask
from tests.fakes.clock import settle


class Clerk(AnsweringActor):
    """Answers with what the coroutine of the message comes to."""

    async def on_receive(self, message: Any) -> object:
        work: Coroutine[Any, Any, object] = message.function(self)
        return self.answer_beside(work)


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
