"""The schema's way forward: in order, once, with a backup, and never over a text that changed."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from ledger import migrate
from ledger.case_row import read_cases, to_view
from ledger.coin_row import read_coin
from ledger.connection import connect
from ledger.errors import MigrationError, StoreOpenError
from ledger.migrate import Migration
from tests.ledger.books import NOW, fund, make_books, open_store, rows

SCHEMA = migrate.FOLDER.parent / "schema.sql"
FIRST = Migration(1, "0001_first.sql", "CREATE TABLE a (x INTEGER) STRICT;\nINSERT INTO a VALUES (1);\n")
SECOND = Migration(
    2,
    "0002_second.sql",
    "-- a trigger holds semicolons\nCREATE TABLE b (y INTEGER) STRICT;\n"
    "CREATE TRIGGER t BEFORE UPDATE ON b BEGIN SELECT RAISE(ABORT, 'no;'); END;\n-- the end\n",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "books.sqlite"


def run(path: Path, *migrations: Migration) -> int:
    db = connect(path)
    try:
        return migrate.migrate(db, path, NOW, migrations)
    finally:
        db.close()


def test_the_whole_schema_is_written_down_as_it_is(path: Path) -> None:
    db = connect(path)
    migrate.migrate(db, path, NOW, migrate.load())
    text = migrate.schema_text(db)
    db.close()
    assert SCHEMA.read_text() == text, f"write it anew: python -m ledger.migrate > {SCHEMA.name}"


def test_every_table_is_strict_and_no_column_is_real(path: Path) -> None:
    db = connect(path)
    migrate.migrate(db, path, NOW, migrate.load())
    tables = db.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main'").fetchall()
    assert {name for name, strict in tables if not strict and not name.startswith("sqlite_")} == set()
    types = db.execute(
        "SELECT DISTINCT c.type FROM pragma_table_list t, pragma_table_info(t.name) c"
        " WHERE t.name NOT LIKE 'sqlite_%'"
    ).fetchall()
    db.close()
    assert {kind for (kind,) in types} == {"TEXT", "INTEGER", "BLOB"}


def test_a_new_database_gets_everything_and_no_backup(path: Path) -> None:
    assert run(path, FIRST, SECOND) == 2
    assert run(path, FIRST, SECOND) == 0
    assert rows(path, "SELECT version, name FROM schema_migration") == [(1, FIRST.name), (2, SECOND.name)]
    assert list(path.parent.glob("*.bak")) == []


def test_an_older_database_is_copied_before_it_is_changed(path: Path) -> None:
    run(path, FIRST)
    assert run(path, FIRST, SECOND) == 1
    backup = path.with_name("books.sqlite.before-0002.bak")
    assert backup.stat().st_mode & 0o777 == 0o600
    assert rows(backup, "SELECT x FROM a") == [(1,)]
    assert rows(backup, "SELECT count(*) FROM sqlite_master WHERE name = 'b'") == [(0,)]
    assert rows(path, "SELECT count(*) FROM b") == [(0,)]


def test_a_backup_is_never_written_over(path: Path) -> None:
    run(path, FIRST)
    path.with_name("books.sqlite.before-0002.bak").touch()
    with pytest.raises(MigrationError, match="exists already"):
        run(path, FIRST, SECOND)
    assert rows(path, "SELECT version FROM schema_migration") == [(1,)]


def test_a_text_that_changed_after_it_ran_is_refused(path: Path) -> None:
    run(path, FIRST)
    changed = Migration(1, FIRST.name, FIRST.sql + "-- one more word\n")
    with pytest.raises(MigrationError, match=r"0001_first\.sql is not the text that was run"):
        run(path, changed, SECOND)
    assert rows(path, "SELECT version FROM schema_migration") == [(1,)]


def test_a_database_of_a_newer_program_is_refused(path: Path) -> None:
    run(path, FIRST, SECOND)
    with pytest.raises(MigrationError, match=r"0002_second\.sql, which this program does not know"):
        run(path, FIRST)


def test_a_migration_that_fails_leaves_nothing_of_itself(path: Path) -> None:
    run(path, FIRST)
    broken = Migration(
        2, "0002_broken.sql", "CREATE TABLE c (z INTEGER) STRICT;\nINSERT INTO nowhere VALUES (1);\n"
    )
    with pytest.raises(MigrationError, match=r"0002_broken\.sql failed: no such table: nowhere"):
        run(path, FIRST, broken)
    assert rows(path, "SELECT count(*) FROM sqlite_master WHERE name = 'c'") == [(0,)]


def test_a_database_of_somebody_else_is_refused(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE photos (x)")
    db.commit()
    db.close()
    with pytest.raises(MigrationError, match="not ours: it has a table photos"):
        open_store(path.parent)


@pytest.mark.parametrize("name", ["0002_gap.sql", "1_short.sql", "0001-dash.sql"])
def test_files_out_of_order_or_with_stray_names_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("SELECT 1;")
    with pytest.raises(MigrationError):
        migrate.load(tmp_path)


def test_a_text_that_ends_in_a_statement_is_refused(path: Path) -> None:
    with pytest.raises(MigrationError, match="in the middle of a statement"):
        run(path, Migration(1, "0001_cut.sql", "CREATE TABLE a (x INTEGER"))


def test_the_books_open_again_after_a_restart(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 5)
    store.close()
    open_store(tmp_path).close()


def test_a_refused_database_is_left_unlocked(path: Path) -> None:
    path.write_bytes(b"x" * 5_000)
    for _ in range(2):
        with pytest.raises(StoreOpenError):
            open_store(path.parent)


def test_a_currency_of_the_first_schema_keeps_its_policy(path: Path) -> None:
    """What was credited before there were depths to leave at may leave as before."""
    run(path, migrate.load()[0])
    db = connect(path)
    db.execute(
        "INSERT INTO coin (currency, chain, name, family, network, decimals, fingerprint, confirmations,"
        " final_depth, max_reorg, minimum_deposit, minimum_withdrawal, maximum_withdrawal, withdrawal_fee,"
        " dust, sweep_threshold, deposits, withdrawals, state) VALUES ('BTC', 'BTC', 'Bitcoin', 'bitcoin',"
        " 'regtest', 8, 'x', 4, 6, 5, '0', '1', '9', '0', '0', '0', 'open', 'open', 'open')"
    )
    db.close()
    run(path, *migrate.load())
    db = connect(path)
    row = read_coin(db, "BTC")
    db.close()
    assert (row.tiers, row.withdrawable_depth, row.finality.value) == ((), 4, "confirmations")


def test_cases_of_an_older_schema_can_be_decided(path: Path) -> None:
    """They get their chain, their block while it stands, their place in the list, and a first history."""
    run(path, *migrate.load()[:4])
    db = connect(path)
    db.execute(
        "INSERT INTO coin (currency, chain, name, family, network, decimals, fingerprint, confirmations,"
        " final_depth, max_reorg, minimum_deposit, minimum_withdrawal, maximum_withdrawal, withdrawal_fee,"
        " dust, sweep_threshold, deposits, withdrawals, state) VALUES ('BTC', 'BTC', 'Bitcoin', 'bitcoin',"
        " 'regtest', 8, 'x', 4, 6, 5, '0', '1', '9', '0', '0', '0', 'open', 'open', 'open')"
    )
    db.execute(
        "INSERT INTO own_script (chain, currency, script, address, branch, script_index, location, client_id,"
        " purpose, created_at) VALUES ('BTC', 'BTC', x'00', 'bc1q', 'deposit', 0, 'deposit', 'alice', 'p', 1)"
    )
    db.execute(
        "INSERT INTO deposit (id, chain, currency, script_sequence, client_id, txid, position, amount,"
        " status, confirmations_required, seen_at, ordinal) VALUES ('dep_1', 'BTC', 'BTC', 1, 'alice',"
        " 'aa', '0', '5', 'parked', 3, 1, 7)"
    )
    db.execute("UPDATE counter SET value = 7 WHERE name = 'ordinal'")
    db.execute(
        "INSERT INTO chain_movement (chain, currency, height, block_hash, txid, position, script_sequence,"
        " location, delta) VALUES ('BTC', 'BTC', 101, 'bb', 'aa', 'out:0', 1, 'deposit', '5')"
    )
    for case, status, deposit in (("case_1", "open", "dep_1"), ("case_2", "closed", None)):
        db.execute(
            "INSERT INTO unclaimed_case VALUES (?, 'parked', 'BTC', '5', 'aa', '0', ?, ?, 'why', 9)",
            (case, deposit, status),
        )
    db.close()
    run(path, *migrate.load())
    db = connect(path)
    first, second = read_cases(db, "1 = 1 ORDER BY c.ordinal", ())
    assert (first.chain, first.block_height, first.block_hash) == ("BTC", 101, "bb")
    assert (first.client_id, first.address, first.ordinal, first.status) == ("alice", "bc1q", 8, "open")
    assert (second.block_height, second.client_id, second.ordinal, second.status) == (None, None, 9, "closed")
    assert to_view(db, first, 103).confirmations == 3
    assert [entry.action for entry in to_view(db, second, 103).history] == ["vanished"]
    assert db.execute("SELECT value FROM counter WHERE name = 'ordinal'").fetchone() == (9,)
    db.close()
