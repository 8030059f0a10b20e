"""Cases as operators read them: one with its story, pages of them, by client, currency, state and txid."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import codec
from ledger.case_view import CaseView
from ledger.connection import connect
from ledger.errors import InvalidCursorError
from ledger.queries import Filter, GetCase, ListCases
from ledger.reader_case import get_case, list_cases
from ledger.snapshot import Snapshot
from tests.ledger.books import NOW
from tests.ledger.desk import assign
from tests.ledger.till import Till


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    opened = Till(tmp_path)
    for number in range(3):
        opened.deposit("alice", 900 + number, blocks=1)
    opened.deposit("bob", 950, blocks=2)
    yield opened
    opened.close()


@pytest.fixture
def snapshot(till: Till) -> Iterator[Snapshot]:
    db = connect(till.store.path)
    yield Snapshot(db, NOW)
    db.close()


def amounts(snapshot: Snapshot, query: ListCases) -> list[int]:
    return [view.amount for view in list_cases(snapshot, query).data]


def test_pages_are_newest_first_and_neither_repeat_nor_skip(snapshot: Snapshot) -> None:
    assert amounts(snapshot, ListCases()) == [950, 902, 901, 900]
    page = list_cases(snapshot, ListCases(limit=3))
    assert page.next_cursor is not None
    assert amounts(snapshot, ListCases(limit=3, cursor=page.next_cursor)) == [900]
    with pytest.raises(InvalidCursorError):
        list_cases(snapshot, ListCases(cursor="nonsense"))


def test_filters(till: Till, snapshot: Snapshot) -> None:
    newest = list_cases(snapshot, ListCases()).data[0]
    assign(till, list_cases(snapshot, ListCases()).data[-1].id, "alice")
    for chosen, expected in (
        (Filter(client_id="bob"), [950]),
        (Filter(status="assigned"), [900]),
        (Filter(status="open", client_id="alice"), [902, 901]),
        (Filter(txid=newest.txid), [950]),
        (Filter(currency="LTC"), []),
        (Filter(until=NOW), []),
    ):
        assert amounts(snapshot, ListCases(chosen)) == expected


def test_a_case_has_its_evidence_and_its_history(till: Till, snapshot: Snapshot) -> None:
    first = list_cases(snapshot, ListCases()).data[-1]
    assert (first.kind, first.reason, first.client_id) == ("parked", "below_minimum", "alice")
    assert (first.confirmations, first.block_height) == (5, till.known()[-2].height)
    assert first.address == till.scripts["client:alice:0"].address
    assert first.actions == ("assign", "release", "refund", "write-off")
    assign(till, first.id, "alice")
    view = get_case(snapshot, GetCase(first.id))
    assert isinstance(view, CaseView)
    assert [(entry.action, entry.by, entry.reason) for entry in view.history] == [
        ("opened", "chain", "below_minimum"),
        ("assigned", "olga", "she asked"),
    ]
    assert codec.decode(*codec.encode(view)) == view
    assert get_case(snapshot, GetCase("case_none")) is None
