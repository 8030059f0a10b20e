"""The ledger actor: answers after the commit, groups what waits, bears a failing disk, falls with dignity."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from actors.childspec import ChildSpec
from actors.directory import Directory
from actors.errors import OutcomeUnknown, Unavailable
from actors.ledger import LedgerActor, private_thread
from actors.messages import OutboxReady
from actors.policy import RestartLimits
from actors.supervisor import Supervisor
from config.schema import LedgerSettings
from ledger import dispatch
from ledger.errors import InsufficientFundsError, StoreUnavailableError
from ledger.store import SqliteStore
from ledger.views import Outcome
from monitoring.metrics import Metrics
from tests.actors.doors import FaultyStore, LoopThread
from tests.actors.house import actor_of, ended
from tests.actors.named import PATIENCE_S, start_as
from tests.fakes.clock import FakeClock, settle, until
from tests.ledger.books import NOW, balance, fund, make_books, rows, transfer


class Books:
    """A supervised ledger on a store with money in it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "books.sqlite"
        store = make_books(folder)
        fund(store, "alice", 1_000_000)
        store.close()
        self.clock = FakeClock(NOW)
        self.directory = Directory()
        self.metrics = Metrics()
        self.faults: list[BaseException | str] = []
        self.batches: list[int] = []
        self.settings = LedgerSettings()
        self.opened: list[SqliteStore] = []
        self.make_thread: Callable[[], Any] = LoopThread
        self.make_store: Callable[[], SqliteStore] = self._faulty
        self.supervisor: Supervisor | None = None

    def _faulty(self) -> SqliteStore:
        return FaultyStore(self.path, self.faults, self.batches, now_s=NOW)

    def _open(self) -> SqliteStore:
        store = self.make_store()
        store.open()
        self.opened.append(store)
        return store

    def _start(self) -> Any:
        return LedgerActor.start(
            self._open, self.directory, self.clock, self.settings, self.metrics, self.make_thread
        )

    async def start(self) -> None:
        """Start under a supervisor that restarts at once."""
        ref = Supervisor.start(
            [ChildSpec("ledger", self._start)],
            directory=self.directory,
            clock=self.clock,
            rng=random.Random(1),
            limits=RestartLimits(),
        )
        actor = actor_of(ref)
        assert isinstance(actor, Supervisor)
        self.supervisor = actor
        await self._wait(actor.ping())

    async def _wait(self, future: Any) -> Any:
        return await asyncio.wait_for(future, PATIENCE_S)

    async def stop(self) -> None:
        """Stop and wait."""
        if self.supervisor is not None:
            self.supervisor.stop()
            await ended_in_time(self.supervisor)

    def ask(self, message: Any) -> asyncio.Task[Any]:
        """An ask on its way."""
        return asyncio.ensure_future(self.directory.ask("ledger", message, timeout_s=PATIENCE_S))

    def posted(self) -> int:
        """Transfers on the disk, seen by another connection."""
        return int(rows(self.path, "SELECT count(*) FROM transfer")[0][0])


async def ended_in_time(actor: Any) -> None:
    """Wait for an actor's end by its link: its thread may take real time."""
    over = asyncio.get_running_loop().create_future()
    actor.link(lambda _: None if over.done() else over.set_result(None))
    await asyncio.wait_for(over, PATIENCE_S)


@pytest.fixture
async def books(tmp_path: Path) -> AsyncIterator[Books]:
    """Books that are stopped at the end."""
    made = Books(tmp_path)
    yield made
    await made.stop()


async def test_an_answer_comes_after_the_commit(books: Books) -> None:
    await books.start()
    seen: list[int] = []
    task = books.ask(transfer(1, "alice", "bob", 100))
    task.add_done_callback(lambda _: seen.append(books.posted()))
    await task
    await asyncio.sleep(0)
    assert seen == [1]


