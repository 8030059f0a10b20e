"""`run.py backup`: what it says, where, and its exit code."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from gateway.terminal import OK, PROBLEM, UNREACHABLE, USAGE
from tests.ledger.books import do, fund, make_books, open_store, transfer
from tests.test_run import run


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with books in which alice paid bob."""
    store = make_books(tmp_path)
    fund(store, "alice", 1_000)
    do(store, transfer(1, "alice", "bob", 10))
    store.close()
    path = tmp_path / "cashier.toml"
    path.write_text('[ledger]\npath = "books.sqlite"\n')
    return path


def test_l20_the_command_beside_a_server(config: Path) -> None:
    store = open_store(config.parent)
    target = config.parent / "copy.sqlite"
    shown = run("backup", target, "--json", "--config", config)
    store.close()
    assert shown.returncode == OK, shown.stderr
    found = json.loads(shown.stdout)
    assert (found["is_well"], found["last_entry"], found["findings"]) == (True, 2, [])
    assert found["size_bytes"] == target.stat().st_size
    again = run("backup", target, "--config", config)
    assert (again.returncode, again.stderr) == (
        USAGE,
        f"{target} exists already: a backup writes over nothing\n",
    )
    nowhere = run("backup", config.parent / "none" / "copy.sqlite", "--config", config)
    assert (nowhere.returncode, len(nowhere.stderr.splitlines())) == (USAGE, 1)


def test_l20_wrong_books_are_copied_and_told(config: Path) -> None:
    with sqlite3.connect(config.parent / "books.sqlite") as db:
        db.execute("UPDATE account SET balance = '11' WHERE name = 'client:bob:BTC:available'")
    db.close()
    target = config.parent / "copy.sqlite"
    done = run("backup", target, "--config", config)
    assert done.returncode == PROBLEM
    assert "balance: client:bob:BTC:available: stored 11" in done.stdout
    assert target.exists()
    (config.parent / "books.sqlite").unlink()
    gone = run("backup", config.parent / "later.sqlite", "--config", config)
    assert (gone.returncode, len(gone.stderr.splitlines())) == (UNREACHABLE, 1)
