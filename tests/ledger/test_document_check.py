"""Every row that tells of money is held against the journal: whatever is edited is found and named.

Each document is edited in each of its columns that say how much, whose, where to, by whom, or what became of
it. Stories in which nobody edits anything have no finding.
"""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ledger import document, document_check, document_deposit, document_payout, document_transfer
from ledger.accounts import HOUSE
from ledger.commands import AnnounceHouseFunding
from ledger.connection import Database, connect
from ledger.document import Tell
from ledger.document_check import check_documents
from ledger.document_deposit import check_cases, check_deposits
from ledger.document_payout import check_attempts, check_withdrawals
from ledger.document_transfer import check_adjustments, check_transfers
from ledger.rebuild import check_rebuilt
from ledger.verify import verify_file
from tests.ledger import desk
from tests.ledger.books import fund
from tests.ledger.life import STEPS, Life
from tests.ledger.test_adjustment_book import BOB, EVE, ask, decide, open_desk, undo
from tests.ledger.till import ETH, Till

ROOM = Path(__file__).parents[2] / "ledger"


def findings(path: Path) -> list[tuple[str, str, str]]:
    """What the documents have to say."""
    found: list[tuple[str, str, str]] = []
    db = connect(path, read_only=True)
    try:
        db.execute("BEGIN")
        check_documents(db, lambda *finding: found.append(finding))
    finally:
        db.close()
    return found


def edit(path: Path, *statements: str) -> None:
    """What somebody with a shell does: no triggers, no checks."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA ignore_check_constraints = ON")
    for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        db.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        assert db.execute(statement).rowcount, statement
    db.close()


@pytest.mark.parametrize("currency", ["BTC", "ETH"])
@pytest.mark.parametrize("seed", range(3))
def test_l14_any_story_is_what_its_documents_say(tmp_path: Path, currency: str, seed: int) -> None:
    life = Life(tmp_path, currency)
    chosen = random.Random(seed)

    def pick(choices: Sequence[Any]) -> Any:
        return choices[chosen.randrange(len(choices))]

    for number in range(60):
        getattr(life, pick(STEPS))(pick)
        if number % 10 == 9:
            assert findings(life.till.store.path) == []
    life.close()


# -- adjustments and transfers ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def adjusted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One posted at once, one approved by two, one held, one rejected, and one reversed."""
    store = open_desk(tmp_path_factory.mktemp("adjusted"), approval_above=500, second_approval_above=5_000)
    fund(store, "alice", 10_000)
    fund(store, HOUSE, 10_000)
    ask(store, 1, "alice", "bob", 300)
    large = ask(store, 2, HOUSE, "alice", 6_000)
    decide(store, large.id, "approve", BOB, large.digest)
    decide(store, large.id, "approve", EVE, large.digest)
    ask(store, 3, "alice", HOUSE, 700)
    refused = ask(store, 4, "alice", HOUSE, 800)
    decide(store, refused.id, "reject", BOB)
    ask(store, 5, "alice", "carol", 40)
    undo(store, "adj_5", 6)
    store.close()
    return store.path


def copied(path: Path, folder: Path) -> Path:
    """The books in a file of their own, to be edited."""
    copy = folder / "books.db"
    source, target = sqlite3.connect(path), sqlite3.connect(copy)
    source.backup(target)
    source.close()
    target.close()
    return copy


@pytest.mark.parametrize(
    ("number", "change"),
    [
        *[(n, "amount = '301'") for n in (1, 2, 3, 4, 5)],
        *[(n, "source = 'eve'") for n in (1, 2, 3, 4, 5)],
        *[(n, "target = 'eve'") for n in (1, 2, 3, 4, 5)],
        *[(n, "reason = 'a gift'") for n in (1, 2, 3, 4, 5)],
        *[(n, "by = 'operator:op_eve'") for n in (1, 2, 3, 4, 5)],
        *[(n, "decided_by = 'operator:op_ann'") for n in (1, 2, 3, 4)],
        *[(n, "decided_at = 5") for n in (1, 2, 3, 4)],
        *[(n, "decision_reason = 'fine'") for n in (1, 2, 3, 4)],
        *[(n, "approvals_needed = 3") for n in (1, 2, 3, 4)],
        *[(n, "digest = 'x'") for n in (1, 2, 3, 4)],
        *[(n, "created_at = 5") for n in (1, 2, 3, 4)],
        (1, "status = 'held', journal_id = NULL"),
        (1, "status = 'rejected'"),
        (1, "journal_id = 1"),
        (2, "approvals_needed = 0"),
        (2, "status = 'rejected', journal_id = NULL"),
        (3, "status = 'rejected'"),
        (3, "status = 'posted'"),
        (4, "status = 'held'"),
        (5, "reverses = 'adj_1'"),
        (1, "currency = 'LTC'"),
        (1, "status = 'wonderful'"),
        (1, "amount = 'much'"),
    ],
)
def test_l14_an_edited_adjustment_is_named(adjusted: Path, tmp_path: Path, number: int, change: str) -> None:
    path = copied(adjusted, tmp_path)
    assert findings(path) == []
    edit(path, f"UPDATE adjustment SET {change} WHERE id = 'adj_{number}'")
    named = [(kind, row) for kind, row, _ in findings(path)]
    assert ("adjustment", f"adjustment adj_{number}") in named


