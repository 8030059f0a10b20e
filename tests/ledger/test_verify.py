"""What the database refuses by itself, and what the audit finds when somebody got past it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.connection import connect
from ledger.verify import verify_file
from tests.ledger.books import NOW, fund, make_books, transfer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    store = make_books(tmp_path)
    fund(store, "alice", 1_000)
    store.apply_batch([transfer(n, "alice", "bob", 10 + n) for n in range(8)], NOW)
    store.close()
    return store.path


def outside(path: Path, *statements: str) -> None:
    """What somebody with a shell does: no triggers, no checks."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA ignore_check_constraints = ON")
    for name in (
        "posting_no_update",
        "posting_no_delete",
        "journal_no_update",
        "journal_no_delete",
        "posting_one_currency",
    ):
        db.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        db.execute(statement)
    db.close()


def test_untouched_books_have_no_finding(path: Path) -> None:
    assert verify_file(path) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE posting SET amount = '1' WHERE id = 3",
        "DELETE FROM posting WHERE id = 3",
        "INSERT OR REPLACE INTO posting SELECT id, journal_id, currency, debit_id, credit_id, '1',"
        " debit_balance_after, credit_balance_after FROM posting WHERE id = 3",
        "UPDATE journal SET reason = 'x' WHERE id = 3",
        "DELETE FROM journal WHERE id = 9",
        "INSERT OR REPLACE INTO journal SELECT * FROM journal WHERE id = 3",
        "UPDATE account SET balance = '-1' WHERE id = 1",
        "UPDATE account SET balance = '1.5' WHERE id = 1",
        "UPDATE account SET balance = 5.5 WHERE id = 1",
        "INSERT INTO posting VALUES (NULL, 3, 'BTC', 1, 1, '5', '0', '0')",
        "INSERT INTO posting VALUES (NULL, 3, 'BTC', 1, 2, '0', '0', '0')",
        "INSERT INTO posting VALUES (NULL, 3, 'BTC', 1, 2, '-5', '0', '0')",
        "INSERT INTO posting VALUES (NULL, 3, 'ETH', 1, 2, '5', '0', '0')",
        "INSERT INTO posting VALUES (NULL, 3, 'BTC', 1, 99, '5', '0', '0')",
        "INSERT INTO posting VALUES (NULL, 99, 'BTC', 1, 2, '5', '0', '0')",
    ],
)
def test_l09_the_database_refuses_by_itself(path: Path, statement: str) -> None:
    db = connect(path)
    with pytest.raises(sqlite3.IntegrityError):
        db.execute(statement)
    db.close()
    assert verify_file(path) == []


def test_l09_a_posting_across_currencies_is_refused(path: Path) -> None:
    db = connect(path)
    db.execute(
        "INSERT INTO account (name, class, currency, balance) VALUES ('house:ETH', 'equity', 'ETH', '0')"
    )
    with pytest.raises(sqlite3.IntegrityError, match="one currency"):
        db.execute(
            "INSERT INTO posting VALUES (NULL, 3, 'BTC', 1, (SELECT max(id) FROM account), '5', '0', '0')"
        )
    db.close()


TAMPERED: list[tuple[str, str, Callable[[Path], None]]] = [
    ("hash_chain", "journal 4", lambda p: outside(p, "UPDATE journal SET reason = 'gift' WHERE id = 4")),
    (
        "hash_chain",
        "journal 4",
        lambda p: outside(p, "UPDATE posting SET amount = '5' WHERE journal_id = 4"),
    ),
    ("balance_after", "posting 4", lambda p: outside(p, "UPDATE posting SET amount = '5' WHERE id = 4")),
    ("journal_gap", "journal 4", lambda p: outside(p, "DELETE FROM journal WHERE id = 4")),
    ("orphan_posting", "posting 4", lambda p: outside(p, "DELETE FROM journal WHERE id = 4")),
    ("orphan_posting", "posting 9", lambda p: outside(p, "DELETE FROM journal WHERE id = 9")),
    ("empty_entry", "journal 4", lambda p: outside(p, "DELETE FROM posting WHERE id = 4")),
    (
        "hash_chain",
        "journal 5",
        lambda p: outside(
            p,
            "INSERT INTO posting SELECT NULL, 5, currency, debit_id, credit_id, '1', '0', '0'"
            " FROM posting WHERE id = 4",
        ),
    ),
    (
        "hash_chain",
        "journal 3",
        lambda p: outside(
            p,
            "UPDATE journal SET id = 100 WHERE id = 3",
            "UPDATE journal SET id = 3 WHERE id = 4",
            "UPDATE journal SET id = 4 WHERE id = 100",
        ),
    ),
    (
        "balance",
        "client:bob:BTC:available",
        lambda p: outside(p, "UPDATE account SET balance = '1000000' WHERE name LIKE 'client:bob:%'"),
    ),
    (
        "negative",
        "client:bob:BTC:available",
        lambda p: outside(p, "UPDATE account SET balance = '-1' WHERE name LIKE 'client:bob:%'"),
    ),
    (
        "account",
        "client:eve:BTC:available",
        lambda p: outside(
            p, "UPDATE account SET name = 'client:eve:BTC:available' WHERE name LIKE 'client:bob:%'"
        ),
    ),
    (
        "account",
        "slush:BTC",
        lambda p: outside(p, "UPDATE account SET name = 'slush:BTC' WHERE name LIKE 'client:bob:%'"),
    ),
    ("amount", "posting 4", lambda p: outside(p, "UPDATE posting SET amount = 'ten' WHERE id = 4")),
    ("foreign_key", "posting 4", lambda p: outside(p, "UPDATE posting SET credit_id = 77 WHERE id = 4")),
]


