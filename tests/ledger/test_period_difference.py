"""A month whose chain and books differ: closed when every part has its case, and not one unit sooner."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from coins.types import Holdings, Location
from ledger import period_report
from ledger.books_at import is_balanced
from ledger.commands import RecordReconciliation, SetCurrencyState
from ledger.connection import connect
from ledger.difference import Found
from ledger.errors import PeriodNotClosableError
from ledger.period import books_of, closed_before, read_periods, refuse_unasked
from ledger.period_check import check_periods
from ledger.period_command import GetClosing, RecordPeriod
from ledger.period_difference import differences_of, sums_of
from ledger.period_view import PeriodView
from ledger.reconciliation_command import RecordDifferences
from tests.ledger.books import rows
from tests.ledger.test_period import DECEMBER, NOVEMBER, SALT, ask, close, held_at, till, turn
from tests.ledger.till import ETH, Till

__all__ = ["till"]

LESS = Found("stolen_utxo", "deposit", -5, "ab" * 32, "in:0", detail="left by a chain tx that is not ours")
MORE = Found("missing_deposit", "hot", 7, "cd" * 32, "out:1", detail="in this block, and not booked")


def apart(held: Holdings, **by_location: int) -> Holdings:
    """What the chain says, with more or less at some locations."""
    amounts = {place: held.amounts["BTC"].get(place, 0) + by_location.get(place, 0) for place in Location}
    return replace(held, amounts={"BTC": amounts})


def compare(till: Till, number: int, **by_location: int) -> str:
    """A comparison at the tip."""
    held = apart(held_at(till, till.chain.tip.ref.height), **by_location)
    (view,) = till.do(RecordReconciliation(f"rec_{number}", "BTC", held))
    return str(view.status)


def find(till: Till, height: int, *found: Found, is_past: bool = False) -> list[str]:
    """What a comparison found at a block becomes cases; their ids."""
    ((block_hash,),) = till.rows("SELECT block_hash FROM block WHERE height = ?", height)
    command = RecordDifferences("BTC", height, block_hash, found, is_past)
    return [case.id for case in till.do(command)]


def november(till: Till) -> int:
    """The month is over and deep enough; its last block."""
    turn(till)
    till.mine(7)
    return int(ask(till, GetClosing("BTC", NOVEMBER, SALT)).height)


def closed(till: Till, month: str, height: int, **by_location: int) -> PeriodView:
    """The month, with a chain that holds more or less than the books at its end."""
    (period,) = close(till, month, holdings=apart(held_at(till, height), **by_location)).periods
    return period


def findings(till: Till) -> list[tuple[str, str, str]]:
    """What the audit of closed months says."""
    found: list[tuple[str, str, str]] = []
    db = connect(till.store.path, read_only=True)
    check_periods(db, lambda *finding: found.append(finding))
    db.close()
    return found


def test_l11_a_month_closes_when_each_part_of_its_difference_has_its_case(till: Till) -> None:
    height = november(till)
    compare(till, 1, deposit=-5, hot=7)
    short, surplus = find(till, height - 1, LESS, MORE)
    period = closed(till, NOVEMBER, height, deposit=-5, hot=7)
    parts = period.report["differences"]
    assert [(part["case"], part["kind"], part["location"], part["amount"]) for part in parts] == [
        (short, "short", "deposit", "-5"),
        (surplus, "surplus", "hot", "7"),
    ]
    assert [(part["height"], part["txid"]) for part in parts] == [
        (height - 1, "ab" * 32),
        (height - 1, "cd" * 32),
    ]
    assert parts[0]["reason"] == "stolen_utxo: left by a chain tx that is not ours"
    lines = {line["location"]: line["difference"] for line in period.report["chain"]}
    assert lines == {"deposit": "-5", "hot": "7", "cold": "0"}
    assert findings(till) == []


@pytest.mark.parametrize(
    ("by_location", "told"),
    [
        ({"deposit": -6}, "deposit -6 .* explain deposit -5"),
        ({"deposit": -4}, "deposit -4 .* explain deposit -5"),
        ({"deposit": 5}, "deposit 5 .* explain deposit -5"),
        ({"hot": -5}, "hot -5 .* explain deposit -5"),
        ({"deposit": -5, "hot": 1}, "deposit -5, hot 1 .* explain deposit -5"),
    ],
    ids=str,
)
def test_l11_one_unit_without_a_case_closes_nothing(
    till: Till, by_location: dict[str, int], told: str
) -> None:
    height = november(till)
    compare(till, 1, **by_location)
    find(till, height - 1, LESS)
    with pytest.raises(PeriodNotClosableError, match=told) as refused:
        closed(till, NOVEMBER, height, **by_location)
    assert f"block {height}" in str(refused.value)
    assert f"`--height {height}`" in str(refused.value)
    assert rows(till.store.path, "SELECT count(*) FROM period") == [(0,)]


def test_l11_a_case_of_a_later_block_explains_nothing_of_the_month(till: Till) -> None:
    height = november(till)
    compare(till, 1, deposit=-5)
    find(till, height + 1, LESS)
    with pytest.raises(PeriodNotClosableError, match="explain nothing"):
        closed(till, NOVEMBER, height, deposit=-5)
    assert closed(till, NOVEMBER, height).report["differences"] == []


def test_l11_what_agreed_again_within_the_month_explains_nothing_of_its_end(till: Till) -> None:
    compare(till, 1, deposit=-5)
    find(till, till.chain.tip.ref.height, LESS)
    till.mine()
    till.now_s += 1
    assert compare(till, 2) == "ok"
    height = november(till)
    with pytest.raises(PeriodNotClosableError, match="explain nothing"):
        closed(till, NOVEMBER, height, deposit=-5)


def test_l13_a_closed_month_stays_as_it_is_when_its_cases_end(till: Till) -> None:
    height = november(till)
    compare(till, 1, deposit=-5)
    find(till, height, LESS)
    period = closed(till, NOVEMBER, height, deposit=-5)
    till.now_s += 1
    assert compare(till, 2) == "ok"
    assert rows(till.store.path, "SELECT status FROM unclaimed_case") == [("closed",)]
    db = connect(till.store.path, read_only=True)
    after, _ = closed_before(db, "BTC", DECEMBER)
    (again,) = read_periods(db, "month = ?", (NOVEMBER,))
    computed = period_report.compute(db, "BTC", NOVEMBER, after=0, cut=after, salt=SALT)
    db.close()
    assert again == period
    assert period_report.digest(again.report) == period.digest
    of_the_chain = ("chain", "differences", "height", "block_hash")
    assert {name: part for name, part in period.report.items() if name not in of_the_chain} == computed
    assert findings(till) == []


def test_l13_a_month_closes_with_cases_that_ended_after_it(till: Till) -> None:
    height = november(till)
    compare(till, 1, deposit=-5)
    (case,) = find(till, height, LESS)
    till.now_s += 1
    compare(till, 2)
    (part,) = closed(till, NOVEMBER, height, deposit=-5).report["differences"]
    assert part["case"] == case


def test_l11_what_only_a_past_height_shows_is_a_case_that_is_over_at_once(till: Till) -> None:
    height = november(till)
    compare(till, 1)
    (case,) = find(till, height, LESS, is_past=True)
    told = "SELECT type FROM event WHERE object_type = 'case' ORDER BY sequence"
    assert rows(till.store.path, told) == [("case.opened",), ("case.closed",)]
    till.mine()
    compare(till, 2, deposit=-5)
    find(till, height, LESS)
    find(till, height, LESS, is_past=True)
    assert rows(till.store.path, "SELECT id, status FROM unclaimed_case") == [(case, "open")]
    (part,) = closed(till, NOVEMBER, height, deposit=-5).report["differences"]
    assert (part["case"], part["height"]) == (case, height)


def test_a_reorg_of_a_block_whose_difference_is_over_goes_through(till: Till) -> None:
    compare(till, 1, deposit=-5)
    find(till, till.chain.tip.ref.height, LESS)
    compare(till, 2)
    till.reorg(1, [[], []])
    assert rows(till.store.path, "SELECT status, block_height, block_hash FROM unclaimed_case") == [
        ("closed", None, None)
    ]
    till.check()


@pytest.mark.parametrize(
    ("part", "detail"),
    [
        ('"amount":"-5"', "not what the chain differs by"),
        ('"case":"case_', "not there"),
        ('"books":"100000"', "not one of its books"),
    ],
)
def test_l07_a_part_of_a_closed_report_that_was_edited_is_named(till: Till, part: str, detail: str) -> None:
    height = november(till)
    compare(till, 1, deposit=-5)
    find(till, height, LESS)
    closed(till, NOVEMBER, height, deposit=-5)
    db = connect(till.store.path)
    db.execute("DROP TRIGGER period_no_update")
    (text,) = db.execute("SELECT report FROM period").fetchone()
    edited = text.replace(part, part.replace("5", "6").replace("case_", "case_0").replace("100000", "100001"))
    assert edited != text
    db.execute(
        "UPDATE period SET report = ?, digest = ?",
        (edited, sha256(edited.encode()).hexdigest()),
    )
    db.close()
    ((kind, row, said),) = findings(till)
    assert (kind, row) == ("period", "period BTC 2023-11")
    assert detail in said


# -- what the chain was not asked about ------------------------------------------------------------


@pytest.fixture
def ether(tmp_path: Path) -> Any:
    """A chain with a token, a month that is over."""
    made = Till(tmp_path, ETH)
    made.list_token()
    made.deposit("alice", 5_000_000, blocks=3)
    yield made
    made.store.close()


def without_token(till: Till) -> Holdings:
    """The answer of a node that was not asked about the token."""
    held = held_at(till, ask(till, GetClosing("ETH", NOVEMBER, SALT)).height)
    return replace(held, amounts={"ETH": held.amounts["ETH"]})


def test_l13_a_token_that_is_not_watched_and_in_the_books_is_named_with_what_to_do(ether: Till) -> None:
    ether.deposit("alice", 3_000, blocks=3, token="USDT-ETH")
    turn(ether)
    ether.mine(7)
    with pytest.raises(PeriodNotClosableError, match="node cannot tell what we own of USDT-ETH at block"):
        close(ether, NOVEMBER, holdings=without_token(ether))
    ether.do(SetCurrencyState("USDT-ETH", "disabled", "not in the configuration"))
    with pytest.raises(
        PeriodNotClosableError,
        match="USDT-ETH is not watched, and the books hold deposit 3000"
        " of it: enable USDT-ETH in the configuration again",
    ):
        close(ether, NOVEMBER, holdings=without_token(ether))
    assert refuse_unasked.__doc__
    assert len(close(ether, NOVEMBER).periods) == 2


def test_l13_a_token_that_is_not_watched_and_not_in_the_books_holds_no_month(ether: Till) -> None:
    turn(ether)
    ether.mine(7)
    ether.do(SetCurrencyState("USDT-ETH", "disabled", "not in the configuration"))
    periods = close(ether, NOVEMBER, holdings=without_token(ether)).periods
    assert [(period.currency, len(period.report["chain"])) for period in periods] == [
        ("ETH", 3),
        ("USDT-ETH", 0),
    ]
    assert findings(ether) == []


def test_l13_a_chain_that_is_not_watched_is_named_with_what_to_do(till: Till) -> None:
    till.do(SetCurrencyState("BTC", "disabled", "not in the configuration"))
    with pytest.raises(PeriodNotClosableError, match="BTC is not watched: enable BTC in the configuration"):
        close(till, NOVEMBER)


def test_the_books_of_a_report_are_those_of_the_comparison(till: Till) -> None:
    height = november(till)
    closing = ask(till, GetClosing("BTC", NOVEMBER, SALT))
    books = books_of(closing.reports["BTC"])
    assert is_balanced(books.totals)
    assert (books.onchain[Location.DEPOSIT], books.totals["liabilities"]) == (100_000, 100_000)
    held = held_at(till, height)
    (view,) = till.do(RecordReconciliation("rec_9", "BTC", held, "period", None, (books,)))
    assert (view.status, view.cause, view.height, view.totals) == ("ok", "period", height, books.totals)
    assert differences_of(connect(till.store.path), closing.reports["BTC"], [], height) == []
    assert sums_of([{"location": "hot", "amount": "5"}, {"location": "hot", "amount": "-5"}]) == {}
    assert till.do(RecordPeriod(closing, held, SALT, "operator:ann")).periods
