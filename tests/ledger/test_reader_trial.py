"""The trial balance: every account, added up by other means; ranges follow each other; both sides equal."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ledger.connection import connect
from ledger.errors import UnknownCurrencyError
from ledger.month import end_of
from ledger.reader_trial import PAGE_MAX, get_trial_balance, list_trial_lines
from ledger.snapshot import Snapshot
from ledger.trial_query import GetTrialBalance, ListTrialLines, TrialLine, TrialView
from tests.ledger.books import NOW, fund, make_books, transfer
from tests.ledger.life import STEPS, Life
from tests.ledger.test_period import DAY, close, live, months


def trial(
    path: Path, currency: str, since: int | None = None, until: int | None = None, limit: int = 200
) -> tuple[TrialView, list[TrialLine]]:
    """A trial balance with all its accounts, page by page."""
    db = connect(path, read_only=True)
    snapshot = Snapshot(db, NOW)
    view = get_trial_balance(snapshot, GetTrialBalance(currency, since, until))
    lines: list[TrialLine] = []
    after: str | None = ""
    while after is not None:
        page = list_trial_lines(snapshot, ListTrialLines(view, after, limit))
        lines += page.lines
        assert page.next_after is None or page.next_after > after
        after = page.next_after
    db.close()
    return view, lines


def sides(lines: Sequence[TrialLine], name: str) -> tuple[int, int]:
    """The sums of opening or closing, in debit and in credit."""
    debit, credit = (
        sum(getattr(line, name) for line in lines if line.side == side) for side in ("debit", "credit")
    )
    return debit, credit


def adds_up(lines: Sequence[TrialLine]) -> None:
    for line in lines:
        gained = line.debits - line.credits
        assert line.closing == line.opening + (gained if line.side == "debit" else -gained)
        assert min(line[3:]) >= 0
        assert max(line[3:]) > 0
    for name in ("opening", "closing"):
        debit, credit = sides(lines, name)
        assert debit == credit
    assert sum(line.debits for line in lines) == sum(line.credits for line in lines)
    assert [line.account for line in lines] == sorted({line.account for line in lines})


@pytest.mark.parametrize("currency", ["BTC", "ETH"])
def test_l05_any_story_has_equal_sides_that_its_postings_give(tmp_path: Path, currency: str) -> None:
    life, chosen = Life(tmp_path, currency), random.Random(7)

    def pick(choices: Sequence[Any]) -> Any:
        return choices[chosen.randrange(len(choices))]

    for _ in range(60):
        getattr(life, pick(STEPS))(pick)
    path = life.till.store.path
    moved: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for debit, credit, amount in life.till.rows(
        "SELECT d.name, c.name, p.amount FROM posting p JOIN account d ON d.id = p.debit_id"
        " JOIN account c ON c.id = p.credit_id"
    ):
        moved[debit][0] += int(amount)
        moved[credit][1] += int(amount)
    balances = {name: int(balance) for name, balance in life.till.rows("SELECT name, balance FROM account")}
    life.close()
    for limit in (1, 3, PAGE_MAX):
        view, lines = trial(path, currency, limit=limit)
        adds_up(lines)
        assert {line.account: [line.debits, line.credits] for line in lines} == moved
        assert {line.account: line.closing for line in lines if line.closing} == {
            name: balance for name, balance in balances.items() if balance
        }
        assert (view.first_entry, view.is_final) == (0, False)


def test_ranges_follow_each_other(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 1_000)
    for number in range(1, 6):
        store.apply_batch([transfer(number, "alice", "bob", number)], NOW + number * 60)
    store.close()
    cuts = [None, NOW + 60, NOW + 150, NOW + 10_000, None]
    parts = [trial(store.path, "BTC", *pair) for pair in pairwise(cuts)]
    for (before, earlier), (view, later) in pairwise(parts):
        adds_up(later)
        assert before.last_entry == view.first_entry
        assert {line.account: line.closing for line in earlier if line.closing} == {
            line.account: line.opening for line in later if line.opening
        }
    bob = [line for line in parts[1][1] if line.account == "client:bob:BTC:available"]
    assert bob == [TrialLine("client:bob:BTC:available", "liability", "credit", 0, 0, 3, 3)]
    assert trial(store.path, "BTC", NOW + 10_000, NOW + 20_000)[1][0].debits == 0
    with pytest.raises(UnknownCurrencyError):
        trial(store.path, "DOGE")


def test_a_closed_month_is_final_and_is_what_its_report_says(tmp_path: Path) -> None:
    life = Life(tmp_path, "BTC")
    till = life.till
    till.chain.block_time_s = 3 * DAY
    live(till, life, 3, 60)
    month = months(till)[0]
    (period,) = close(till, month).periods
    life.close()
    view, lines = trial(till.store.path, "BTC", None, end_of(month))
    adds_up(lines)
    assert (view.last_entry, view.is_final) == (period.cut, True)
    told = {line["account"]: line for line in period.report["accounts"]}
    house = [line for line in lines if not line.account.startswith("client")]
    for line in house:
        reported = told[line.account]
        assert [str(line.debits), str(line.credits), str(line.closing)] == [
            reported[name] for name in ("debits", "credits", "closing")
        ]
    assert house