async def test_a_store_that_answers_before_its_commit_is_caught(books: Books) -> None:
    """The test above can fail: with a store that commits late the row is not there yet."""

    class Early(SqliteStore):
        def apply_batch(self, commands: Any, now_s: int) -> Any:
            if not any(type(each).__name__ == "PostTransfer" for each in commands):
                return super().apply_batch(commands, now_s)
            assert self._db is not None
            assert self._tx is not None
            self._db.execute("BEGIN IMMEDIATE")
            return [dispatch.execute(self._tx, command) for command in commands]

    books.make_store = lambda: Early(books.path, now_s=NOW)
    await books.start()
    seen: list[int] = []
    task = books.ask(transfer(1, "alice", "bob", 100))
    task.add_done_callback(lambda _: seen.append(books.posted()))
    await task
    await asyncio.sleep(0)
    assert seen == [0]


async def test_many_askers_share_few_commits(books: Books) -> None:
    await books.start()
    tasks = [books.ask(transfer(number, "alice", "bob", 1)) for number in range(64)]
    outcomes = await asyncio.gather(*tasks)
    assert all(isinstance(each, Outcome) for each in outcomes)
    assert sum(books.batches) == 64
    assert len(books.batches) <= 4
    assert balance(books.path, "client:bob:BTC:available") == 64


async def test_a_batch_is_no_larger_than_configured(books: Books) -> None:
    books.settings = LedgerSettings(batch_max=10)
    await books.start()
    await asyncio.gather(*(books.ask(transfer(number, "alice", "bob", 1)) for number in range(35)))
    assert max(books.batches) == 10
    assert sum(books.batches) == 35


async def test_a_refusal_touches_only_its_own_message(books: Books) -> None:
    await books.start()
    tasks = [
        books.ask(transfer(number, "alice", "bob", 5_000_000 if number == 7 else 1)) for number in range(16)
    ]
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(each, InsufficientFundsError) for each in results].index(True) == 7
    assert sum(isinstance(each, Outcome) for each in results) == 15
    assert books.posted() == 15


async def test_l04_a_full_disk_is_answered_not_executed_and_the_ledger_lives(books: Books) -> None:
    await books.start()
    first = books.directory.views()[0].incarnation
    books.faults.append(StoreUnavailableError("the disk is full"))
    results = await asyncio.gather(
        *(books.ask(transfer(number, "alice", "bob", 1)) for number in range(5)), return_exceptions=True
    )
    assert any(type(each) is Unavailable for each in results)
    refused = [number for number, each in enumerate(results) if type(each) is Unavailable]
    assert books.posted() == 5 - len(refused)
    for number in refused:
        await books.ask(transfer(number, "alice", "bob", 1))
    assert books.posted() == 5
    assert books.directory.views()[0].incarnation == first


async def test_a_crash_before_the_commit_leaves_the_askers_in_doubt_and_writes_nothing(books: Books) -> None:
    await books.start()
    books.faults.append(RuntimeError("a fault of the program"))
    with pytest.raises(OutcomeUnknown):
        await books.ask(transfer(1, "alice", "bob", 100))
    assert books.posted() == 0
    await books.ask(transfer(1, "alice", "bob", 100))
    assert books.posted() == 1
    assert len(books.opened) == 2


async def test_a_crash_after_the_commit_is_doubt_too_and_the_same_key_pays_once(books: Books) -> None:
    await books.start()
    books.faults.append("after commit")
    with pytest.raises(OutcomeUnknown):
        await books.ask(transfer(1, "alice", "bob", 100))
    outcome = await books.ask(transfer(1, "alice", "bob", 100))
    assert outcome.is_replayed
    assert balance(books.path, "client:bob:BTC:available") == 100


async def test_those_who_waited_behind_a_crash_are_served_by_the_next_incarnation(books: Books) -> None:
    books.settings = LedgerSettings(batch_max=1)
    await books.start()
    books.faults.append(RuntimeError("a fault of the program"))
    tasks = [books.ask(transfer(number, "alice", "bob", 1)) for number in range(8)]
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(each, OutcomeUnknown) for each in results].count(True) == 1
    assert sum(isinstance(each, Outcome) for each in results) == 7


