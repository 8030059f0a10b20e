"""The file under the books: settings, locks, full disks, batches that fail as a whole."""

from __future__ import annotations

import itertools
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from coins.types import ChainDelta
from ledger import handlers
from ledger import store as store_module
from ledger.commands import ApplyChainDelta, GetWatchState, SetCurrencyState
from ledger.connection import connect
from ledger.errors import StoreLockedError, StoreOpenError, StoreUnavailableError
from ledger.store import SqliteStore
from ledger.verify import verify_file
from tests.fakes.oracle import check_books
from tests.ledger.books import NOW, balance, codes, do, fund, make_books, open_store, rows, transfer

EXPECTED = {"synchronous": 2, "foreign_keys": 1, "recursive_triggers": 1, "wal_autocheckpoint": 0}


def pragmas(db: sqlite3.Connection) -> dict[str, object]:
    names = (*EXPECTED, "journal_mode", "busy_timeout", "query_only")
    return {name: db.execute(f"PRAGMA {name}").fetchone()[0] for name in names}


def connections(store: SqliteStore) -> list[sqlite3.Connection]:
    held = [store._db, store._checkpoint_db]
    return [db for db in held if db is not None]


def until_unavailable(store: SqliteStore, size: int) -> int:
    """Let alice pay bob single units in batches of ``size`` until the disk refuses; how many she paid."""
    done = 0
    for start in range(0, 10_000, size):
        batch = [transfer(n, "alice", "bob", 1) for n in range(start, start + size)]
        try:
            done += sum(result.error is None for result in store.apply_batch(batch, NOW))
        except StoreUnavailableError:
            return done
    raise AssertionError("the disk never became full")


def test_l02_every_connection_has_the_settings(tmp_path: Path) -> None:
    store = make_books(tmp_path, busy_timeout_ms=1_234)
    assert len(connections(store)) == 2
    for db in connections(store):
        found = pragmas(db)
        assert found.items() >= EXPECTED.items()
        assert (found["journal_mode"], found["busy_timeout"], found["query_only"]) == ("wal", 1_234, 0)
        assert db.isolation_level is None
    reader = connect(store.path, read_only=True)
    found = pragmas(reader)
    assert found.items() >= EXPECTED.items()
    assert (found["journal_mode"], found["query_only"]) == ("wal", 1)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM coin")
    reader.close()
    store.close()


def test_l03_two_connections_that_read_then_write_do_not_lose_an_update(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 100)
    name = "client:alice:BTC:available"
    first, second = connect(store.path, busy_timeout_ms=0), connect(store.path, busy_timeout_ms=0)
    first.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        second.execute("BEGIN IMMEDIATE")
    first.execute("UPDATE account SET balance = '40' WHERE name = ?", (name,))
    first.execute("COMMIT")
    second.execute("BEGIN IMMEDIATE")
    assert second.execute("SELECT balance FROM account WHERE name = ?", (name,)).fetchone() == ("40",)
    second.execute("ROLLBACK")
    first.close()
    second.close()
    store.close()


def test_l04_a_full_database_refuses_the_batch_whole_and_recovers_alone(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 10**9)
    (pages,) = connections(store)[0].execute("PRAGMA page_count").fetchone()
    connections(store)[0].execute(f"PRAGMA max_page_count = {pages + 2}")
    done = until_unavailable(store, 50)
    assert balance(store.path, "client:bob:BTC:available") == done
    with pytest.raises(StoreUnavailableError):
        store.apply_batch([transfer(n, "alice", "bob", 1) for n in range(20_000, 20_500)], NOW)
    connections(store)[0].execute("PRAGMA max_page_count = 1000000")
    do(store, transfer(99_999, "alice", "bob", 1))
    store.close()
    assert balance(store.path, "client:bob:BTC:available") == done + 1
    assert verify_file(store.path) == []
    assert check_books(store.path) == []


