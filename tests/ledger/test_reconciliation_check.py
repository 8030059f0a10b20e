"""A comparison that somebody edited or took away is named by the audit, also with a digest made anew."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coins.types import Asked, Holdings
from ledger.codec import to_json
from ledger.reconciliation_check import KIND
from ledger.reconciliation_command import RecordReconciliation
from ledger.reconciliation_digest import digest_of
from ledger.verify import verify_file
from tests.ledger.books import ANCHOR, do, fund, make_books
from tests.ledger.test_reconciliation import FULL


@pytest.mark.parametrize(
    ("statement", "row"),
    [
        ("UPDATE reconciliation SET status = 'mismatch' WHERE id = 'rec_2'", "rec_2"),
        ("UPDATE reconciliation SET lines = replace(lines, '1180591620717411303424', '1') WHERE id = 'rec_1'",
         "rec_1"),
        ("UPDATE reconciliation SET lines = 'x' WHERE id = 'rec_1'", "rec_1"),
        ("UPDATE reconciliation SET totals = '{}' WHERE id = 'rec_3'", "rec_3"),
        ("UPDATE reconciliation SET inputs = '{}', digest = '00' WHERE id = 'rec_2'", "rec_2"),
        ("UPDATE reconciliation SET block_hash = 'x' WHERE id = 'rec_2'", "rec_2"),
        ("DELETE FROM reconciliation WHERE id = 'rec_1'", "rec_2"),
        ("DELETE FROM reconciliation WHERE id = 'rec_2'", "rec_3"),
        ("UPDATE reconciliation SET number = NULL WHERE id = 'rec_2'", "rec_3"),
        ("UPDATE reconciliation SET number = NULL WHERE id = 'rec_3'", "rec_3"),
        ("UPDATE reconciliation SET number = NULL", "rec_1"),
        ("UPDATE reconciliation SET chain = 'ETH' WHERE id = 'rec_3'", "rec_3"),
        ("UPDATE reconciliation SET lines = '[1]' WHERE id = 'rec_3'", "rec_3"),
        ("UPDATE reconciliation SET lines = '[{}]' WHERE id = 'rec_3'", "rec_3"),
    ],
)  # fmt: skip
def test_l07_a_comparison_that_was_tampered_with_is_named(tmp_path: Path, statement: str, row: str) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 2**70)
    for number in (1, 2, 3):
        asked = Asked("http://node", "scantxoutset", 3, ANCHOR.height)
        do(store, RecordReconciliation(f"rec_{number}", "BTC", Holdings(ANCHOR, FULL, asked=asked)))
    store.close()
    db = sqlite3.connect(store.path, isolation_level=None)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        db.execute(statement)
    for name in ("reconciliation_no_update", "reconciliation_no_delete"):
        db.execute(f"DROP TRIGGER {name}")
    db.execute(statement)
    db.close()
    (finding,) = verify_file(store.path)
    assert (finding.kind, finding.row) == (KIND, f"reconciliation {row}")


@pytest.mark.parametrize(
    "change",
    [
        {"status": "mismatch"},
        {"lines": ()},
        {"lines": ({"location": "hot", "chain": 1, "books": 1, "difference": 1},)},
        {"totals": {}},
    ],
    ids=str,
)
def test_l07_a_verdict_that_was_changed_with_its_digest_is_named(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 2**70)
    (view,) = do(store, RecordReconciliation("rec_1", "BTC", Holdings(ANCHOR, FULL)))
    store.close()
    edited = replace(view, **change)
    values = (edited.status, to_json(list(edited.lines)), to_json(edited.totals), digest_of(edited))
    db = sqlite3.connect(store.path, isolation_level=None)
    db.execute("DROP TRIGGER reconciliation_no_update")
    db.execute("UPDATE reconciliation SET status = ?, lines = ?, totals = ?, digest = ?", values)
    db.close()
    (finding,) = verify_file(store.path)
    assert (finding.kind, finding.row) == (KIND, "reconciliation rec_1")
