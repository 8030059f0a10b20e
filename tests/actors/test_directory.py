"""Names: what an ask means while its receiver is up, down, gone, busy or dying."""

from __future__ import annotations

import asyncio

import pytest

from actors.directory import Directory
from actors.errors import (
    DeadlineAfterStart,
    DeadlineBeforeStart,
    DeliveryError,
    InboxFull,
    NotDelivered,
    OutcomeUnknown,
    ReceiverGone,
    Unavailable,
)
from actors.runtime import NO_REPLY
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
    ended,
    no_actor_left,
    pending,
)
from tests.actors.named import PATIENCE_S, SOON_S, Meters, ask, start_as
from tests.fakes.clock import settle, until

pytestmark = pytest.mark.usefixtures("no_actor_left")
__all__ = ["no_actor_left"]


async def test_an_ask_reaches_the_name_and_brings_the_answer() -> None:
    directory = Directory()
    start_as(directory, "echo")
    assert await directory.ask("echo", Echo(number=4), timeout_s=PATIENCE_S) == 4


async def test_a_refusal_reaches_the_asker_as_it_is() -> None:
    directory = Directory()
    start_as(directory, "echo")
    with pytest.raises(DomainError, match="refused_for_the_test"):
        await directory.ask("echo", Fail(RefusalError("no")), timeout_s=PATIENCE_S)


async def test_a_name_nobody_declared_is_unavailable_at_once() -> None:
    with pytest.raises(Unavailable, match="no echo"):
        await Directory().ask("echo", Echo(), timeout_s=PATIENCE_S)


async def test_a_caller_waits_while_the_receiver_is_down() -> None:
    directory = Directory()
    directory.declare("echo")
    waiting = ask(directory, "echo", Echo(number=1))
    await settle()
    assert directory.views()[0].parked == 1
    start_as(directory, "echo")
    assert await waiting == 1
    assert directory.views()[0].parked == 0


async def test_a_caller_that_does_not_want_to_wait_is_told_at_once() -> None:
    directory = Directory()
    directory.declare("echo")
    with pytest.raises(Unavailable, match="not up"):
        await directory.ask("echo", Echo(), timeout_s=PATIENCE_S, wait_up=False)


async def test_a_parked_caller_gives_up_at_its_deadline() -> None:
    directory = Directory()
    directory.declare("echo")
    with pytest.raises(NotDelivered):
        await directory.ask("echo", Echo(), timeout_s=SOON_S)
    assert directory.views()[0].parked == 0


async def test_a_cancelled_parked_caller_leaves_no_trace() -> None:
    directory = Directory()
    directory.declare("echo")
    waiting = ask(directory, "echo", Echo())
    await settle()
    waiting.cancel()
    await settle()
    assert directory.views()[0].parked == 0


async def test_parked_callers_are_bounded() -> None:
    directory = Directory(max_parked=2)
    directory.declare("echo")
    parked = [ask(directory, "echo", Echo(number=n)) for n in range(2)]
    await settle()
    with pytest.raises(Unavailable, match="2 callers"):
        await directory.ask("echo", Echo(), timeout_s=PATIENCE_S)
    start_as(directory, "echo")
    assert [await one for one in parked] == [0, 1]


async def test_gone_tells_parked_and_later_callers_at_once() -> None:
    directory = Directory()
    directory.declare("echo")
    parked = ask(directory, "echo", Echo())
    await settle()
    directory.gone("echo")
    with pytest.raises(Unavailable):
        await parked
    with pytest.raises(Unavailable):
        await directory.ask("echo", Echo(), timeout_s=PATIENCE_S)


async def test_a_name_that_was_gone_can_come_back() -> None:
    directory = Directory()
    directory.gone("echo")
    start_as(directory, "echo")
    assert await directory.ask("echo", Echo(number=2), timeout_s=PATIENCE_S) == 2


async def test_queued_asks_go_to_the_next_incarnation_in_order_and_the_started_one_does_not() -> None:
    directory = Directory()
    first = start_as(directory, "echo")
    started = ask(directory, "echo", Wait(pending()))
    queued = [ask(directory, "echo", Echo(number=n)) for n in range(3)]
    await settle()
    first.kill()
    with pytest.raises(OutcomeUnknown):
        await started
    assert first.seen == [first.seen[0]]
    second = start_as(directory, "echo")
    assert [await one for one in queued] == [0, 1, 2]
    assert second.seen == [Echo(number=n) for n in range(3)]
    assert directory.views()[0].incarnation == 2


async def test_an_ask_to_an_incarnation_nobody_has_reported_dead_yet_waits_for_the_next() -> None:
    directory = Directory()
    first = start_as(directory, "echo")
    first.kill()
    await ended(first)
    waiting = ask(directory, "echo", Echo(number=8))
    await settle()
    assert not waiting.done()
    start_as(directory, "echo")
    assert await waiting == 8


async def test_a_deadline_after_the_start_is_unknown_and_the_message_runs_to_its_end() -> None:
    directory = Directory()
    actor = start_as(directory, "echo")
    gate = pending()
    with pytest.raises(DeadlineAfterStart):
        await directory.ask("echo", Wait(gate), timeout_s=SOON_S)
    gate.set_result(1)
    assert await directory.ask("echo", Echo(number=1), timeout_s=PATIENCE_S) == 1
    assert len(actor.seen) == 2