async def test_closing_waits_behind_the_batch_that_still_runs(books: Books) -> None:
    begun, may_go = threading.Event(), threading.Event()
    order: list[str] = []

    class Slow(SqliteStore):
        def apply_batch(self, commands: Any, now_s: int) -> Any:
            begun.set()
            assert may_go.wait(PATIENCE_S)
            results = super().apply_batch(commands, now_s)
            order.append("committed")
            return results

        def close(self) -> None:
            order.append("closed")
            super().close()

    books.make_store = lambda: Slow(books.path, now_s=NOW)
    books.make_thread = private_thread
    await books.start()
    actor = actor_of(books.supervisor._children_of["ledger"].actor.actor_ref)  # type: ignore[union-attr]
    task = books.ask(transfer(1, "alice", "bob", 100))
    await asyncio.to_thread(begun.wait, PATIENCE_S)
    actor.kill()
    await settle()
    assert order == []
    may_go.set()
    with pytest.raises(OutcomeUnknown):
        await task
    await ended_in_time(actor)
    assert order[:2] == ["committed", "closed"]
    assert books.posted() == 1


async def test_a_start_that_is_given_up_does_not_keep_the_file_locked(books: Books) -> None:
    begun, may_go = threading.Event(), threading.Event()

    class SlowToOpen(SqliteStore):
        def open(self) -> None:
            begun.set()
            assert may_go.wait(PATIENCE_S)
            super().open()

    books.make_store = lambda: SlowToOpen(books.path, now_s=NOW)
    books.make_thread = private_thread
    actor = actor_of(books._start())
    await asyncio.to_thread(begun.wait, PATIENCE_S)
    actor.kill()
    may_go.set()
    await ended_in_time(actor)
    again = SqliteStore(books.path, now_s=NOW)
    again.open()
    again.close()


async def test_events_are_told_once_they_are_committed(books: Books) -> None:
    listener = start_as(books.directory, "notifier")
    await books.start()
    await books.ask(transfer(1, "alice", "bob", 100))
    await until(lambda: listener.seen)
    sequence = rows(books.path, "SELECT max(sequence) FROM event")[0][0]
    assert listener.seen == [OutboxReady(sequence)]
    with pytest.raises(InsufficientFundsError):
        await books.ask(transfer(2, "alice", "bob", 10**9))
    await settle()
    assert listener.seen == [OutboxReady(sequence)]
    listener.stop()
    assert await ended(listener) == "stopped"


async def test_checkpoints_run_beside_and_bear_a_failing_disk(books: Books) -> None:
    await books.start()
    done: list[str] = []
    store = books.opened[0]
    gate = threading.Event()

    def failing() -> None:
        done.append("checkpoint")
        gate.set()
        raise StoreUnavailableError("the disk fails")

    store.checkpoint = failing  # type: ignore[method-assign]
    await books.clock.advance(books.settings.checkpoint_interval_s)
    assert await asyncio.to_thread(gate.wait, PATIENCE_S)
    await books.ask(transfer(1, "alice", "bob", 100))
    assert done == ["checkpoint"]
    assert len(books.opened) == 1


async def test_metrics_count_batches_and_results(books: Books) -> None:
    await books.start()
    await books.ask(transfer(1, "alice", "bob", 100))
    await books.ask(transfer(1, "alice", "bob", 100))
    with pytest.raises(InsufficientFundsError):
        await books.ask(transfer(2, "alice", "bob", 10**9))
    value = books.metrics.registry.get_sample_value
    assert value("cashier_ledger_transactions_total", {"result": "committed"}) == 3
    for result in ("done", "replayed", "refused"):
        labels = {"message": "PostTransfer", "result": result}
        assert value("cashier_ledger_commands_total", labels) == 1


async def test_what_is_no_command_is_a_fault_of_the_program(books: Books) -> None:
    await books.start()
    with pytest.raises(OutcomeUnknown):
        await books.ask(OutboxReady(1))
    await books.ask(transfer(1, "alice", "bob", 100))
