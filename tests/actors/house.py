"""Small actors and messages for the tests of the runtime."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from pykka import ActorRef, ActorRegistry

from actors.frame import Exit
from actors.inbox import AsyncioInbox
from actors.runtime import NO_REPLY, AsyncioActor
from ledger.errors import DomainError
from ledger.request import Request
from tests.fakes.clock import until


@dataclass(frozen=True, slots=True)
class Echo(Request[int]):
    receiver: ClassVar[str] = "echo"
    number: int = 0


@dataclass(frozen=True, slots=True)
class Fail(Request[int]):
    """Raise this inside of the handler."""

    receiver: ClassVar[str] = "echo"
    error: BaseException


@dataclass(frozen=True, slots=True)
class Wait(Request[int]):
    """Await this inside of the handler."""

    receiver: ClassVar[str] = "echo"
    future: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class Later(Request[int]):
    """Answer from a child task, when this is done."""

    receiver: ClassVar[str] = "echo"
    future: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class Call(Request[Any]):
    """Call this inside of the handler, with the actor."""

    receiver: ClassVar[str] = "echo"
    function: Callable[[Any], Any]


class EchoActor(AsyncioActor):
    """Does what its messages say and remembers them."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[object] = []
        self.hooks: list[str] = []

    async def on_start(self) -> None:
        self.hooks.append("start")

    async def on_stop(self) -> None:
        self.hooks.append("stop")

    def on_failure(self, *_: Any) -> None:
        self.hooks.append("failure")

    async def on_cleanup(self) -> None:
        self.hooks.append("cleanup")

    async def on_receive(self, message: Any) -> Any:
        self.seen.append(message)
        match message:
            case Echo():
                return message.number
            case Fail():
                raise message.error
            case Wait():
                return await message.future
            case Later():
                self.spawn(self._answer(self.defer(), message.future), "later")
                return NO_REPLY
            case Call():
                result = message.function(self)
                return await result if asyncio.iscoroutine(result) else result
            case _:
                return message

    async def _answer(self, reply: Any, future: asyncio.Future[Any]) -> None:
        reply.resolve(await future)


class RefusalError(DomainError):
    code = "refused_for_the_test"


def actor_of(ref: ActorRef[Any]) -> Any:
    """The actor behind a ref; tests only."""
    inbox = ref.actor_inbox
    assert isinstance(inbox, AsyncioInbox)
    return inbox.actor


def start_echo() -> tuple[ActorRef[Any], EchoActor]:
    """A running echo actor, and its ref."""
    ref = EchoActor.start()
    actor = actor_of(ref)
    assert isinstance(actor, EchoActor)
    return ref, actor


def pending() -> asyncio.Future[Any]:
    """A future of the running loop that nothing has answered yet."""
    return asyncio.get_running_loop().create_future()


def exit_of(actor: AsyncioActor) -> Exit:
    """How an actor ended."""
    assert actor.exit is not None
    return actor.exit


async def ended(actor: AsyncioActor) -> str:
    """Wait for the end of an actor; in which way it ended."""
    await until(lambda: actor.exit is not None)
    return exit_of(actor).kind


def ask_ref(ref: Any, message: object) -> asyncio.Future[Any]:
    """An ask on its way, as a future of this loop."""
    return asyncio.ensure_future(_ask(ref, message))


async def _ask(ref: Any, message: object) -> Any:
    return await ref.ask(message, block=False)


def ask_stop(ref: Any) -> asyncio.Future[Any]:
    """A stop on its way."""
    return asyncio.ensure_future(_stop(ref))


async def _stop(ref: Any) -> Any:
    return await ref.stop(block=False)


@pytest.fixture
async def no_actor_left() -> AsyncIterator[None]:
    """End what a test left running, so that nothing outlives its loop."""
    yield
    actors = [actor_of(ref) for ref in ActorRegistry.get_all()]
    for actor in actors:
        actor.kill()
    for actor in actors:
        await ended(actor)
