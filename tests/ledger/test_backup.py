"""A copy made beside a writer: one state of the books, whole or not there, and it lives elsewhere."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ledger import backup as backups
from ledger.backup import back_up
from ledger.errors import StoreOpenError, StoreUnavailableError
from ledger.verify import verify_file
from tests.fakes.oracle import check_books
from tests.ledger.books import NOW, balance, do, fund, make_books, open_store, rows, transfer


@pytest.fixture
def few_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy is made of many steps."""
    monkeypatch.setattr("ledger.backup.PAGES", 4)


def quiet(_what: str, _done: int, _total: int) -> None:
    """Tell nobody."""


@pytest.mark.usefixtures("few_pages")
def test_l20_a_copy_made_under_load_is_one_state_and_lives_elsewhere(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 10_000)
    for number in range(40):
        do(store, transfer(number, "alice", "bob", 1))
    steps: list[tuple[str, int, int]] = []

    def on_step(what: str, count: int, total: int) -> None:
        """Between any two steps of the copying somebody is paid, and the log is moved into the database."""
        steps.append((what, count, total))
        do(store, transfer(100 + len(steps), "alice", "bob", 1))
        store.checkpoint()

    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "books.sqlite"
    done = back_up(store.path, target, on_step)
    copied = [count for what, count, _ in steps if what == "copy"]
    assert len(copied) > 10
    assert copied == sorted(copied), "the copying began again"
    assert (done.last_entry, done.findings) == (41, ())
    assert balance(store.path, "client:bob:BTC:available") == 40 + len(steps)
    assert [path.name for path in target.parent.iterdir()] == ["books.sqlite"]
    assert target.stat().st_mode & 0o777 == 0o600
    ((digest,),) = rows(store.path, "SELECT hex(hash) FROM journal WHERE id = 41")
    assert done.hash == digest.lower()
    store.close()

    restored = open_store(target.parent)
    assert balance(target, "client:bob:BTC:available") == 40
    assert do(restored, transfer(39, "alice", "bob", 1)).is_replayed
    do(restored, transfer(101, "alice", "bob", 1))
    restored.close()
    for path in (store.path, target):
        assert verify_file(path) == []
        assert check_books(path) == []


def test_l20_copies_beside_a_writer_that_never_rests(tmp_path: Path) -> None:
    """Every copy holds what was answered before it began; it is taken while another thread commits."""
    store = make_books(tmp_path)
    fund(store, "alice", 10**6)
    is_over, answered = threading.Event(), [0]
    has_begun = threading.Event()

    def write() -> None:
        while not is_over.is_set():
            batch = [transfer(answered[0] + n, "alice", "bob", 1) for n in range(8)]
            for result in store.apply_batch(batch, NOW):
                result.unwrap()
            answered[0] += 8
            store.checkpoint()
            has_begun.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert has_begun.wait(30)
    try:
        for number in range(5):
            before = answered[0]
            target = tmp_path / f"copy-{number}.sqlite"
            done = back_up(store.path, target, quiet)
            assert done.findings == ()
            assert balance(target, "client:bob:BTC:available") >= before
            assert check_books(target) == []
    finally:
        is_over.set()
        writer.join(30)
        store.close()
    assert verify_file(store.path) == []


def test_l20_a_full_disk_and_a_database_that_is_none_leave_nothing(tmp_path: Path) -> None:
    target = tmp_path / "copy.sqlite"
    with pytest.raises(StoreOpenError, match="no database"):
        back_up(tmp_path / "none.sqlite", target, quiet)
    (tmp_path / "text.sqlite").write_text("no database at all\n" * 100)
    with pytest.raises(StoreUnavailableError, match="not a database"):
        back_up(tmp_path / "text.sqlite", target, quiet)
    store = make_books(tmp_path)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(StoreUnavailableError, match="No space left"):
        back_up(store.path, target, fail)
    store.close()
    assert sorted(path.name for path in tmp_path.glob("copy*")) == []


def test_l20_nothing_is_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = make_books(tmp_path)
    target = tmp_path / "copy.sqlite"
    target.write_text("the copy of yesterday")
    with pytest.raises(StoreOpenError, match="exists already"):
        back_up(store.path, target, quiet)
    assert target.read_text() == "the copy of yesterday"
    part = tmp_path / "new.sqlite.part"
    part.write_text("broken off")
    with pytest.raises(StoreOpenError, match="remove it"):
        back_up(store.path, tmp_path / "new.sqlite", quiet)
    assert part.read_text() == "broken off"
    part.unlink()
    flushed: list[str] = []
    monkeypatch.setattr(backups, "_flush", lambda path: flushed.append(path.name))
    back_up(store.path, tmp_path / "new.sqlite", quiet)
    assert flushed == ["new.sqlite.part", tmp_path.name]
    store.close()
