"""What waits is told by kind; every kind of case but those of differences has a name."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.case import CaseKind
from ledger.connection import connect
from ledger.errors import UnknownCurrencyError
from ledger.queries import GetStanding
from ledger.reader_standing import KIND_OF, get_standing
from ledger.snapshot import Snapshot
from tests.ledger.books import NOW, fund, make_books


def test_every_case_but_those_of_differences_has_a_name() -> None:
    assert set(CaseKind) - set(KIND_OF) == {CaseKind.SHORT, CaseKind.SURPLUS}


def test_nothing_waits_in_quiet_books(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 5)
    store.close()
    db = connect(store.path, read_only=True)
    assert get_standing(Snapshot(db, NOW), GetStanding("BTC")) == ()
    with pytest.raises(UnknownCurrencyError):
        get_standing(Snapshot(db, NOW), GetStanding("XMR"))
    db.close()
