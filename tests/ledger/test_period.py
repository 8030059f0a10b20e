"""Closing months: the cut is where books and chain agree, and what is closed stays as it is."""

from __future__ import annotations

import json
import random
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coins.types import LOCATION_OF, BlockRef, Holdings
from ledger import accounts, period_report
from ledger.connection import connect
from ledger.errors import InvalidMonthError, PeriodNotClosableError, UnknownCurrencyError
from ledger.month import end_of, month_of, next_month
from ledger.period_command import GetClosing, GetProof, ListPeriods, RecordPeriod
from ledger.period_view import ClosingView, PeriodsClosed, PeriodView, ProofView
from ledger.reader_period import READERS
from ledger.snapshot import Snapshot
from tests.fakes.coin import chain_holdings
from tests.ledger.books import transfer
from tests.ledger.life import STEPS, Life
from tests.ledger.till import ETH, Till

SALT = bytes(range(32))
DAY = 86_400
NOVEMBER, DECEMBER = "2023-11", "2023-12"  # the anchor of the chain in memory is of 14 November 2023


def ask(till: Till, query: Any) -> Any:
    """An answer of the read side."""
    db = connect(till.store.path, read_only=True)
    try:
        return READERS[type(query)](Snapshot(db, till.now_s), query)
    finally:
        db.close()


def held_at(till: Till, height: int) -> Holdings:
    """What the winning chain itself says of a height, without the books."""
    chain, tip = till.chain, till.chain.tip
    (ref,) = [ref for ref in chain.refs() if ref.height == height] or [chain.anchor.ref]
    scripts = [(own.script, LOCATION_OF[own.branch]) for own in till.scripts.values()]
    chain.tip = chain.blocks[ref.block_hash]
    try:
        amounts = {till.currency: chain_holdings(chain, scripts)}
        amounts |= {token: chain_holdings(chain, scripts, token) for token in till.tokens}
    finally:
        chain.tip = tip
    return Holdings(ref, amounts)


def close(till: Till, month: str, **changes: Any) -> PeriodsClosed:
    """Close a month as the actors do: the books, then the chain at that block, then both written down."""
    closing = ask(till, GetClosing(till.currency, month, SALT))
    assert isinstance(closing, ClosingView)
    command = RecordPeriod(closing, held_at(till, closing.height), SALT, "operator:ann")
    closed: PeriodsClosed = till.do(replace(command, **changes))
    return closed


def months(till: Till) -> list[str]:
    """Months that are over on the chain, deep enough to be closed."""
    refs = [till.chain.anchor.ref, *till.chain.refs()[::-1]]
    found, month = [], month_of(refs[0].time)
    while any(ref.time >= end_of(month) for ref in refs[: -till.coin.final_depth]):
        found.append(month)
        month = next_month(month)
    return found


def sums(till: Till, cut: int) -> dict[str, int]:
    """Balances by account from all postings up to a journal entry, added up one by one."""
    totals: defaultdict[str, int] = defaultdict(int)
    for debit, credit, amount in till.rows(
        "SELECT d.name, c.name, p.amount FROM posting p JOIN account d ON d.id = p.debit_id"
        " JOIN account c ON c.id = p.credit_id WHERE p.journal_id <= ?",
        cut,
    ):
        totals[debit] += int(amount) if accounts.parse(debit).is_debit_normal else -int(amount)
        totals[credit] += -int(amount) if accounts.parse(credit).is_debit_normal else int(amount)
    return {name: amount for name, amount in totals.items() if amount}


def check_report(till: Till, period: PeriodView, before: PeriodView | None) -> None:
    """What an accountant checks with a pocket calculator."""
    report, lines = period.report, {line["account"]: line for line in period.report["accounts"]}
    for name, line in lines.items():
        sign = 1 if accounts.parse(name).is_debit_normal else -1
        moved = sign * (int(line["debits"]) - int(line["credits"]))
        assert int(line["opening"]) + moved == int(line["closing"])
    earlier = {line["account"]: line["closing"] for line in before.report["accounts"]} if before else {}
    assert {name: line["opening"] for name, line in lines.items() if line["opening"] != "0"} == {
        name: amount for name, amount in earlier.items() if amount != "0"
    }
    assert report["totals"]["difference"] == "0"
    assert all(line["difference"] == "0" for line in report["chain"])
    assert report["previous"] == (before.digest if before else period_report.GENESIS)
    totals = sums(till, period.cut)
    clients = {name: amount for name, amount in totals.items() if name.startswith("client:")}
    assert int(report["owed"]["total"]) == sum(clients.values())
    grouped: defaultdict[str, int] = defaultdict(int)
    for name, amount in totals.items():
        if accounts.parse(name).currency == period.currency:
            grouped[period_report.group_of(accounts.parse(name))] += amount
    assert grouped == {name: int(line["closing"]) for name, line in lines.items() if line["closing"] != "0"}