@pytest.fixture
def file_size_limit() -> Iterator[None]:
    """Let writes beyond RLIMIT_FSIZE fail instead of ending the process; put the limit back."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.usefixtures("file_size_limit")
def test_l04_a_write_that_fails_undoes_the_batch_and_later_ones_succeed(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 10**9)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (store.wal_bytes + 20_000, hard))
    done = until_unavailable(store, 1)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
    do(store, transfer(99_999, "alice", "bob", 1))
    store.checkpoint()
    store.close()
    assert balance(store.path, "client:bob:BTC:available") == done + 1
    assert verify_file(store.path) == []
    assert check_books(store.path) == []


def test_a_second_server_on_the_same_database_is_refused(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    with pytest.raises(StoreLockedError, match=r"another server has the database .*books.sqlite open"):
        open_store(tmp_path)
    store.close()
    open_store(tmp_path).close()


def test_a_second_process_is_refused_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from ledger.store import SqliteStore;"
        f"s = SqliteStore(pathlib.Path({str(tmp_path / 'books.sqlite')!r}), now_s=1); s.open();"
        "print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        with pytest.raises(StoreLockedError):
            open_store(tmp_path)
        process.kill()
    open_store(tmp_path).close()


def test_a_file_that_is_no_database_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "books.sqlite").write_bytes(b"these are not the books you are looking for" * 100)
    with pytest.raises(StoreOpenError, match=r"cannot open the database .*: file is not a database") as error:
        open_store(tmp_path)
    assert "\n" not in str(error.value)


def test_a_missing_folder_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(StoreOpenError, match="No such file or directory"):
        open_store(tmp_path / "nowhere")


def test_a_folder_that_may_not_be_written_is_one_clear_line(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    code = (
        "import os, pathlib\n"
        "from ledger.errors import StoreOpenError\n"
        "from ledger.store import SqliteStore\n"
        f"os.chdir({str(folder)!r})\n"
        "if os.getuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try: SqliteStore(pathlib.Path('books.sqlite'), now_s=1).open()\n"
        "except StoreOpenError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == f"cannot write in {folder}: Permission denied\n", done.stderr


def test_only_the_owner_may_read_the_books(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    store.close()
    names = ("books.sqlite", "books.sqlite-wal", "books.sqlite-shm", "books.sqlite.lock")
    assert modes == dict.fromkeys(names, 0o600)


def test_c6_serial_order_is_batch_order(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "a", 10)
    batch = [
        transfer(1, "c", "d", 10),
        transfer(2, "a", "b", 10),
        transfer(3, "b", "c", 10),
        transfer(4, "c", "d", 10),
    ]
    assert codes(store.apply_batch(batch, NOW)) == ["insufficient_funds", None, None, None]
    store.close()
    assert balance(store.path, "client:d:BTC:available") == 10


def test_c6_a_fault_undoes_the_whole_batch_and_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(tx: object, command: object) -> None:
        raise ZeroDivisionError("a mistake in the program")

    store = make_books(tmp_path)
    fund(store, "alice", 100)
    with monkeypatch.context() as patch:
        patch.setitem(handlers.HANDLERS, GetWatchState, broken)
        with pytest.raises(ZeroDivisionError):
            store.apply_batch([transfer(1, "alice", "bob", 10), GetWatchState("BTC")], NOW)
    assert balance(store.path, "client:bob:BTC:available") == 0
    do(store, transfer(1, "alice", "bob", 10))
    store.close()
    assert verify_file(store.path) == []


def test_c6_nothing_is_seen_by_others_before_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, int] = {}
    store = make_books(tmp_path)
    fund(store, "alice", 100)

    def look(name: str, commands: object) -> None:
        seen[name] = balance(store.path, "client:bob:BTC:available")

    monkeypatch.setattr(store_module, "failpoints", look)
    do(store, transfer(1, "alice", "bob", 10))
    assert (seen["before-commit"], seen["after-commit"]) == (0, 10)
    store.close()


def test_c6_the_last_event_is_known_after_the_commit_only(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 100)
    before = store.last_event_sequence
    do(store, transfer(1, "alice", "bob", 10))
    assert store.last_event_sequence == before + 1
    with pytest.raises(TypeError):
        store.apply_batch([transfer(2, "alice", "bob", 10), object()], NOW)  # type: ignore[list-item]
    assert store.last_event_sequence == before + 1
    store.close()


def test_checkpoints_beside_the_writer_keep_the_log_short(tmp_path: Path) -> None:
    store = make_books(tmp_path, wal_limit_bytes=200_000)
    fund(store, "alice", 10**6)
    sizes = []
    for n in range(300):
        do(store, transfer(n, "alice", "bob", 1))
        sizes.append(store.wal_bytes)
    assert max(sizes) < 300_000
    assert sum(after < before for before, after in itertools.pairwise(sizes)) > 5
    store.checkpoint()
    store.close()
    assert verify_file(store.path) == []


def test_a_reader_that_holds_on_delays_no_batch_again_and_again(tmp_path: Path) -> None:
    store = make_books(tmp_path, wal_limit_bytes=500_000)
    fund(store, "alice", 10**6)
    reader = connect(store.path, read_only=True)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM journal").fetchone()
    sizes = []
    for n in range(100):
        do(store, transfer(n, "alice", "bob", 1))
        sizes.append(store.wal_bytes)
    assert sizes[-1] > 1_000_000
    reader.execute("ROLLBACK")
    reader.close()
    for n in range(100, 120):
        do(store, transfer(n, "alice", "bob", 1))
    assert store.wal_bytes < 500_000
    store.close()


def test_a_rolled_back_change_of_a_currency_is_not_remembered(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    with pytest.raises(TypeError):
        store.apply_batch([SetCurrencyState("BTC", "halted", "x"), object()], NOW)  # type: ignore[list-item]
    assert do(store, SetCurrencyState("BTC", "open", "")).state == "open"
    assert rows(store.path, "SELECT count(*) FROM event WHERE type = 'currency.halted'") == [(0,)]
    store.close()


def test_a_closed_store_takes_nothing(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    store.close()
    with pytest.raises(StoreUnavailableError):
        store.apply_batch([GetWatchState("BTC")], NOW)


def test_savepoints_of_blocks_are_kept_in_a_file_and_others_in_memory(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    assert store._db is not None

    def place() -> int:
        assert store._db is not None
        (found,) = store._db.execute("PRAGMA temp_store").fetchone()
        return int(found)

    do(store, SetCurrencyState("BTC", "behind", ""))
    assert place() == 2
    do(store, ApplyChainDelta(ChainDelta("BTC", (), (), 0)))
    assert place() == 1
    do(store, SetCurrencyState("BTC", "open", ""))
    assert place() == 2
    store.close()