@pytest.mark.parametrize(("kind", "row", "tamper"), TAMPERED)
def test_l07_tampering_is_found_and_the_first_bad_row_named(
    path: Path, kind: str, row: str, tamper: Callable[[Path], None]
) -> None:
    tamper(path)
    found = verify_file(path)
    assert (kind, row) in [(finding.kind, finding.row) for finding in found], found
    assert all(finding.detail for finding in found)


def cells_of(path: Path, table: str, row_id: int) -> dict[str, bytes]:
    """The bytes of each text or blob of a row."""
    db = sqlite3.connect(path)
    db.text_factory = bytes
    names = [column[1] for column in db.execute(f"PRAGMA table_info({table})")]
    row = db.execute(f"SELECT * FROM {table} WHERE id = ?", (row_id,)).fetchone()
    db.close()
    return {name.decode(): cell for name, cell in zip(names, row, strict=True) if isinstance(cell, bytes)}


@pytest.mark.parametrize(("table", "row_id"), [("journal", 4), ("posting", 4), ("account", 2)])
@pytest.mark.parametrize("byte", [0xFF, 0x30])
def test_l07_any_single_byte_of_a_row_is_found_and_the_row_named(
    path: Path, table: str, row_id: int, byte: int
) -> None:
    untouched = path.read_bytes()
    name = cells_of(path, "account", 2)["name"].decode()
    for column, cell in cells_of(path, table, row_id).items():
        for place in range(len(cell)):
            changed = cell[:place] + bytes([byte]) + cell[place + 1 :]
            if changed == cell:
                continue
            value = f"x'{changed.hex()}'"
            if column not in ("hash", "prev_hash"):
                value = f"CAST({value} AS TEXT)"
            path.write_bytes(untouched)
            outside(path, f"UPDATE {table} SET {column} = {value} WHERE id = {row_id}")
            found = verify_file(path)
            named = " ".join(f"{finding.row} {finding.detail}" for finding in found)
            named.encode()  # whatever the row holds, it can be said
            # A name that is another one is told as it reads now.
            assert column == "name" or f"{table} {row_id}" in named or name in named, (column, place)
            assert found, (column, place)


@pytest.mark.parametrize("amount", ["9" * 5_000, "010", "1\x00", "٣"])
@pytest.mark.parametrize("column", ["amount", "debit_balance_after", "credit_balance_after"])
def test_l07_an_amount_that_is_none_is_named_however_it_is_written(
    path: Path, column: str, amount: str
) -> None:
    value = f"CAST(x'{amount.encode().hex()}' AS TEXT)"
    outside(path, f"UPDATE posting SET {column} = {value} WHERE id = 4")
    assert ("amount", "posting 4") in [(finding.kind, finding.row) for finding in verify_file(path)]


def test_l07_postings_that_stand_in_another_order_are_named(path: Path) -> None:
    outside(path, "UPDATE posting SET id = 1000 WHERE id = 4")
    assert ("order", "posting 5") in [(finding.kind, finding.row) for finding in verify_file(path)]


def test_l07_an_index_that_does_not_say_what_its_table_says_is_found(path: Path) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'posting_by_credit'").fetchone()
    (size,) = db.execute("PRAGMA page_size").fetchone()
    db.close()
    data = bytearray(path.read_bytes())
    data[root * size - 1] ^= 1  # the last byte of the first entry: a posting's number
    path.write_bytes(data)
    assert [(finding.kind, finding.row) for finding in verify_file(path)] == [("file", "database")]


def test_l07_a_file_that_is_torn_is_a_finding_and_no_crash(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    assert "file" in [finding.kind for finding in verify_file(path)]
    path.write_bytes(b"no database at all, but a text of some length" * 100)
    assert [(finding.kind, finding.row) for finding in verify_file(path)] == [("file", "database")]
