"""The digest of an adjustment covers all that it moves; lists give each one once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger.adjustment_command import ListAdjustments
from ledger.adjustment_row import adjustments_digest, read_adjustments
from ledger.connection import connect
from ledger.reader_adjustment import list_adjustments
from ledger.snapshot import Snapshot
from tests.ledger.books import NOW, fund
from tests.ledger.test_adjustment_book import ask, open_desk


@pytest.mark.parametrize(
    "change",
    [{"source": "x"}, {"target": "x"}, {"amount": 2}, {"reason": "x"}, {"by": "x"}, {"reverses": "x"}],
    ids=str,
)
def test_w40_any_change_is_another_digest(tmp_path: Path, change: dict[str, Any]) -> None:
    store = open_desk(tmp_path)
    fund(store, "alice", 10)
    ask(store, 1, "alice", "bob", 1)
    db = connect(store.path, read_only=True)
    (row,) = read_adjustments(db, "id = ?", ("adj_1",))
    db.close()
    store.close()
    assert adjustments_digest([row]) == row.digest
    assert adjustments_digest([replace(row, **change)]) != row.digest


def test_pages_give_each_adjustment_once(tmp_path: Path) -> None:
    store = open_desk(tmp_path)
    fund(store, "alice", 10)
    for number in range(5):
        ask(store, number, "alice", "bob" if number % 2 else "carol", 1)
    db = connect(store.path, read_only=True)
    snapshot, found, cursor = Snapshot(db, NOW), [], None
    while True:
        page = list_adjustments(snapshot, ListAdjustments(limit=2, cursor=cursor))
        found += [view.id for view in page.data]
        cursor = page.next_cursor
        if cursor is None:
            break
    of_bob = list_adjustments(snapshot, ListAdjustments(client_id="bob")).data
    db.close()
    store.close()
    assert found == ["adj_4", "adj_3", "adj_2", "adj_1", "adj_0"]
    assert [view.id for view in of_bob] == ["adj_3", "adj_1"]