def live(till: Till, life: Life, seed: int, steps: int) -> None:
    """A seeded story over some months; the house's clock goes with the chain's."""
    chosen = random.Random(seed)

    def pick(choices: Sequence[Any]) -> Any:
        return choices[chosen.randrange(len(choices))]

    for _ in range(steps):
        step: Callable[[Any], object] = getattr(life, pick(STEPS))
        step(pick)
        till.now_s = max(till.now_s, till.chain.tip.ref.time)
    till.mine(till.coin.final_depth + 1)


@pytest.mark.parametrize("currency", ["BTC", "ETH"])
@pytest.mark.parametrize("seed", range(4))
def test_l13_every_month_of_any_story_is_what_chain_and_journal_say(
    tmp_path: Path, currency: str, seed: int
) -> None:
    life = Life(tmp_path, currency)
    till = life.till
    till.chain.block_time_s = 3 * DAY
    live(till, life, seed, 60)
    closed: list[PeriodView] = []
    for month in months(till):
        (period,) = close(till, month).periods
        check_report(till, period, closed[-1] if closed else None)
        closed.append(period)
    assert len(closed) > 2
    live(till, life, seed + 100, 30)
    for number, period in enumerate(closed):
        after = closed[number - 1].cut if number else 0
        report = {key: value for key, value in period.report.items() if key not in ("chain", "differences")}
        db = connect(till.store.path, read_only=True)
        again = period_report.compute(
            db, currency, period.month, after=after, cut=period.cut, salt=SALT, previous=report["previous"]
        )
        db.close()
        assert {**again, "height": period.height, "block_hash": period.block_hash} == report
        assert period_report.digest(period.report) == period.digest
    assert [*ask(till, ListPeriods(currency))][::-1] == closed
    till.check()
    life.close()


@pytest.fixture
def till(tmp_path: Path) -> Till:
    """Alice has 100,000 of BTC, ten days before the end of November 2023."""
    till = Till(tmp_path)
    till.deposit("alice", 100_000, blocks=3)
    till.chain.block_time_s = end_of(NOVEMBER) - 10 * DAY - till.chain.tip.ref.time
    till.mine()
    till.chain.block_time_s = 600
    till.now_s = till.chain.tip.ref.time
    return till


def turn(till: Till, last_s: int = 1) -> None:
    """Mine a block ``last_s`` before the end of November."""
    till.chain.block_time_s = end_of(NOVEMBER) - last_s - till.chain.tip.ref.time
    till.mine()
    till.chain.block_time_s = 1


def test_l13_a_payment_at_the_last_second_is_in_and_one_at_the_first_is_not(till: Till) -> None:
    till.deposit("alice", 7_000)
    turn(till)
    till.deposit("alice", 9_000)
    till.mine(7)
    (period,) = close(till, NOVEMBER).periods
    lines = {line["account"]: line["closing"] for line in period.report["accounts"]}
    assert lines["onchain:BTC:deposit"] == "107000"
    assert lines["client:*:BTC:pending"] == "7000"
    assert period.report["owed"]["total"] == "107000"
    assert period.report["top"][0]["amount"] == "100000"


def test_l13_a_transfer_belongs_to_the_month_in_which_it_was_made(till: Till) -> None:
    turn(till, last_s=3_600)
    till.now_s = end_of(NOVEMBER) - 2
    till.do(transfer(1, "alice", "bob", 1_000))  # one second before midnight
    till.do(transfer(2, "alice", "bob", 20_000))  # at midnight
    till.chain.block_time_s = 3_600
    till.mine(8)
    (period,) = close(till, NOVEMBER).periods
    assert ask(till, GetProof("bob", "BTC", NOVEMBER)).amount == 1_000
    assert period.report["entries_to"] == period.cut
    till.chain.block_time_s = 31 * DAY
    till.mine(2)
    till.chain.block_time_s = 1
    till.mine(6)
    close(till, DECEMBER)
    assert ask(till, GetProof("bob", "BTC", DECEMBER)).amount == 21_000


def test_l13_a_late_reorg_before_the_closing_is_in_the_month_and_one_after_it_is_not(till: Till) -> None:
    paid = till.deposit("alice", 7_000)
    gap = end_of(NOVEMBER) - 1 - till.chain.tip.ref.time
    turn(till)
    till.mine(2)
    till.chain.block_time_s = gap
    till.reorg(3, [[till.chain.pay((b"x", 1), conflicts=paid)], [], [], []])
    till.mine(6)
    (period,) = close(till, NOVEMBER).periods
    lines = {line["account"]: line["closing"] for line in period.report["accounts"]}
    assert lines["onchain:BTC:deposit"] == "100000"
    before = period.digest
    depth = till.chain.tip.ref.height - period.height
    till.reorg(depth, [[till.deposit("alice", 3_000)], *[[]] * depth])
    (still,) = ask(till, ListPeriods("BTC", NOVEMBER))
    assert (still.digest, still.report) == (before, period.report)


