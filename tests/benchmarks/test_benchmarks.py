"""The harness on small sizes: made-up books are valid, the comparison does the same, the table is written."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest
from rich.console import Console

from ledger.commands import SpentNonce
from ledger.connection import connect
from ledger.verify import verify_file
from tests.benchmarks import __main__ as bench
from tests.benchmarks import bench_reconcile, bench_verify, statements
from tests.benchmarks.bench_deposits import measure
from tests.benchmarks.bench_ledger import transfers
from tests.benchmarks.books import fill
from tests.benchmarks.table import machine, markdown, result_of, row
from tests.fakes.oracle import check_books
from tests.ledger.books import NOW, make_books


def filled(folder: Path, clients: int = 20, postings: int = 100) -> Path:
    folder.mkdir(exist_ok=True)
    store = make_books(folder)
    store.close()
    fill(store.path, "BTC", NOW, clients=clients, postings=postings)
    return store.path


def test_filled_books_pass_every_audit(tmp_path: Path) -> None:
    path = filled(tmp_path)
    assert verify_file(path) == []
    assert check_books(path) == []
    db = sqlite3.connect(path)
    try:
        assert db.execute("SELECT count(*) FROM posting").fetchone() == (100,)
        assert db.execute("SELECT count(*) FROM own_script").fetchone() == (20,)
        assert db.execute("SELECT count(*) FROM sqlite_master WHERE type = 'trigger'").fetchone()[0] >= 5
    finally:
        db.close()


def test_the_comparison_runs_the_statements_of_the_product_with_the_same_values(tmp_path: Path) -> None:
    commands = [
        transfers("same", number, 20, nonce=SpentNonce("key:1", f"n{number}", NOW + 60))
        for number in range(5)
    ]
    ours, theirs = _traced_store(tmp_path / "ours"), _traced_raw(tmp_path / "theirs")
    said: list[list[str]] = []
    for apply, spoken in (ours, theirs):
        apply(commands[:1])
        spoken.clear()
        apply(commands[1:])
        said.append([text for text in spoken if not text.startswith("--")])
    assert len(said[1]) > 4 * 12
    assert said[0] == said[1]
    assert check_books(tmp_path / "theirs" / "books.sqlite") == []


def _traced_store(folder: Path):  # type: ignore[no-untyped-def]
    from tests.ledger.books import open_store

    filled(folder)
    store = open_store(folder)
    spoken: list[str] = []
    assert store._db is not None
    store._db.set_trace_callback(spoken.append)

    def apply(commands):  # type: ignore[no-untyped-def]
        for result in store.apply_batch(commands, NOW):
            result.unwrap()

    return apply, spoken


def _traced_raw(folder: Path):  # type: ignore[no-untyped-def]
    from ledger.connection import connect

    db = connect(filled(folder))
    spoken: list[str] = []
    db.set_trace_callback(spoken.append)
    return (lambda commands: statements.apply_batch(db, commands, NOW)), spoken


async def test_group_commit_answers_each_with_its_own(tmp_path: Path) -> None:
    nonces = [SpentNonce("key:1", name, NOW + 60) for name in ("one", "two", "one")]
    commands = [transfers("group", number, 20, nonce=nonce) for number, nonce in enumerate(nonces)]
    db = connect(filled(tmp_path / "group"))
    try:
        group = statements.GroupCommit(db)
        posts = [group.post(command, NOW) for command in commands]
        first, second, again = await asyncio.gather(*posts, return_exceptions=True)
        written = db.execute("SELECT id FROM transfer WHERE website = 'shop' ORDER BY id").fetchall()
    finally:
        db.close()
    assert [json.loads(str(view))["id"] for view in (first, second)] == ["tr_group_0", "tr_group_1"]
    assert isinstance(again, statements.RefusedError)
    assert written == [("tr_group_0",), ("tr_group_1",)]


async def test_the_node_in_memory_serves_a_watcher_until_its_deposits_are_credited(tmp_path: Path) -> None:
    ((confirming, in_ledger, _, _),) = await measure(tmp_path, clients=20, deposits=5, rounds=1)
    assert 0 < in_ledger < confirming
    assert check_books(tmp_path / "books.sqlite") == []


async def test_the_audit_is_measured_beside_a_gateway_that_answers(tmp_path: Path) -> None:
    found = await bench_verify.measure(tmp_path, clients=20, postings=100, idle_s=0.5)
    assert found.audit_cpu_s > 0
    assert 0 < found.audit_s < bench_verify.SECONDS_BAR
    assert found.idle_p99_s > 0
    assert found.busy_p99_s > 0


def test_a_row_is_held_against_its_bar() -> None:
    assert result_of(row("a", "1", "2", 0.7, at_least=0.7)) == "ok"
    assert result_of(row("a", "1", "2", 0.69, at_least=0.7)) == "MISS"
    assert result_of(row("a", "1", "2", 2.1, at_most=2, unit=" s")) == "MISS"
    assert result_of(row("a", "1", "2", 5.0)) == "-"


def test_the_table_names_the_machine_and_every_row() -> None:
    rows = [row("scan", "1 ms", "x|y 2 ms", 2.0, at_least=1), row("ask", "3", "4", 0.123456)]
    text = markdown(rows, machine(), ["gateway: OSError: no port"])
    assert "| scan | 1 ms | x/y 2 ms | 2 | >= 1 | ok |" in text
    assert "| ask | 3 | 4 | 0.123 | - | - |" in text
    assert "Python 3" in text
    assert "gateway: OSError: no port" in text


def test_a_failed_benchmark_is_told_and_the_others_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.benchmarks.bench_actors.rows", lambda: [row("a", "1", "2", 1.0)])
    rows, failed = bench.measure(["nothing", "actors"], Console(quiet=True))
    assert [each["what"] for each in rows] == ["a"]
    assert failed[0].startswith("nothing: ModuleNotFoundError")


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["nothing"]) == 2
    assert "one of scan" in capsys.readouterr().err


@pytest.mark.node
def test_the_comparison_of_chain_and_books_is_measured_small() -> None:
    found = bench_reconcile.rows(addresses=30, accounts=6, blocks=100, paid=2)
    assert [each["ok"] for each in found] == [True] * 3
    assert found[2]["ours"] == "7 comparisons"
