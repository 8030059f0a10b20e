"""Documents beside their entries: what is booked of each, and what is booked of none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from ledger.connection import connect
from ledger.document import Booked, beside, booked, first_difference, rows, summed, tell_first
from tests.ledger.books import NOW, fund, make_books, transfer


@dataclass(frozen=True)
class Paper:
    """A row with an id."""

    id: str


@pytest.fixture
def path(tmp_path: Path) -> Path:
    store = make_books(tmp_path)
    fund(store, "alice", 1_000)
    store.apply_batch([transfer(n, "alice", "bob", 10 + n) for n in (1, 2)], NOW)
    store.close()
    return store.path


def test_what_is_booked_of_a_document_is_one_net(path: Path) -> None:
    db = connect(path, read_only=True)
    alice, bob = (f"client:{name}:BTC:available" for name in ("alice", "bob"))
    assert list(booked(db, "transfer")) == [
        Booked("tr_1", {alice: 11, bob: -11}, {alice: 11}),
        Booked("tr_2", {alice: 12, bob: -12}, {alice: 12}),
    ]
    assert list(booked(db, "deposit")) == []
    db.close()


@pytest.mark.parametrize(
    ("ids", "met"),
    [
        ((), [("tr_1", False, True), ("tr_2", False, True)]),
        (("tr_1", "tr_2"), [("tr_1", True, True), ("tr_2", True, True)]),
        (("tr_0", "tr_2", "tr_3"),
         [("tr_0", True, False), ("tr_1", False, True), ("tr_2", True, True), ("tr_3", True, False)]),
    ],
)  # fmt: skip
def test_each_is_met_once_with_or_without_the_other(
    path: Path, ids: tuple[str, ...], met: list[tuple[str, bool, bool]]
) -> None:
    db = connect(path, read_only=True)
    found = beside(db, "transfer", [Paper(each) for each in ids])
    assert [(name, paper is not None, entry is not None) for name, paper, entry in found] == met
    db.close()


def test_sums_and_differences_are_named() -> None:
    net = {"client:a:BTC:available": -7, "client_deficit:a:BTC": -3, "suspense:BTC": 4, "unexplained:BTC": -4}
    assert summed(net) == {"client:a:BTC": -10}
    assert first_difference({"b": 1, "a": 2}, {"b": 1, "a": 2}) == ""
    assert first_difference({"b": 1, "a": 2}, {"b": 2}) == "the journal has 2 on a, its row says 0"


def test_what_cannot_be_read_is_told_and_the_rest_goes_on(path: Path) -> None:
    db = connect(path, read_only=True)
    told: list[tuple[str, str, str]] = []

    def convert(row: tuple[str, str]) -> Paper:
        if row[1] == "11":
            raise ValueError("no amount")
        return Paper(row[0])

    def tell(*finding: str) -> None:
        told.append((finding[0], finding[1], finding[2]))

    sql = "SELECT id, amount FROM transfer ORDER BY id"
    assert list(rows(db, tell, "transfer", sql, convert)) == [Paper("tr_2")]
    tell_first(db, tell, "transfer", "is odd", "SELECT id FROM transfer WHERE amount = '12'")
    tell_first(db, tell, "transfer", "is odd", "SELECT id FROM transfer WHERE amount = '13'")
    assert told == [
        ("transfer", "transfer tr_1", "cannot be read: no amount"),
        ("transfer", "transfer tr_2", "is odd"),
    ]
    db.close()