def test_a_month_closes_once_whoever_asks(till: Till) -> None:
    turn(till)
    till.mine(7)
    first = close(till, NOVEMBER)
    assert ask(till, GetClosing("BTC", NOVEMBER, bytes(32))) == first
    again = till.do(RecordPeriod(ClosingView(NOVEMBER, "BTC", 0, "", 0, {}), held_at(till, 101), SALT, "x"))
    assert again == first
    assert till.events().count("period.closed") == 1
    assert till.rows("SELECT by, object_id FROM audit WHERE action = 'close_period'") == [
        ("operator:ann", f"BTC:{NOVEMBER}")
    ]


def test_a_month_that_is_not_over_or_not_deep_or_not_the_next_is_refused(till: Till) -> None:
    with pytest.raises(PeriodNotClosableError, match="no block after 2023-11"):
        close(till, NOVEMBER)
    turn(till)
    till.mine(5)
    with pytest.raises(PeriodNotClosableError, match="5 of 6 above"):
        close(till, NOVEMBER)
    till.mine(1)
    with pytest.raises(PeriodNotClosableError, match="begin after 2023-10"):
        close(till, "2023-10")
    close(till, NOVEMBER)
    with pytest.raises(PeriodNotClosableError, match="no block after 2023-12"):
        close(till, DECEMBER)
    till.chain.block_time_s = 40 * DAY
    till.mine(2)
    till.chain.block_time_s = 1
    till.mine(6)
    with pytest.raises(PeriodNotClosableError, match="next month to close of BTC is 2023-12"):
        close(till, "2024-01")
    with pytest.raises(InvalidMonthError, match="YYYY-MM"):
        close(till, "December")
    with pytest.raises(UnknownCurrencyError):
        ask(till, GetClosing("DOGE", NOVEMBER, SALT))


def test_l11_a_month_in_which_chain_and_books_differ_is_not_closed(till: Till) -> None:
    turn(till)
    till.mine(7)
    closing = ask(till, GetClosing("BTC", NOVEMBER, SALT))
    held = held_at(till, closing.height)
    short = {location: amount - (location == "deposit") for location, amount in held.amounts["BTC"].items()}
    with pytest.raises(
        PeriodNotClosableError, match=r"deposit -1 .* explain nothing. `run.py reconcile BTC`"
    ):
        close(till, NOVEMBER, holdings=replace(held, amounts={"BTC": short}))
    with pytest.raises(PeriodNotClosableError, match="answered for block"):
        close(till, NOVEMBER, holdings=held_at(till, closing.height + 1))
    other = BlockRef(closing.height, "ff" * 32, "ee" * 32, 0)
    with pytest.raises(PeriodNotClosableError, match="answered for block"):
        close(till, NOVEMBER, holdings=replace(held, at=other))
    with pytest.raises(PeriodNotClosableError, match="changed meanwhile"):
        close(till, NOVEMBER, closing=replace(closing, cut=closing.cut - 1))
    assert ask(till, ListPeriods()) == ()
    close(till, NOVEMBER)


def test_the_database_refuses_to_change_what_is_closed(till: Till) -> None:
    turn(till)
    till.mine(7)
    close(till, NOVEMBER)
    db = connect(till.store.path)
    for statement in (
        "UPDATE period SET report = '{}'",
        "DELETE FROM period",
        "REPLACE INTO period SELECT * FROM period",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="does not change"):
            db.execute(statement)
    db.close()


def test_a_chain_and_its_tokens_are_closed_together(tmp_path: Path) -> None:
    till = Till(tmp_path, ETH)
    token = till.list_token()
    till.deposit("alice", 5_000_000, blocks=1)
    till.deposit("alice", 3_000, blocks=3, token=token)
    turn(till)
    till.mine(7)
    closed = close(till, NOVEMBER)
    assert [period.currency for period in closed.periods] == ["ETH", token]
    assert {period.cut for period in closed.periods} == {closed.periods[0].cut}
    assert [period.report["owed"]["total"] for period in closed.periods] == ["5000000", "3000"]
    with pytest.raises(UnknownCurrencyError, match="closed with ETH"):
        ask(till, GetClosing(token, NOVEMBER, SALT))


def test_a_client_is_proved_to_be_in_the_sum_and_a_stranger_is_not(till: Till) -> None:
    turn(till)
    till.mine(7)
    (period,) = close(till, NOVEMBER).periods
    proof = ask(till, GetProof("alice", "BTC", NOVEMBER))
    assert isinstance(proof, ProofView)
    assert (proof.root, str(proof.total)) == (period.report["owed"]["root"], period.report["owed"]["total"])
    assert ask(till, GetProof("bob", "BTC", NOVEMBER)) is None
    assert ask(till, GetProof("alice", "BTC", DECEMBER)) is None
    (text,) = till.rows("SELECT data FROM event WHERE type = 'period.closed'")[0]
    assert json.loads(text)["report"]["owed"]["root"] == proof.root
    assert SALT.hex() not in text
