"""Imports of adjustments: all rows or none, every error at once, and a dry run that leaves no trace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coins.amounts import AMOUNT_MAX
from ledger.accounts import HOUSE
from ledger.adjustment_command import ImportAdjustments, ImportRow
from ledger.adjustment_import import import_adjustments
from ledger.adjustment_view import AdjustmentsView
from ledger.errors import (
    AlreadyExistsError,
    ApprovalRefusedError,
    ImportRefusedError,
    InsufficientFundsError,
    NotHeldError,
    RowError,
)
from ledger.store import SqliteStore
from ledger.verify import verify_file
from tests.fakes.oracle import check_books
from tests.ledger.books import do, fund, rows
from tests.ledger.test_adjustment_book import (
    ANN,
    BOB,
    EVE,
    adjustment,
    ask,
    available,
    decide,
    key,
    open_desk,
    undo,
)

BONUSES = (
    ImportRow(2, HOUSE, "alice", "BTC", 100, "b-1", "bonus"),
    ImportRow(3, HOUSE, "bob", "BTC", 200, "b-2", "=HYPERLINK(1)"),
    ImportRow(5, "alice", "carol", "BTC", 50, "b-3", "a bet"),
)


def sheet(number: int, *lines: ImportRow, **changes: Any) -> ImportAdjustments:
    return replace(ImportAdjustments(f"imp_{number}", lines, (), False, ANN, key(f"i{number}")), **changes)


def take(store: SqliteStore, command: ImportAdjustments) -> AdjustmentsView:
    view: AdjustmentsView = do(store, command).value
    return view


def trace(store: SqliteStore) -> list[list[tuple[Any, ...]]]:
    """All that a sheet could have left behind: every row of every table."""
    tables = rows(store.path, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [rows(store.path, f"SELECT * FROM {table}") for (table,) in tables]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = open_desk(tmp_path, approval_above=1_000)
    fund(made, HOUSE, 10_000)
    yield made
    made.close()
    assert verify_file(made.path) == []
    assert check_books(made.path) == []


def test_a_sheet_is_booked_row_by_row_in_one_step(store: SqliteStore) -> None:
    assert import_adjustments.__doc__
    view = take(store, sheet(1, *BONUSES))
    assert (view.id, view.status, view.rows, view.approvals_needed) == ("imp_1", "posted", 3, 0)
    assert [(t.currency, t.amount) for t in view.totals] == [("BTC", 350)]
    assert [(b.party, b.before, b.after) for b in view.balances] == [
        (HOUSE, 10_000, 9_700),
        ("alice", 0, 50),
        ("bob", 0, 200),
        ("carol", 0, 50),
    ]
    assert [available(store, who) for who in (HOUSE, "alice", "bob", "carol")] == [9_700, 50, 200, 50]
    columns = "id, import_id, external_id, status, reason"
    found = rows(store.path, f"SELECT {columns} FROM adjustment ORDER BY ordinal")
    assert found == [
        ("adj_1.2", "imp_1", "b-1", "posted", "bonus"),
        ("adj_1.3", "imp_1", "b-2", "posted", "=HYPERLINK(1)"),
        ("adj_1.5", "imp_1", "b-3", "posted", "a bet"),
    ]
    told = rows(store.path, "SELECT object_id FROM event WHERE type = 'transfer.posted' ORDER BY sequence")
    assert told == [("adj_1.2",), ("adj_1.3",), ("adj_1.5",)]
    audit = rows(store.path, "SELECT action, object_id FROM audit WHERE object_type = 'adjustment'")
    assert audit == [("request_adjustment", "imp_1")]


def test_a_dry_run_answers_the_same_and_leaves_no_trace(store: SqliteStore) -> None:
    before = trace(store)
    dry = take(store, sheet(1, *BONUSES, is_dry_run=True, idempotency=None))
    assert (dry.status, trace(store)) == ("checked", before)
    assert replace(take(store, sheet(1, *BONUSES)), status="checked") == dry


def test_the_same_key_answers_the_same_and_books_once(store: SqliteStore) -> None:
    first = do(store, sheet(1, *BONUSES))
    again = do(store, sheet(2, *BONUSES, idempotency=key("i1")))
    assert (again.value, again.is_replayed, available(store, HOUSE)) == (first.value, True, 9_700)
    with pytest.raises(AlreadyExistsError):
        do(store, sheet(1, *BONUSES, idempotency=key("other")))


def test_every_error_is_named_at_once_and_nothing_is_booked(store: SqliteStore) -> None:
    ask(store, 1, HOUSE, "alice", 10)
    before = trace(store)
    lines = (
        ImportRow(2, HOUSE, "alice", "BTC", 100, "ok-1", "fine"),
        ImportRow(3, HOUSE, "alice", "BTC", 100, "order-1", "used by an earlier one"),
        ImportRow(4, HOUSE, "alice", "BTC", 100, "ok-1", "twice in the sheet"),
        ImportRow(5, "alice", "bob", "BTC", 111, "ok-2", "one too many"),
        ImportRow(6, "alice", "bob", "BTC", 110, "ok-3", "fine"),
        ImportRow(7, "a:b", "bob", "BTC", 1, "ok-4", "no client"),
        ImportRow(8, "bob", "bob", "XMR", 1, "ok-5", "no currency"),
        ImportRow(9, HOUSE, "bob", "BTC", 99_999, "ok-6", "more than the house has"),
        ImportRow(10, "dave", "dave", "BTC", 1, "adj_1", "two errors"),
    )
    given = RowError(11, "amount", "must be a decimal string")
    for is_dry_run in (True, False):
        idempotency = None if is_dry_run else key("i1")
        command = sheet(1, *lines, refused=(given,), is_dry_run=is_dry_run, idempotency=idempotency)
        with pytest.raises(ImportRefusedError) as refused:
            do(store, command)
        assert [(e.number, e.column, e.message.partition(":")[0]) for e in refused.value.rows] == [
            (3, "external_id", "external_id_used"),
            (4, "external_id", "external_id_used"),
            (5, "amount", "insufficient_funds"),
            (7, "from", "invalid_client_id"),
            (8, "currency", "unknown_currency"),
            (9, "amount", "insufficient_funds"),
            (10, "to", "same_account"),
            (10, "external_id", "external_id_used"),
            (11, "amount", "must be a decimal string"),
        ]
        messages = {e.number: e.message for e in refused.value.rows}
        assert "adj_1" in messages[3]
        assert "row 2" in messages[4]
        assert trace(store) == before


@pytest.mark.parametrize("amount", [0, -1, AMOUNT_MAX + 1])
def test_w22_a_hostile_amount_is_one_rows_error(store: SqliteStore, amount: int) -> None:
    with pytest.raises(ImportRefusedError) as refused:
        do(store, sheet(1, *BONUSES, ImportRow(6, HOUSE, "eve", "BTC", amount, "b-4", "x")))
    assert [(error.number, error.column) for error in refused.value.rows] == [(6, "amount")]
    assert available(store, "alice") == 0


def test_an_empty_sheet_and_a_stranger_are_refused(store: SqliteStore) -> None:
    with pytest.raises(ImportRefusedError):
        do(store, sheet(1))
    with pytest.raises(ImportRefusedError):
        do(store, sheet(1, refused=(RowError(2, "", "x"),)))
    with pytest.raises(ApprovalRefusedError):
        do(store, sheet(1, *BONUSES, by="key:shop"))


def test_w40_many_small_rows_need_the_approval_of_their_sum(store: SqliteStore) -> None:
    lines = [ImportRow(n, HOUSE, "alice", "BTC", 500, f"s-{n}", "split") for n in range(2, 5)]
    view = take(store, sheet(1, *lines))
    assert (view.status, view.approvals_needed, available(store, "alice")) == ("held", 1, 0)
    assert [(b.party, b.after) for b in view.balances] == [(HOUSE, 8_500), ("alice", 1_500)]
    assert rows(store.path, "SELECT id FROM transfer") == []
    with pytest.raises(NotHeldError, match="imp_1"):
        decide(store, "adj_1.2", "approve", BOB, view.digest)
    with pytest.raises(ApprovalRefusedError, match="own_request"):
        decide(store, view.id, "approve", ANN, view.digest)
    done = decide(store, view.id, "approve", BOB, view.digest)
    assert (done.status, done.rows, available(store, "alice")) == ("posted", 3, 1_500)
    assert undo(store, "adj_1.3", 1).status == "posted"
    assert available(store, "alice") == 1_000


def test_w40_an_import_is_approved_whole_or_not_at_all(store: SqliteStore) -> None:
    lines = [ImportRow(n, HOUSE, f"c{n}", "BTC", 4_000, f"s-{n}", "big") for n in range(2, 4)]
    view = take(store, sheet(1, *lines))
    ask(store, 1, HOUSE, "eve", 1_000)
    ask(store, 2, HOUSE, "eve", 1_000)
    ask(store, 3, HOUSE, "eve", 1)
    with pytest.raises(InsufficientFundsError):
        decide(store, view.id, "approve", BOB, view.digest)
    assert (available(store, "c2"), available(store, "c3")) == (0, 0)
    assert rows(store.path, "SELECT DISTINCT status FROM adjustment WHERE import_id = 'imp_1'") == [("held",)]
    assert decide(store, view.id, "reject", EVE).status == "rejected"
    do(store, adjustment(9, HOUSE, "c2", 1))


def test_rows_that_are_held_or_rejected_keep_their_ids(store: SqliteStore) -> None:
    lines = [ImportRow(2, HOUSE, "alice", "BTC", 2_000, "s-1", "big")]
    take(store, sheet(1, *lines))
    with pytest.raises(ImportRefusedError) as refused:
        take(store, sheet(2, *lines))
    assert "adj_1.2" in refused.value.rows[0].message