@pytest.mark.parametrize(
    ("statement", "row"),
    [
        ("UPDATE adjustment SET reverses = 'adj_1' WHERE id = 'rev_6'", "adjustment rev_6"),
        ("DELETE FROM approval WHERE operator_id = 'op_eve'", "adjustment adj_2"),
        ("UPDATE approval SET operator_id = 'op_ann' WHERE operator_id = 'op_eve'", "adjustment adj_2"),
        ("UPDATE approval SET digest = 'x' WHERE operator_id = 'op_eve'", "adjustment adj_2"),
        ("DELETE FROM adjustment WHERE id = 'adj_1'", "adjustment adj_1"),
        ("DELETE FROM audit WHERE action = 'reject_adjustment'", "adjustment adj_4"),
        ("DELETE FROM transfer WHERE id = 'rev_6'", "adjustment rev_6"),
        ("UPDATE transfer SET amount = '1' WHERE id = 'adj_1'", "transfer adj_1"),
        ("UPDATE transfer SET target = 'eve' WHERE id = 'adj_2'", "transfer adj_2"),
        ("UPDATE transfer SET source = 'eve' WHERE id = 'rev_6'", "transfer rev_6"),
        ("UPDATE transfer SET reason = 'a gift' WHERE id = 'adj_1'", "transfer adj_1"),
        ("UPDATE transfer SET by = 'nobody' WHERE id = 'adj_1'", "transfer adj_1"),
        ("DELETE FROM transfer WHERE id = 'adj_1'", "transfer adj_1"),
        (
            "INSERT INTO transfer SELECT 'tr_x', 'shop', 'x', source, target, currency, amount, reason, by,"
            " created_at FROM transfer WHERE id = 'adj_1'",
            "transfer tr_x",
        ),
    ],
)
def test_l14_an_edited_transfer_or_approval_is_named(
    adjusted: Path, tmp_path: Path, statement: str, row: str
) -> None:
    path = copied(adjusted, tmp_path)
    edit(path, statement)
    assert row in [row for _, row, _ in findings(path)]
    assert row.partition(" ")[0] in {found.kind for found in verify_file(path)}


# -- deposits, cases, payouts ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def till(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Deposits in every state that has money, a case of each decision, payouts sent, mined and held."""
    made = Till(tmp_path_factory.mktemp("till"), approval_above=30_000)
    made.deposit("alice", 100_000)
    made.deposit("bob", 900, blocks=8)
    desk.write_off(made, desk.case_id(made))
    made.deposit("bob", 901, blocks=8)
    desk.refund(made, desk.case_id(made))
    made.deposit("bob", 902, blocks=8)
    desk.assign(made, desk.case_id(made), HOUSE)
    made.chain.pay((made.hot.script, 50_000))
    made.mine(8)
    desk.assign(made, desk.case_id(made), "carol")
    made.open("alice", 20_000)
    made.pay_all()
    made.mine(8)
    made.deposit("alice", 60_000, blocks=2)
    made.deposit("alice", 70_000, blocks=1)
    made.deposit("bob", 903, blocks=1)
    made.open("alice", 10_000)
    made.pay_all()
    made.open("alice", 40_000)
    made.decide(made.open("alice", 5_000).id, "cancel")
    made.close()
    return made.store.path


def test_nobody_edited_the_till(till: Path) -> None:
    assert findings(till) == []
    assert verify_file(till) == []
    db = sqlite3.connect(till)
    states = {
        table: {row[0] for row in db.execute(f"SELECT {column} FROM {table}")}
        for table, column in (("deposit", "status"), ("unclaimed_case", "status"), ("withdrawal", "status"))
    }
    db.close()
    assert states["deposit"] >= {"confirming", "credited", "final", "parked"}
    assert states["unclaimed_case"] >= {"open", "assigned", "refunded", "written_off"}
    assert states["withdrawal"] >= {"held", "final", "broadcast", "cancelled"}


