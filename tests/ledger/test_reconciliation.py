"""The chain's answer beside the books: only at the same block, exact to the unit, told when it is news."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from coins.types import Holdings, Location
from ledger.commands import RecordReconciliation
from ledger.errors import UnknownCurrencyError
from tests.ledger.books import ANCHOR, balance, do, fund, make_books, rows

FULL = {"BTC": {Location.HOT: 2**70, Location.DEPOSIT: 0}}


def compare(number: int, amounts: dict[str, dict[Location, int]]) -> RecordReconciliation:
    return RecordReconciliation(f"rec_{number}", "BTC", Holdings(ANCHOR, amounts))


def test_l11_equal_to_the_unit_is_ok(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 2**70)
    (view,) = do(store, compare(1, FULL))
    assert (view.status, view.height, view.currency) == ("ok", ANCHOR.height, "BTC")
    assert [line["location"] for line in view.lines] == [location.value for location in Location]
    assert do(store, compare(1, FULL)) == (view,)
    store.close()


@pytest.mark.parametrize(
    ("location", "amount", "difference"),
    [
        (Location.HOT, 2**70 - 1, -1),
        (Location.HOT, 2**70 + 1, 1),
        (Location.COLD, 5, 5),
        (Location.DEPOSIT, 7, 7),
    ],
)
def test_l11_one_unit_is_found_and_located_and_nothing_is_corrected(
    tmp_path: Path, location: Location, amount: int, difference: int
) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 2**70)
    (view,) = do(store, compare(1, {"BTC": {**FULL["BTC"], location: amount}}))
    assert view.status == "mismatch"
    assert {line["location"]: line["difference"] for line in view.lines if line["difference"]} == {
        location.value: difference
    }
    store.close()
    assert balance(store.path, "onchain:BTC:hot") == 2**70


def test_nothing_is_compared_at_another_block(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    for at in (replace(ANCHOR, height=101), replace(ANCHOR, block_hash="bb" * 32)):
        assert do(store, RecordReconciliation("rec_1", "BTC", Holdings(at, FULL))) is None
    assert do(store, RecordReconciliation("rec_1", "LTC", Holdings(ANCHOR, FULL))) is None
    assert rows(store.path, "SELECT count(*) FROM reconciliation") == [(0,)]
    store.close()


def test_it_is_told_when_the_verdict_or_a_difference_changes(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 2**70)
    missing = {"BTC": {Location.HOT: 2**70 - 1}}
    more_missing = {"BTC": {Location.HOT: 2**70 - 2}}
    for number, amounts in enumerate([FULL, FULL, missing, missing, more_missing, FULL, FULL]):
        do(store, compare(number, amounts))
    store.close()
    told = rows(store.path, "SELECT type, object_id FROM event WHERE object_type = 'reconciliation'")
    assert told == [
        ("reconciliation.ok", "rec_0"),
        ("reconciliation.mismatch", "rec_2"),
        ("reconciliation.mismatch", "rec_4"),
        ("reconciliation.ok", "rec_5"),
    ]


def test_a_currency_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    with pytest.raises(UnknownCurrencyError):
        do(store, compare(1, {"XMR": {}}))
    store.close()
