"""Proofs are asked for by every client of a month that was closed: its tree is grown once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ledger import liability, reader_period
from ledger.connection import Database, connect
from ledger.period_report import balances_at, owed_to_clients
from ledger.reader_period import Trees
from tests.ledger.books import NOW, fund, make_books, transfer

SALT, OTHER = bytes(32), bytes(range(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    store = make_books(tmp_path)
    fund(store, "alice", 1_000)
    store.apply_batch([transfer(number, "alice", f"c{number}", 10 + number) for number in range(9)], NOW)
    store.close()
    return store.path


def statements(db: Database) -> list[str]:
    """What is read from now on."""
    seen: list[str] = []
    db.set_trace_callback(seen.append)
    return seen


def test_a_second_proof_reads_nothing(path: Path) -> None:
    db, trees = connect(path, read_only=True), Trees()
    owed = owed_to_clients(balances_at(db, "BTC", 10))
    first = trees.of(db, "BTC", 10, SALT)
    seen = statements(db)
    assert trees.of(db, "BTC", 10, SALT) is first
    assert seen == []
    assert first.prove("c3").amount == owed["c3"] == 13
    for key in (("BTC", 10, OTHER), ("BTC", 9, SALT), ("ETH", 10, SALT)):
        assert trees.of(db, *key) is not first
    assert trees.of(db, "ETH", 10, SALT).nonces == b""
    db.close()


def test_only_the_trees_that_were_asked_for_last_are_kept(path: Path) -> None:
    db, trees = connect(path, read_only=True), Trees(trees_max=2)
    one, two = (trees.of(db, "BTC", cut, SALT) for cut in (1, 2))
    assert trees.of(db, "BTC", 1, SALT) is one
    trees.of(db, "BTC", 3, SALT)
    assert trees.of(db, "BTC", 1, SALT) is one
    assert trees.of(db, "BTC", 2, SALT) is not two
    db.close()


def test_a_month_of_all_currencies_is_kept_and_the_months_before(path: Path) -> None:
    db, trees = connect(path, read_only=True), Trees()
    keys = [(currency, cut) for cut in (8, 9, 10) for currency in ("BTC", "LTC", "DOGE", "ETH", "USDT")]
    grown = [trees.of(db, *key, SALT) for key in keys]
    assert all(trees.of(db, *key, SALT) is tree for key, tree in zip(keys, grown, strict=True))
    db.close()


def test_a_tree_that_is_being_grown_holds_up_nobody_who_asks_for_another(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees, begun, go_on = Trees(), threading.Event(), threading.Event()
    grow = liability.grow

    def slow(owed: dict[str, int], salt: bytes) -> liability.Tree:
        if salt == OTHER:
            begun.set()
            assert go_on.wait(10)
        return grow(owed, salt)

    monkeypatch.setattr(liability, "grow", slow)
    databases = [connect(path, read_only=True) for _ in range(2)]
    found: list[liability.Tree] = []
    long = threading.Thread(target=lambda: found.append(trees.of(databases[0], "BTC", 10, OTHER)))
    other = threading.Thread(target=lambda: found.append(trees.of(databases[1], "BTC", 10, SALT)))
    long.start()
    assert begun.wait(10)
    other.start()
    other.join(5)
    salts = [tree.salt for tree in found]
    go_on.set()
    for thread in (long, other):
        thread.join(10)
    assert salts == [SALT]
    assert [tree.salt for tree in found] == [SALT, OTHER]
    for db in databases:
        db.close()


def test_a_tree_that_could_not_be_grown_is_grown_by_the_next(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db, trees = connect(path, read_only=True), Trees()
    with monkeypatch.context() as broken:
        broken.setattr(reader_period, "balances_at", lambda *_: {"client:a:BTC:available": -1})
        with pytest.raises(OverflowError):
            trees.of(db, "BTC", 10, SALT)
    assert trees.of(db, "BTC", 10, SALT).prove("c3").amount == 13
    db.close()


def test_many_who_ask_at_once_wait_for_one_tree(path: Path) -> None:
    trees = Trees()
    databases = [connect(path, read_only=True) for _ in range(4)]
    seen = [statements(db) for db in databases]
    found = []
    threads = [
        threading.Thread(target=lambda db=db: found.append(trees.of(db, "BTC", 10, SALT))) for db in databases
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 4
    assert len({id(tree) for tree in found}) == 1
    assert sum(bool(each) for each in seen) == 1
    for db in databases:
        db.close()