@pytest.mark.parametrize(
    ("check", "table"),
    [
        (check_deposits, "deposit"),
        (check_cases, "unclaimed_case"),
        (check_withdrawals, "withdrawal"),
        (check_attempts, "attempt"),
        (check_transfers, "transfer"),
        (check_adjustments, "adjustment"),
    ],
)
def test_each_kind_alone_tells_what_is_booked_and_has_no_row(
    till: Path, adjusted: Path, tmp_path: Path, check: Callable[[Database, Tell], None], table: str
) -> None:
    path = copied(adjusted if table in ("transfer", "adjustment") else till, tmp_path)
    told: list[str] = []
    for is_edited in (False, True):
        if is_edited:
            edit(path, f"DELETE FROM {table}")
        db = connect(path, read_only=True)
        check(db, lambda _kind, row, _detail: told.append(row))
        db.close()
        assert bool(told) is is_edited, told


MONEY = {
    "deposit": ("currency", "client_id", "script_sequence", "txid", "position", "amount", "status",
                "block_height", "block_hash"),
    "withdrawal": ("currency", "client_id", "amount", "fee", "status", "kind", "case_id"),
    "unclaimed_case": ("currency", "amount", "status"),
    "attempt": ("state", "plan", "fee", "intent_id"),
    "intent": ("kind", "currency", "amount", "withdrawal_id"),
    "chain_movement": ("currency", "location", "delta", "is_disconnected", "journal_id", "script_sequence"),
    "own_script": ("purpose", "script_index"),
}  # fmt: skip
"""Columns of which each value of each row is changed, one at a time."""

EDITED: list[tuple[str, str]] = [
    ("UPDATE deposit SET credited_amount = '1' WHERE status = 'credited'", "deposit dep_"),
    ("DELETE FROM deposit WHERE status = 'credited'", "deposit dep_"),
    (
        "INSERT INTO deposit SELECT 'dep_0', chain, currency, script_sequence, client_id, txid, '7', amount,"
        " status, reason, block_height, block_hash, confirmations_required, due_height, seen_at, credited_at,"
        " 999, finality, credited_amount, withdrawable_height FROM deposit WHERE status = 'credited'",
        "deposit dep_0",
    ),
    ("UPDATE withdrawal SET script = x'00' WHERE status = 'final'", "attempt "),
    ("UPDATE withdrawal SET script = x'00' WHERE status = 'broadcast'", "attempt "),
    ("UPDATE withdrawal SET txid = 'x' WHERE status = 'final'", "withdrawal "),
    ("UPDATE withdrawal SET block_hash = 'x' WHERE status = 'final'", "withdrawal "),
    ("UPDATE withdrawal SET block_height = 1 WHERE status = 'final'", "withdrawal "),
    ("DELETE FROM withdrawal_history WHERE status = 'final'", "withdrawal "),
    (
        "UPDATE withdrawal_history SET status = 'approved' WHERE status = 'held'",
        "withdrawal ",
    ),
    (
        "UPDATE withdrawal SET status = 'approved' WHERE status = 'held'",
        "withdrawal ",
    ),
    ("DELETE FROM withdrawal WHERE status = 'held'", "withdrawal "),
    ("UPDATE attempt SET txid = 'x' || id WHERE state = 'mined'", "attempt "),
    ("UPDATE attempt SET block_hash = 'x' WHERE state = 'mined'", "attempt "),
    ("UPDATE attempt SET block_height = 1 WHERE state = 'mined'", "attempt "),
    ("DELETE FROM attempt_payout", "attempt "),
    ("UPDATE attempt_payout SET withdrawal_id = (SELECT max(id) FROM withdrawal)", "attempt "),
    ("UPDATE attempt_input SET output_index = output_index + 7", "attempt "),
    ("DELETE FROM attempt_input", "attempt "),
    ("UPDATE utxo SET reserved_by = NULL WHERE spent_by IS NULL AND reserved_by IS NOT NULL", "output "),
    (
        "UPDATE utxo SET reserved_by = (SELECT id FROM attempt LIMIT 1) WHERE spent_by IS NULL"
        " AND reserved_by IS NULL",
        "output ",
    ),
    ("UPDATE unclaimed_case SET client_id = 'eve' WHERE client_id = 'carol'", "case case_"),
    ("UPDATE unclaimed_case SET client_id = 'eve' WHERE client_id = 'house'", "case case_"),
    ("UPDATE unclaimed_case SET deposit_id = NULL WHERE status = 'open'", "case"),
    ("UPDATE unclaimed_case SET position = '9' WHERE kind = 'funding'", "case case_"),
    ("DELETE FROM unclaimed_case WHERE status = 'open'", "case suspense:BTC"),
    ("DELETE FROM unclaimed_case WHERE status = 'written_off'", "case case_"),
    ("UPDATE case_history SET status = 'open'", "case case_"),
    ("UPDATE script_reservation SET client_id = 'eve' WHERE purpose LIKE '%bob%'", "script "),
    ("UPDATE own_script SET location = 'cold' WHERE client_id = 'alice'", "movement "),
    ("UPDATE own_script SET client_id = 'eve' WHERE client_id = 'alice'", "deposit dep_"),
    ("DELETE FROM chain_movement WHERE delta = '70000'", "journal "),
]


