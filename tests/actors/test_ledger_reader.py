"""The read side as an actor: questions beside each other, refusals, a failing disk, a bound."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from actors.directory import Directory
from actors.errors import InboxFull, OutcomeUnknown, Unavailable
from actors.ledger_reader import LedgerReaderActor
from ledger.commands import GetWatchState
from ledger.dispatch import Result
from ledger.errors import InvalidCursorError, NotFoundError, StoreUnavailableError
from ledger.queries import GetBalances, GetBooks, ListDeposits, Query
from ledger.reader import LedgerReader
from tests.actors.house import actor_of, ended
from tests.actors.named import PATIENCE_S
from tests.fakes.clock import until
from tests.ledger.books import NOW, fund, make_books

REFUSED = GetBalances("refused")


class Slow:
    """A reader that answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.batches: list[list[object]] = []
        self.may_answer = asyncio.Event()
        self.error: BaseException | None = None
        self.is_closed = False

    async def answer(self, query: object) -> Any:
        self.asked.append(query)
        if self.error is not None:
            raise self.error
        await self.may_answer.wait()
        return ()

    async def answer_quick(self, queries: Sequence[object]) -> list[Result]:
        self.batches.append(list(queries))
        if self.error is not None:
            raise self.error
        await self.may_answer.wait()
        refused = NotFoundError("for the test")
        return [Result(error=refused) if query == REFUSED else Result(()) for query in queries]

    async def close(self) -> None:
        self.is_closed = True


async def start(reader: Any) -> tuple[Directory, LedgerReaderActor]:
    """A running actor over ``reader``."""
    directory = Directory()

    async def opened() -> Any:
        return reader

    ref = LedgerReaderActor.start(opened)
    directory.up("ledger_reader", ref)
    actor = actor_of(ref)
    assert isinstance(actor, LedgerReaderActor)
    return directory, actor


async def stop(actor: LedgerReaderActor) -> None:
    """Stop and wait for the end, which closes threads."""
    over = asyncio.get_running_loop().create_future()
    actor.link(lambda _: over.set_result(None))
    actor.stop()
    await asyncio.wait_for(over, PATIENCE_S)


async def test_it_answers_from_the_books(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 5_000)
    directory = Directory()
    ref = LedgerReaderActor.start(LedgerReader(store.path, now_s=lambda: NOW).open)
    directory.up("ledger_reader", ref)
    (view,) = await directory.ask("ledger_reader", GetBalances("alice"), timeout_s=PATIENCE_S)
    assert (view.currency, view.available) == ("BTC", 5_000)
    books = await directory.ask("ledger_reader", GetBooks("BTC"), timeout_s=PATIENCE_S)
    assert books.onchain["hot"] == 5_000
    with pytest.raises(InvalidCursorError):
        await directory.ask("ledger_reader", ListDeposits(cursor="made up"), timeout_s=PATIENCE_S)
    await stop(actor_of(ref))
    store.close()


async def test_a_slow_question_does_not_hold_up_the_next() -> None:
    reader = Slow()
    directory, actor = await start(reader)
    tasks = [
        asyncio.ensure_future(
            directory.ask("ledger_reader", ListDeposits(cursor=str(number)), timeout_s=PATIENCE_S)
        )
        for number in range(5)
    ]
    await until(lambda: len(reader.asked) == 5)
    reader.may_answer.set()
    answers: list[Any] = await asyncio.gather(*tasks)
    assert answers == [()] * 5
    await stop(actor)
    assert reader.is_closed


async def test_quick_questions_that_wait_are_answered_together_and_refused_alone() -> None:
    reader = Slow()
    directory, actor = await start(reader)
    questions = [GetBalances("first"), *(GetBalances(str(number)) for number in range(70)), REFUSED]
    tasks = [
        asyncio.ensure_future(directory.ask("ledger_reader", question, timeout_s=PATIENCE_S))
        for question in questions
    ]
    await until(lambda: len(reader.batches) == 1)
    listed = asyncio.ensure_future(directory.ask("ledger_reader", ListDeposits(), timeout_s=PATIENCE_S))
    reader.may_answer.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert results[:-1] == [()] * 71
    assert isinstance(results[-1], NotFoundError)
    page: Any = await listed
    assert page == ()
    assert [len(batch) for batch in reader.batches] == [64, 8]
    await stop(actor)


async def test_questions_of_another_kind_are_not_mixed_in() -> None:
    reader = Slow()
    reader.may_answer.set()
    directory, actor = await start(reader)
    kinds: list[Query[Any]] = [GetBalances("a"), ListDeposits(), GetBalances("b"), GetBalances("c")]
    asks = [directory.ask("ledger_reader", each, timeout_s=PATIENCE_S) for each in kinds]
    assert await asyncio.gather(*asks) == [()] * 4
    assert reader.batches == [[GetBalances("a")], [GetBalances("b"), GetBalances("c")]]
    assert reader.asked == [ListDeposits()]
    await stop(actor)


@pytest.mark.parametrize("question", [GetBalances("alice"), ListDeposits()])
async def test_a_disk_that_fails_is_answered_not_executed_and_the_actor_lives(question: Query[Any]) -> None:
    reader = Slow()
    reader.error = StoreUnavailableError("input/output error")
    directory, actor = await start(reader)
    with pytest.raises(Unavailable):
        await directory.ask("ledger_reader", question, timeout_s=PATIENCE_S)
    reader.error = None
    reader.may_answer.set()
    assert await directory.ask("ledger_reader", question, timeout_s=PATIENCE_S) == ()
    await stop(actor)


async def test_more_than_the_inbox_holds_are_refused_as_not_executed() -> None:
    reader = Slow()
    directory, actor = await start(reader)
    actor.actor_inbox.limit = 3
    tasks = []
    for number in range(5):
        tasks.append(
            asyncio.ensure_future(
                directory.ask("ledger_reader", ListDeposits(cursor=str(number)), timeout_s=PATIENCE_S)
            )
        )
        await until(lambda: not actor.actor_inbox.queue)
        for _ in range(5):
            await asyncio.sleep(0)
    reader.may_answer.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in results] == [tuple, tuple, tuple, InboxFull, InboxFull]
    again: Any = await directory.ask("ledger_reader", ListDeposits(cursor="again"), timeout_s=PATIENCE_S)
    assert again == ()
    await stop(actor)


async def test_what_is_no_question_is_a_fault_of_the_program() -> None:
    reader = Slow()
    directory, actor = await start(reader)
    with pytest.raises(OutcomeUnknown):
        await directory.ask("ledger_reader", GetWatchState("BTC"), timeout_s=PATIENCE_S)
    assert await ended(actor) == "crashed"
    assert reader.is_closed
