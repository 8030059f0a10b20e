"""The tasks beside an actor."""

from __future__ import annotations

import asyncio

import pytest

from actors import childtasks
from actors.childtasks import ChildTasks
from actors.errors import CancelledByOtherError
from actors.frame import current_frame
from tests.actors.house import EchoActor, no_actor_left, pending
from tests.fakes.clock import settle

pytestmark = pytest.mark.usefixtures("no_actor_left")
__all__ = ["no_actor_left"]


async def test_what_escapes_a_task_is_reported_and_a_cancellation_of_it_is_not() -> None:
    failures: list[BaseException] = []
    tasks = ChildTasks(EchoActor(), failures.append)

    async def fail() -> None:
        raise ValueError("child")

    tasks.spawn(fail(), "failing", None)
    cancelled = tasks.spawn(pending_forever(), "cancelled", None)
    await settle()
    cancelled.cancel()
    await settle()
    assert [type(failure) for failure in failures] == [ValueError]


async def pending_forever() -> None:
    """Wait for ever."""
    await pending()


async def test_a_task_ended_before_its_first_step_leaves_no_coroutine_behind() -> None:
    tasks = ChildTasks(EchoActor(), lambda _: None)
    tasks.spawn(pending_forever(), "early", None)
    assert await tasks.end() == []


async def test_a_task_that_does_not_end_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(childtasks, "CHILD_TASKS_END_S", 0.01)
    gate = pending()

    async def stubborn() -> None:
        while not gate.done():
            try:
                await asyncio.shield(gate)
            except asyncio.CancelledError:
                continue

    tasks = ChildTasks(EchoActor(), lambda _: None)
    task = tasks.spawn(stubborn(), "stubborn", None)
    await settle()
    assert await tasks.end() == ["EchoActor/stubborn"]
    gate.set_result(None)
    await asyncio.wait({task})


async def test_a_task_knows_whose_it_is_and_for_which_request() -> None:
    actor = EchoActor()
    seen: list[object] = []

    async def look() -> None:
        frame = current_frame.get()
        assert frame is not None
        seen.extend([frame.actor, frame.is_attached, frame.current_request()])

    await ChildTasks(actor, lambda _: None).spawn(look(), "look", "req-1")
    assert seen == [actor, False, "req-1"]


async def test_what_a_task_awaits_being_cancelled_by_another_is_a_failure() -> None:
    failures: list[BaseException] = []
    tasks = ChildTasks(EchoActor(), failures.append)
    future = pending()

    async def wait() -> None:
        await future

    tasks.spawn(wait(), "waiting", None)
    await settle()
    future.cancel()
    await settle()
    assert [type(failure) for failure in failures] == [CancelledByOtherError]