@pytest.mark.parametrize("table", MONEY)
def test_l14_any_edited_value_of_a_row_is_found(till: Path, tmp_path: Path, table: str) -> None:
    path = copied(till, tmp_path)
    edit(path, "UPDATE counter SET value = value")  # takes the triggers off
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA ignore_check_constraints = ON")
    tried = 0
    for (row_id,) in db.execute(f"SELECT rowid FROM {table}").fetchall():
        for column in MONEY[table]:
            (value,) = db.execute(f"SELECT {column} FROM {table} WHERE rowid = ?", (row_id,)).fetchone()
            db.execute("BEGIN")
            db.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (other(value), row_id))
            found: list[object] = db.execute("PRAGMA foreign_key_check").fetchall()
            for check in (check_documents, check_rebuilt):
                check(db, lambda *finding: found.append(finding))  # noqa: B023 - called at once
            assert found, (table, row_id, column, value)
            db.execute("ROLLBACK")
            tried += 1
    assert tried >= len(MONEY[table])
    assert findings(path) == []
    db.close()


def other(value: int | str | None) -> int | str:
    """Something else of the same type."""
    if isinstance(value, int):
        return value + 1 if value else 1
    return f"{value}1" if value else "x"


@pytest.mark.parametrize(("statement", "row"), EDITED)
def test_l14_an_edited_document_is_named(till: Path, tmp_path: Path, statement: str, row: str) -> None:
    path = copied(till, tmp_path)
    edit(path, statement)
    named = [name for _, name, _ in findings(path)]
    assert any(name.startswith(row) for name in named), named


def test_l14_an_account_chain_is_held_against_its_entries_too(tmp_path: Path) -> None:
    made = Till(tmp_path, ETH)
    made.deposit("alice", 100_000_000, blocks=6)
    made.do(AnnounceHouseFunding("ETH", made.chain.pay((made.hot.script, 900_000_000)).txid, "op", "float"))
    made.mine(6)
    made.open("alice", 20_000)
    made.pay_all()
    made.mine(6)
    made.close()
    assert findings(made.store.path) == []
    edit(made.store.path, "UPDATE withdrawal SET amount = '20001' WHERE status = 'final'")
    assert {"withdrawal", "attempt"} <= {kind for kind, _, _ in findings(made.store.path)}


def test_each_question_reads_one_table_through_and_finds_the_rest_by_few_rows(till: Path) -> None:
    db = connect(till, read_only=True)
    asked = [
        (name, sql)
        for module in (document, document_check, document_deposit, document_payout, document_transfer)
        for name, sql in vars(module).items()
        if isinstance(sql, str) and sql.startswith("SELECT")
    ]
    assert len(asked) > 15
    for name, sql in asked:
        steps = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", ("deposit",) * sql.count("?"))]
        assert not [step for step in steps[1:] if step.startswith("SCAN")], (name, steps)
        looked_up = [step for step in steps if step.startswith(("SEARCH k ", "SEARCH j ", "SEARCH p "))]
        assert not [step for step in looked_up if "reverses=" in step or "credit_id" in step], (name, steps)
    assert "SCAN m" in [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {document_deposit._PLACE}")]
    db.close()


def test_every_table_is_in_the_list_of_what_it_is_held_against() -> None:
    tables = set(re.findall(r"^CREATE TABLE (\w+)", (ROOM / "schema.sql").read_text(), re.MULTILINE))
    _, _, told = (ROOM / "README.md").read_text().partition("<!-- audited -->")
    listed = re.findall(
        r"`(\w+)`", "".join(re.findall(r"^\| ([^|]+) \|", told.partition("<!--")[0], re.MULTILINE))
    )
    assert sorted(listed) == sorted(tables)
