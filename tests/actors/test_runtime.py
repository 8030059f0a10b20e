"""One actor: its hooks, its answers, its batches, its child tasks, its end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pykka import ActorDeadError, ActorRegistry

from actors.errors import (
    DeadlineBeforeStart,
    InboxFull,
    NotDelivered,
    OutcomeUnknown,
    ReceiverGone,
    ReplyError,
)
from actors.inbox import Ask, Deferred
from actors.runtime import NO_REPLY, AsyncioActor
from ledger.errors import DomainError
from tests.actors.house import (
    Call,
    Echo,
    EchoActor,
    Fail,
    Later,
    RefusalError,
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


async def test_an_answer_is_what_the_handler_returns() -> None:
    ref, _ = start_echo()
    assert await ref.ask(Echo(7), block=False) == 7


async def test_messages_are_taken_one_at_a_time_in_order() -> None:
    ref, actor = start_echo()
    gate = pending()
    first = ask_ref(ref, Wait(gate))
    second = ask_ref(ref, Echo(2))
    await settle()
    assert [type(m) for m in actor.seen] == [Wait]
    gate.set_result(1)
    assert [await first, await second] == [1, 2]


async def test_hooks_may_be_coroutines_and_run_in_order() -> None:
    ref, actor = start_echo()
    await ref.ask(Echo(), block=False)
    await ref.stop(block=False)
    assert actor.hooks == ["start", "stop", "cleanup"]
    assert ref not in ActorRegistry.get_all()


async def test_hooks_may_be_plain_functions() -> None:
    class Plain(AsyncioActor):
        def on_start(self) -> None:
            self.number = 3

        def on_receive(self, _message: object) -> int:
            return self.number

    ref = Plain.start()
    assert await ref.ask("?", block=False) == 3


async def test_a_refusal_is_the_answer_and_the_actor_lives() -> None:
    ref, actor = start_echo()
    with pytest.raises(DomainError) as caught:
        await ref.ask(Fail(RefusalError("no")), block=False)
    assert (caught.value.code, caught.value.detail) == ("refused_for_the_test", "no")
    assert await ref.ask(Echo(1), block=False) == 1
    assert actor.hooks == ["start"]


async def test_a_refused_told_message_does_not_end_the_actor() -> None:
    ref, _ = start_echo()
    ref.tell(Fail(RefusalError("no")))
    assert await ref.ask(Echo(1), block=False) == 1


async def test_a_crash_is_unknown_to_its_asker_and_certain_to_the_next() -> None:
    ref, actor = start_echo()
    begun = ask_ref(ref, Fail(ValueError("bad")))
    queued = ask_ref(ref, Echo(1))
    with pytest.raises(OutcomeUnknown) as caught:
        await begun
    assert isinstance(caught.value.__cause__, ValueError)
    with pytest.raises(ReceiverGone):
        await queued
    assert await ended(actor) == "crashed"
    assert actor.hooks == ["start", "failure", "cleanup"]


async def test_an_ask_that_failed_further_down_is_unknown_here_and_the_actor_lives() -> None:
    ref, _ = start_echo()
    for error in (NotDelivered("full"), OutcomeUnknown("slow")):
        with pytest.raises(OutcomeUnknown):
            await ref.ask(Fail(error), block=False)
    assert await ref.ask(Echo(1), block=False) == 1


async def test_a_crash_in_on_start_ends_the_actor() -> None:
    class Broken(EchoActor):
        async def on_start(self) -> None:
            raise RuntimeError("cannot start")

    ref = Broken.start()
    actor = actor_of(ref)
    with pytest.raises(ActorDeadError):
        await ref.ask(Echo(), block=False)
    assert await ended(actor) == "crashed"
    assert isinstance(exit_of(actor).error, RuntimeError)
    assert actor.hooks == ["cleanup"]


async def test_a_crash_in_on_stop_is_seen_by_the_link() -> None:
    class Broken(EchoActor):
        async def on_stop(self) -> None:
            raise RuntimeError("cannot stop")

    ref = Broken.start()
    exits: list[Any] = []
    actor_of(ref).link(exits.append)
    await ref.stop(block=False)
    await until(lambda: exits)
    assert exits[0].kind == "crashed"


async def test_a_deferred_answer_lets_the_actor_go_on() -> None:
    ref, _ = start_echo()
    gate = pending()
    slow = ask_ref(ref, Later(gate))
    await settle()
    assert await ref.ask(Echo(5), block=False) == 5
    gate.set_result(9)
    assert await slow == 9


async def test_a_deferred_answer_is_unknown_when_the_actor_dies() -> None:
    ref, actor = start_echo()
    slow = ask_ref(ref, Later(pending()))
    await settle()
    actor.kill()
    with pytest.raises(OutcomeUnknown):
        await slow


async def test_the_second_answer_is_dropped() -> None:
    ref, _ = start_echo()

    def twice(actor: EchoActor) -> object:
        reply = actor.defer()
        reply.resolve(1)
        reply.resolve(2)
        reply.reject(ValueError())
        return NO_REPLY

    assert await ref.ask(Call(twice), block=False) == 1
    assert await ref.ask(Echo(3), block=False) == 3


@pytest.mark.parametrize(
    "handler", [lambda _: NO_REPLY, lambda actor: (actor.defer(), 1)[1]], ids=["no defer", "both"]
)
async def test_breaking_the_rules_of_deferring_crashes(handler: Any) -> None:
    ref, actor = start_echo()
    with pytest.raises(OutcomeUnknown) as caught:
        await ref.ask(Call(handler), block=False)
    assert isinstance(caught.value.__cause__, ReplyError)
    assert await ended(actor) == "crashed"


async def test_the_message_in_hand_shows_its_request_and_deadline() -> None:
    _, actor = start_echo()
    answer = pending()
    actor.actor_inbox.put(Ask(Call(lambda a: (a.request_id, a.deadline)), answer, "req-1", 9e9))
    assert await answer == ("req-1", 9e9)
    assert (actor.request_id, actor.deadline) == (None, None)


async def test_a_batch_is_owed_and_answered_message_by_message() -> None:
    ref, _ = start_echo()
    gate = pending()
    blocked = ask_ref(ref, Wait(gate))
    taken: list[Deferred] = []

    async def batch(a: EchoActor) -> object:
        own = a.defer()
        taken.extend([own, *a.take_batch(2)])
        own.resolve("first")
        taken[1].resolve("second")
        taken[2].reject(RefusalError("third"))
        return NO_REPLY

    asks = [ask_ref(ref, Call(batch)), ask_ref(ref, Echo(2)), ask_ref(ref, Echo(3)), ask_ref(ref, Echo(4))]
    await settle()
    gate.set_result(0)
    assert await blocked == 0
    assert [await asks[0], await asks[1], await asks[3]] == ["first", "second", 4]
    with pytest.raises(RefusalError):
        await asks[2]
    assert [type(d.message) for d in taken] == [Call, Echo, Echo]


async def test_a_batch_ends_before_what_is_not_accepted_and_before_a_stop() -> None:
    ref, actor = start_echo()
    sizes: list[int] = []

    def batch(a: EchoActor) -> None:
        accepted = a.take_batch(10, lambda m: isinstance(m, Echo))
        sizes.append(len(accepted))
        for one in accepted:
            one.resolve(None)

    gate = pending()
    ref.tell(Wait(gate))
    asks = [ask_ref(ref, m) for m in (Call(batch), Echo(), Echo(), "other", Call(batch))]
    await settle()
    stop = ask_stop(ref)
    late = ask_ref(ref, Echo())
    await settle()
    gate.set_result(None)
    await stop
    assert sizes == [2, 0]
    assert await asks[3] == "other"
    with pytest.raises(ReceiverGone):
        await late
    assert exit_of(actor).kind == "stopped"


async def test_the_inbox_is_bounded_and_a_stop_and_its_own_messages_are_exempt() -> None:
    class Small(EchoActor):
        inbox_limit = 2

    ref = Small.start()
    gate = pending()
    ref.tell(Wait(gate))
    await settle()
    ref.tell(Echo())
    ref.tell(Echo())
    with pytest.raises(InboxFull):
        ref.tell(Echo())
    with pytest.raises(InboxFull):
        await ref.ask(Echo(), block=False)
    actor_of(ref).tell_self(Echo(7))
    stop = ask_stop(ref)
    await settle()
    gate.set_result(None)
    assert await stop is True
    assert actor_of(ref).seen[-1] == Echo(7)


async def test_a_message_past_its_deadline_is_dropped_unstarted() -> None:
    ref, actor = start_echo()
    loop = asyncio.get_running_loop()
    answer = pending()
    actor.actor_inbox.put(Ask(Echo(), answer, None, loop.time() - 1))
    with pytest.raises(DeadlineBeforeStart):
        await answer
    await ref.ask(Echo(1), block=False)
    assert actor.seen == [Echo(1)]


async def test_a_ping_overtakes_what_waits() -> None:
    ref, actor = start_echo()
    gate = pending()
    ref.tell(Wait(gate))
    await settle()
    answered: list[bool] = []
    ref.tell(Call(lambda _: answered.append(pong.done())))
    pong = actor.ping()
    gate.set_result(None)
    await pong
    await ref.ask(Echo(), block=False)
    assert answered == [True]


async def test_a_batch_drops_what_is_past_its_deadline() -> None:
    ref, actor = start_echo()
    late, gate = pending(), pending()
    sizes: list[int] = []

    async def batch(a: EchoActor) -> None:
        await gate
        a.actor_inbox.put(Ask(Echo(), late, None, asyncio.get_running_loop().time() - 1))
        taken = a.take_batch(10)
        sizes.append(len(taken))
        for one in taken:
            one.resolve(None)

    asked = [ask_ref(ref, Call(batch)), ask_ref(ref, Echo())]
    await settle()
    gate.set_result(None)
    await asyncio.gather(*asked)
    assert sizes == [1]
    with pytest.raises(DeadlineBeforeStart):
        await late
    assert actor.exit is None
