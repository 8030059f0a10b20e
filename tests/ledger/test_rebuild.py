"""What the journal gives once more is what is stored, to the byte; whatever was edited is named."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ledger.connection import connect
from ledger.rebuild import check_rebuilt
from ledger.verify import verify_file
from tests.ledger.life import STEPS, Life
from tests.ledger.till import ETH, Till


def findings(path: Path) -> list[tuple[str, str, str]]:
    """What the rebuilt tables have to say."""
    found: list[tuple[str, str, str]] = []
    db = connect(path, read_only=True)
    try:
        db.execute("BEGIN")
        check_rebuilt(db, lambda *finding: found.append(finding))
    finally:
        db.close()
    return found


def edit(path: Path, statement: str) -> None:
    """What somebody with a shell does."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA ignore_check_constraints = ON")
    db.execute(statement)
    db.close()


@pytest.mark.parametrize("currency", ["BTC", "ETH"])
@pytest.mark.parametrize("seed", range(3))
def test_l14_any_story_is_rebuilt_to_the_byte(tmp_path: Path, currency: str, seed: int) -> None:
    life = Life(tmp_path, currency)
    chosen = random.Random(seed)

    def pick(choices: Sequence[Any]) -> Any:
        return choices[chosen.randrange(len(choices))]

    for _ in range(60):
        getattr(life, pick(STEPS))(pick)
    assert findings(life.till.store.path) == []
    assert verify_file(life.till.store.path) == []
    life.close()


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """A chain with outputs, spent and unspent, and a payout."""
    till = Till(tmp_path)
    till.deposit("alice", 100_000)
    till.deposit("bob", 70_000, blocks=6)
    till.open("alice", 20_000)
    till.pay_all()
    till.mine(6)
    till.close()
    return till.store.path


@pytest.fixture
def accounts(tmp_path: Path) -> Path:
    """A chain of accounts: deposits in two of them, one swept."""
    till = Till(tmp_path, ETH)
    till.deposit("alice", 100_000)
    till.deposit("bob", 1_000, blocks=6)
    till.pay_all()
    till.mine(6)
    till.close()
    return till.store.path


@pytest.mark.parametrize(
    ("statement", "row", "detail"),
    [
        (
            "UPDATE account SET balance = '7' WHERE name LIKE 'client:bob:%available'",
            "client:bob:",
            "('liability'",
        ),
        ("UPDATE utxo SET amount = '69999' WHERE amount = '70000'", "utxo BTC", "the journal gives"),
        ("UPDATE utxo SET spent_by = 'x' WHERE spent_by IS NULL", "utxo BTC", "the journal gives"),
        ("UPDATE utxo SET spent_by = NULL", "utxo BTC", "the journal gives"),
        ("DELETE FROM utxo WHERE amount = '70000'", "utxo BTC", "is missing"),
        (
            "INSERT INTO utxo SELECT chain, 'ff' || txid, output_index, currency, amount, script_sequence,"
            " location, is_coinbase, height, block_hash, NULL, NULL, NULL, NULL FROM utxo LIMIT 1",
            "utxo BTC ff",
            "knows nothing of it",
        ),
        ("UPDATE chain_movement SET delta = '70001' WHERE delta = '70000'", "", ""),
        ("DELETE FROM chain_movement WHERE delta = '70000'", "", ""),
    ],
)
def test_l14_what_was_edited_is_named(books: Path, statement: str, row: str, detail: str) -> None:
    edit(books, statement)
    found = findings(books)
    assert any(row in finding[1] and detail in finding[2] for finding in found), found
    assert all(finding[2] for finding in found)


def test_l14_what_an_account_script_holds_is_named(accounts: Path) -> None:
    assert findings(accounts) == []
    edit(accounts, "UPDATE script_balance SET amount = '1' WHERE amount = '1000'")
    ((kind, row, detail),) = findings(accounts)
    assert (kind, row.split()[0]) == ("rebuild", "script_balance")
    assert detail == "is stored as ('1',), the journal gives ('1000',)"


def test_l07_what_cannot_be_read_is_a_finding_and_no_fault(books: Path) -> None:
    edit(books, "UPDATE chain_movement SET delta = 'ten' WHERE delta = '70000'")
    told = {found.kind: (found.row, found.detail) for found in verify_file(books)}
    assert told["movement"] == (
        "chain_movement",
        "cannot be read: invalid literal for int() with base 10: 'ten'",
    )


def test_l07_any_single_byte_of_the_journal_is_found(books: Path) -> None:
    """Every column of every entry and posting, one character changed at a time."""
    db = sqlite3.connect(books, isolation_level=None)
    db.execute("PRAGMA ignore_check_constraints = ON")
    for name in ("journal", "posting"):
        db.execute(f"DROP TRIGGER {name}_no_update")
    tried = 0
    for table in ("journal", "posting"):
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})") if row[1] != "id"]
        for (row_id,) in db.execute(f"SELECT id FROM {table}").fetchall():
            for column in columns:
                (value,) = db.execute(f"SELECT {column} FROM {table} WHERE id = ?", (row_id,)).fetchone()
                if value is None:
                    continue
                db.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (_other(value), row_id))
                found = verify_file(books)
                assert found, (table, row_id, column)
                db.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (value, row_id))
                tried += 1
    assert verify_file(books) == []
    assert tried > 100
    db.close()


def _other(value: int | str | bytes) -> int | str | bytes:
    """The same with its last byte changed."""
    if isinstance(value, int):
        return value + 1
    if isinstance(value, bytes):
        return value[:-1] + bytes([value[-1] ^ 1])
    return value[:-1] + ("1" if value[-1:] != "1" else "2") if value else "x"
