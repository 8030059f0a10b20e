"""Values at entry time: what was known when it was booked, now and whenever it is printed."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from gateway.statement_text import value_of
from ledger.connection import connect
from ledger.rate_command import RecordRates
from ledger.statement_query import Rate
from tests.gateway.samples import statement_line
from tests.ledger.books import NOW, do, fund, make_books, rows, transfer
from tests.ledger.test_statement import of_account, of_client, statement


def rates(rate: str, at: int = NOW, **changes: str) -> RecordRates:
    return RecordRates(changes.get("quote", "EUR"), {"BTC": rate}, at, 1_000, "file")


def test_a_line_has_the_rate_that_was_known_when_it_was_booked(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 1_000)
    assert do(store, rates("100", NOW)) == ()
    do(store, transfer(1, "alice", "bob", 1), NOW + 10)
    do(store, rates("200", NOW + 20), NOW + 20)
    do(store, rates("300", NOW + 20), NOW + 20)
    do(store, transfer(2, "alice", "bob", 1), NOW + 20)
    do(store, transfer(3, "alice", "bob", 1), NOW + 1_020)
    do(store, transfer(4, "alice", "bob", 1), NOW + 1_021)
    do(store, rates("400", NOW + 2_000, quote="USD"), NOW + 2_000)
    do(store, transfer(5, "alice", "bob", 1), NOW + 2_000)
    store.close()
    for subject in (of_client("alice"), of_account("client:alice:BTC:available")):
        for limit in (1, 2, 500):
            _, lines = statement(store.path, subject, limit=limit)
            told = [line.rate and (line.rate.rate, line.rate.quote) for line in lines]
            expected = [("100", "EUR"), ("300", "EUR"), ("300", "EUR"), None, ("400", "USD")]
            assert told == [None, *expected], limit


def test_printed_again_it_says_the_same_whatever_came_later(tmp_path: Path) -> None:
    """Also under a clock that goes back: the place in the journal decides, and no time."""
    store = make_books(tmp_path)
    fund(store, "alice", 1_000)
    do(store, transfer(1, "alice", "bob", 1), NOW + 50)
    before = statement(store.path, of_client("alice"))
    do(store, rates("100", NOW - 100), NOW - 100)
    assert statement(store.path, of_client("alice")) == before
    do(store, transfer(2, "alice", "bob", 1), NOW - 90)
    do(store, rates("900", NOW), NOW + 60)
    _, lines = statement(store.path, of_client("alice"))
    store.close()
    assert [line.rate and line.rate.rate for line in lines] == [None, None, "100"]


def test_what_is_there_or_older_or_no_currency_is_left_out(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    assert do(store, RecordRates("EUR", {"BTC": "5", "DOGE": "1"}, NOW, 1_000, "http")) == ("DOGE",)
    assert do(store, rates("5")) == ()
    assert do(store, rates("6", NOW - 1)) == ()
    assert do(store, rates("6")) == ()
    assert do(store, rates("6", NOW + 1)) == ()
    store.close()
    kept = rows(store.path, "SELECT currency, rate, quoted_at - ?, source FROM rate ORDER BY id", NOW)
    assert kept == [("BTC", "5", 0, "http"), ("BTC", "6", 0, "file"), ("BTC", "6", 1, "file")]


def test_l09_a_rate_is_never_changed(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    do(store, rates("5"))
    store.close()
    db = connect(store.path)
    for sql in ("UPDATE rate SET rate = '6'", "DELETE FROM rate"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute(sql)
    db.close()


@pytest.mark.parametrize(
    ("amount", "decimals", "rate", "value"),
    [
        (150_000, 8, "61234.50", "91.85"),
        (1, 8, "61234.50", "0.00"),
        (50_000_000, 8, "0.01", "0.00"),  # half a hundredth goes to the even one
        (150_000_000, 8, "0.01", "0.02"),
        (10**18, 18, "0.100000000000000005", "0.10"),
        (10**8, 8, "999999999999999999.99", "999999999999999999.99"),
    ],
)
def test_l10_a_value_is_exact_until_its_end(amount: int, decimals: int, rate: str, value: str) -> None:
    line = statement_line(debit=amount, rate=Rate(0, "EUR", rate, NOW, 60))
    assert value_of(line, decimals) == (value, "EUR", rate, "2023-11-14T22:13:20Z")


def test_l10_the_largest_amount_at_the_finest_rate_loses_no_digit() -> None:
    rate = Rate(0, "EUR", "999999999999999999.999999999999999999", NOW, 60)
    value, *_ = value_of(statement_line(debit=2**256 - 1, rate=rate), 0)
    exact = (2**256 - 1) * (10**36 - 1)
    hundredths, rest = divmod(exact, 10**16)
    assert value is not None
    assert int(value.replace(".", "")) == hundredths + (rest > 5 * 10**15)