async def test_a_deadline_before_the_start_is_certain_and_the_message_never_runs() -> None:
    directory = Directory()
    actor = start_as(directory, "echo")
    gate = pending()
    blocking = ask(directory, "echo", Wait(gate))
    await settle()
    with pytest.raises(DeadlineBeforeStart):
        await directory.ask("echo", Echo(), timeout_s=SOON_S)
    gate.set_result(1)
    await blocking
    await settle()
    assert len(actor.seen) == 1


async def test_a_full_inbox_is_said_at_once() -> None:
    class Small(EchoActor):
        inbox_limit = 1

    directory = Directory()
    start_as(directory, "echo", Small)
    gate = pending()
    asks = [ask(directory, "echo", Wait(gate))]
    await settle()
    asks.append(ask(directory, "echo", Echo(number=1)))
    await settle()
    with pytest.raises(InboxFull):
        await directory.ask("echo", Echo(), timeout_s=PATIENCE_S)
    gate.set_result(0)
    assert [await one for one in asks] == [0, 1]


async def test_a_tell_never_raises_and_counts_what_is_lost() -> None:
    class Small(EchoActor):
        inbox_limit = 1

    meters = Meters()
    directory = Directory(meters)
    assert directory.tell("nobody", Echo()) is False
    directory.declare("echo")
    assert directory.tell("echo", Echo()) is False
    actor = start_as(directory, "echo", Small)
    assert directory.tell("echo", Echo()) is True
    assert directory.tell("echo", Echo()) is False
    actor.kill()
    await ended(actor)
    assert directory.tell("echo", Echo()) is False
    assert directory.views()[0].dead_letters == 3
    # … and the one that waited when the actor died.
    assert meters.counts["echo dead"] == 4


async def test_no_ask_is_lost_while_incarnations_come_and_go() -> None:
    directory = Directory()
    directory.declare("echo")
    alive = [start_as(directory, "echo")]

    async def client(number: int) -> str:
        outcomes = set()
        for turn in range(20):
            try:
                assert await directory.ask("echo", Echo(number=turn), timeout_s=PATIENCE_S) == turn
                outcomes.add("answered")
            except DeliveryError as error:
                outcomes.add(type(error).__name__)
        return ",".join(sorted(outcomes)) + str(number)

    clients = [asyncio.ensure_future(client(n)) for n in range(20)]
    for _ in range(15):
        await asyncio.sleep(0)
        alive[-1].kill()
        await ended(alive[-1])
        alive.append(start_as(directory, "echo"))
    outcomes = await asyncio.gather(*clients)
    assert len(outcomes) == 20
    await until(lambda: not alive[-1].actor_inbox.queue)


async def test_a_deferred_answer_comes_through_the_directory() -> None:
    directory = Directory()
    start_as(directory, "echo")
    gate = pending()
    slow = ask(directory, "echo", Later(gate))
    assert await directory.ask("echo", Echo(number=1), timeout_s=PATIENCE_S) == 1
    gate.set_result(2)
    assert await slow == 2


async def test_a_cancelled_asker_takes_back_what_was_not_begun() -> None:
    directory = Directory()
    actor = start_as(directory, "echo")
    gate = pending()
    blocking = ask(directory, "echo", Wait(gate))
    queued = ask(directory, "echo", Echo())
    await settle()
    queued.cancel()
    await settle()
    gate.set_result(1)
    await blocking
    await settle()
    assert len(actor.seen) == 1


def test_the_directory_takes_only_our_actors() -> None:
    class Ref:
        actor_inbox = type("Inbox", (), {"actor": None})()

    with pytest.raises(TypeError):
        Directory().up("echo", Ref())  # type: ignore[arg-type]


async def test_adopting_names_the_actor_before_it_starts() -> None:
    directory = Directory()
    names: list[str] = []

    class Curious(EchoActor):
        async def on_start(self) -> None:
            names.append(self.address)

    ref = Curious.start()
    directory.adopt("curious", ref)
    await actor_of(ref).ping()
    assert names == ["curious"]
    assert directory.views()[0].state == "down"


async def test_a_begun_message_is_never_sent_again_whatever_it_is_answered_with() -> None:
    directory = Directory()
    first = start_as(directory, "echo")
    seen: list[str] = []

    def refuse(actor: EchoActor) -> object:
        seen.append("begun")
        actor.defer().reject(ReceiverGone("not us"))
        return NO_REPLY

    with pytest.raises(ReceiverGone):
        await directory.ask("echo", Call(refuse), timeout_s=PATIENCE_S)
    assert seen == ["begun"]
    assert first.exit is None


async def test_an_ask_that_is_only_begun_answers_into_its_future() -> None:
    directory = Directory()
    start_as(directory, "echo")
    begun = directory.begin("echo", Echo(number=4), timeout_s=PATIENCE_S)
    assert begun is not None
    assert await begun.future == 4


async def test_an_ask_is_not_begun_while_the_receiver_is_down() -> None:
    directory = Directory()
    directory.declare("echo")
    assert directory.begin("echo", Echo(), timeout_s=PATIENCE_S) is None
    assert directory.begin("nobody", Echo(), timeout_s=PATIENCE_S) is None


async def test_an_ask_that_was_begun_ends_at_its_deadline() -> None:
    directory = Directory()
    start_as(directory, "echo")
    begun = directory.begin("echo", Wait(pending()), timeout_s=SOON_S)
    assert begun is not None
    with pytest.raises(DeadlineAfterStart):
        await begun.future
