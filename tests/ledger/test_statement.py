"""Statements as an accountant checks them: opening, movements, closing; and against what the rows say."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ledger import accounts, reader_statement
from ledger.accounts import Part
from ledger.connection import connect
from ledger.errors import NotFoundError, UnknownCurrencyError
from ledger.month import end_of
from ledger.snapshot import Snapshot
from ledger.statement_query import (
    GetStatement,
    ListStatementLines,
    StatementLine,
    StatementView,
    Subject,
)
from tests.ledger.books import NOW, do, fund, make_books, transfer
from tests.ledger.life import CLIENTS, FINAL, STEPS, Life
from tests.ledger.test_period import DAY, close, live, months
from tests.ledger.till import Till

Told = tuple[StatementView, list[StatementLine]]


@contextmanager
def reading(path: Path) -> Iterator[Snapshot]:
    db = connect(path, read_only=True)
    try:
        yield Snapshot(db, NOW)
    finally:
        db.close()


def statement(
    path: Path, subject: Subject, since: int | None = None, until: int | None = None, limit: int = 500
) -> Told:
    """A statement with all its lines, page by page, each read by a connection of its own."""
    with reading(path) as snapshot:
        view = reader_statement.get_statement(snapshot, GetStatement(subject, since, until))
    lines: list[StatementLine] = []
    after: int | None = view.first_entry
    while after is not None:
        with reading(path) as snapshot:
            question = ListStatementLines(subject, after, view.last_entry, limit)
            page = reader_statement.list_statement_lines(snapshot, question)
        assert page.balance == (lines[-1].balance if lines else view.opening)
        lines += page.lines
        assert page.next_after is None or page.next_after > after
        after = page.next_after
    return view, lines


def adds_up(told: Told) -> None:
    """Opening and movements give closing, line by line."""
    view, lines = told
    balance = view.opening
    for line in lines:
        gained = line.debit - line.credit
        balance += gained if view.is_debit_normal else -gained
        assert line.balance == balance
        assert (line.debit == 0) != (line.credit == 0)
        assert 0 <= line.fee <= line.debit + line.credit
    assert balance == view.closing
    assert [line.entry for line in lines] == sorted(line.entry for line in lines)


def of_client(client_id: str, currency: str = "BTC") -> Subject:
    return Subject(client_id, currency)


def of_account(name: str) -> Subject:
    return Subject(account=name)


def short(line: StatementLine) -> tuple[Any, ...]:
    return line.kind, line.credit - line.debit, line.fee, line.balance, line.counterpart, line.reference


def test_a_client_sees_what_came_and_what_left_and_no_hold(tmp_path: Path) -> None:
    till = Till(tmp_path)
    tx = till.deposit("alice", 100_000, blocks=FINAL)
    paid = till.open("alice", 20_000)
    till.pay_all()
    till.mine(FINAL)
    till.open("alice", 30_000)
    till.do(transfer(900, "alice", "bob", 7))
    till.close()
    view, lines = statement(till.store.path, of_client("alice"))
    adds_up((view, lines))
    (deposit_id,) = (line.reference for line in lines if line.kind == "deposit")
    address = till.scripts["client:alice:0"].address
    assert [short(line) for line in lines] == [
        ("deposit", 100_000, 0, 100_000, address, deposit_id),
        ("withdrawal", -20_500, 500, 79_500, paid.address, paid.id),
        ("transfer", -7, 0, 79_493, "client", "tr_900"),
    ]
    assert deposit_id.startswith("dep_")
    assert (lines[0].txid, lines[0].height) == (tx.txid, 101)
    assert lines[1].txid is not None
    assert lines[1].block_hash is not None
    assert view.closing_parts == {
        "client:alice:BTC:available": 48_993,
        "client:alice:BTC:pending": 0,
        "client:alice:BTC:reserved": 30_500,
    }


def test_an_account_shows_each_posting_with_the_other_account(tmp_path: Path) -> None:
    till = Till(tmp_path)
    till.deposit("alice", 100_000, blocks=FINAL)
    till.open("alice", 20_000)
    till.close()
    view, lines = statement(till.store.path, of_account("client:alice:BTC:available"))
    adds_up((view, lines))
    told = [(line.entry_kind, line.debit, line.credit, line.counterpart) for line in lines]
    assert told == [
        ("deposit_credited", 0, 100_000, "client:alice:BTC:pending"),
        ("withdrawal_opened", 20_500, 0, "client:alice:BTC:reserved"),
    ]
    view, lines = statement(till.store.path, of_account("onchain:BTC:deposit"))
    adds_up((view, lines))
    assert view.is_debit_normal
    assert [(line.debit, line.credit, line.counterpart) for line in lines] == [
        (100_000, 0, "client:alice:BTC:pending")
    ]


def test_two_payouts_of_a_client_in_one_chain_tx_are_two_lines_also_when_undone(tmp_path: Path) -> None:
    till = Till(tmp_path)
    till.deposit("alice", 500_000, blocks=FINAL)
    till.batch_max = 10
    paid = [till.open("alice", amount) for amount in (20_000, 30_000, 20_000)]
    till.pay_all()
    till.mine(1)
    (txid,) = {row[0] for row in till.rows("SELECT txid FROM withdrawal")}
    till.reorg(1, [[], []])
    till.close()
    told = statement(till.store.path, of_client("alice"))
    adds_up(told)
    lines = told[1][1:]
    assert {line.txid for line in lines} == {txid}
    assert [(line.kind, line.reference) for line in lines[:3]] == [("withdrawal", view.id) for view in paid]
    assert [line.debit for line in lines[:3]] == [20_500, 30_500, 20_500]
    assert {(line.kind, line.fee) for line in lines[3:]} == {("reversal", 500)}
    assert sorted(line.reference for line in lines[3:]) == sorted(view.id for view in paid)
    assert {line.reverses for line in lines[3:]} == {lines[0].entry}
    assert told[0].closing == 500_000


def test_what_a_client_owes_counts_against_what_he_has(tmp_path: Path) -> None:
    till = Till(tmp_path)
    tx = till.deposit("alice", 100_000, blocks=3)
    till.do(transfer(900, "alice", "bob", 60_000))
    till.chain.reorg(3, [[till.chain.pay((b"attacker", 1), conflicts=tx)]])
    till.follow()
    assert till.client("alice") == (0, 0, 0, 60_000)
    till.close()
    view, lines = statement(till.store.path, of_client("alice"))
    adds_up((view, lines))
    assert (view.opening, view.closing) == (0, -60_000)
    assert [(line.kind, line.credit - line.debit) for line in lines] == [
        ("deposit", 100_000),
        ("transfer", -60_000),
        ("reversal", -100_000),
    ]


@pytest.mark.parametrize("currency", ["BTC", "ETH"])
@pytest.mark.parametrize("seed", range(4))
def test_l13_any_history_adds_up_in_any_months(tmp_path: Path, currency: str, seed: int) -> None:
    """Closing of a month is the opening of the next, of every client and account; and all clients together
    are what the books owe them, at every cut."""
    chance = random.Random(seed)
    life = Life(tmp_path, currency)
    for _ in range(45):
        getattr(life, chance.choice(STEPS))(chance.choice)
    path, now_s = life.till.store.path, life.till.now_s
    life.close()
    cuts = [None, *sorted(chance.randrange(NOW, now_s + 2) for _ in range(3)), None]
    with reading(path) as snapshot:
        names = [row[0] for row in snapshot.db.execute("SELECT name FROM account ORDER BY name")]
    subjects = [of_client(client, currency) for client in CLIENTS] + [of_account(name) for name in names]
    for subject in subjects:
        whole = statement(path, subject, limit=chance.choice([1, 2, 7, 500]))
        months = [statement(path, subject, since, until) for since, until in pairwise(cuts)]
        for told in (whole, *months):
            adds_up(told)
        assert months[0][0].opening == 0
        for month, following in pairwise(months):
            assert month[0].closing == following[0].opening
            assert month[0].closing_parts == {
                name: balance
                for name, balance in following[0].opening_parts.items()
                if name in month[0].closing_parts
            }
            assert month[0].last_entry == following[0].first_entry
        assert months[-1][0].closing == whole[0].closing
        assert [line for told in months for line in told[1]] == whole[1]
        for (_, lines), since, until in zip(months, cuts, cuts[1:], strict=False):
            assert all((since or 0) <= line.at < (until or 2**62) for line in lines)
    for cut in cuts[1:]:
        owed = sum(statement(path, of_client(client, currency), None, cut)[0].closing for client in CLIENTS)
        assert owed == _owed(path, currency, cut)


@pytest.mark.parametrize("currency", ["BTC", "ETH"])
def test_l13_a_closed_month_reads_as_its_report_says(tmp_path: Path, currency: str) -> None:
    """Also where its last blocks were booked after midnight; and the months around it still chain."""
    life = Life(tmp_path, currency)
    till, path = life.till, life.till.store.path
    till.chain.block_time_s = 3 * DAY
    live(till, life, 1, 60)
    closed = [close(till, month).periods[0] for month in months(till)]
    assert len(closed) > 2
    live(till, life, 8, 10)
    till.close()
    ends = [end_of(period.month) for period in closed]
    for period, since, until in zip(closed, [None, *ends], ends, strict=False):
        for line in period.report["accounts"]:
            if "*" not in line["account"]:
                view, lines = told = statement(path, of_account(line["account"]), since, until)
                adds_up(told)
                assert (str(view.opening), str(view.closing)) == (line["opening"], line["closing"])
                assert str(sum(line.debit for line in lines)) == line["debits"]
        assert statement(path, of_account(f"house:{currency}"), since, until)[0].last_entry == period.cut
    cuts = sorted([*ends, *(end + hours * 3_600 for end in ends for hours in (-48, -1, 1, 48))])
    places = [statement(path, of_account(f"house:{currency}"), None, cut)[0].last_entry for cut in cuts]
    assert places == sorted(places)
    final = [statement(path, of_account(f"house:{currency}"), None, cut)[0].is_final for cut in cuts]
    assert final == [cut <= ends[-1] for cut in cuts]
    assert not statement(path, of_account(f"house:{currency}"))[0].is_final


def _owed(path: Path, currency: str, until: int | None) -> int:
    """What clients are owed, from every posting ever made; nothing of the code under test."""
    owed = 0
    with reading(path) as snapshot:
        rows = snapshot.db.execute(
            "SELECT d.name, c.name, p.amount FROM posting p JOIN journal j ON j.id = p.journal_id"
            " JOIN account d ON d.id = p.debit_id JOIN account c ON c.id = p.credit_id"
            " WHERE p.currency = ? AND j.at < ?",
            (currency, 2**62 if until is None else until),
        )
        for debit, credit, amount in rows:
            owed += int(amount) * (credit.startswith("client") - debit.startswith("client"))
    return owed


def test_l10_amounts_of_any_size_are_exact(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 2**250 + 1)
    for number in range(5):
        do(store, transfer(number, "alice", "bob", 2**200 + number))
    store.close()
    view, lines = told = statement(store.path, of_client("alice"))
    adds_up(told)
    assert view.closing == 2**250 + 1 - 5 * 2**200 - 10
    assert lines[-1].debit == 2**200 + 4


def test_l19_months_follow_each_other_also_when_the_clock_is_set_back(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 1_000)
    for number, now_s in enumerate([NOW + 10, NOW + 5, NOW - 10**8, NOW + 20]):
        do(store, transfer(number, "alice", "bob", 1), now_s)
    store.close()
    _, lines = statement(store.path, of_client("bob"))
    assert [line.at - NOW for line in lines] == [10, 10, 10, 20]
    for cut in range(NOW, NOW + 25):
        before, after = (
            statement(store.path, of_client("bob"), *when) for when in ((None, cut), (cut, None))
        )
        assert before[0].closing == after[0].opening == len(before[1])
        assert before[1] + after[1] == lines


def test_a_statement_begun_before_a_movement_does_not_show_it(tmp_path: Path) -> None:
    """One state of the books, although its pages are read while the books go on."""
    store = make_books(tmp_path)
    fund(store, "alice", 1_000)
    for number in range(4):
        do(store, transfer(number, "alice", "bob", 1))
    subject = of_client("alice")
    with reading(store.path) as snapshot:
        view = reader_statement.get_statement(snapshot, GetStatement(subject))
    do(store, transfer(99, "alice", "bob", 500))
    with reading(store.path) as snapshot:
        page = reader_statement.list_statement_lines(
            snapshot, ListStatementLines(subject, view.first_entry, view.last_entry)
        )
        again = reader_statement.get_statement(snapshot, GetStatement(subject, None, None))
    store.close()
    assert page.lines[-1].balance == view.closing == 996
    assert again.closing == 496
    assert again.hash != view.hash
    assert len(view.hash) == 64


def test_an_empty_range_and_a_client_never_seen_have_a_statement_without_lines(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 1_000)
    path = store.path
    store.close()
    for subject, since, until in (
        (of_client("nobody"), None, None),
        (of_client("alice"), NOW + 100, NOW + 200),
        (of_client("alice"), NOW + 100, NOW - 100),
        (of_client("alice"), -(2**62), -(2**61)),
        (of_account("loss:BTC"), None, None),
    ):
        view, lines = statement(path, subject, since, until)
        assert lines == []
        assert view.opening == view.closing
        adds_up((view, lines))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "client:alice:BTC",
        "client:alice:BTC:all",
        "onchain:BTC:moon",
        "house:",
        "' OR 1=1 --",
        "x" * 9_999,
    ],
)
def test_what_is_no_account_of_the_chart_is_not_found(tmp_path: Path, name: str) -> None:
    store = make_books(tmp_path)
    path = store.path
    store.close()
    with reading(path) as snapshot, pytest.raises(NotFoundError):
        reader_statement.get_statement(snapshot, GetStatement(of_account(name)))
    with reading(path) as snapshot, pytest.raises(NotFoundError):
        reader_statement.get_statement(snapshot, GetStatement(of_client(name or "house")))


def test_a_currency_that_is_none_is_refused(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    path = store.path
    store.close()
    for subject in (of_client("alice", "DOGE"), of_account(accounts.client("alice", "DOGE", Part.PENDING))):
        with reading(path) as snapshot, pytest.raises(UnknownCurrencyError):
            reader_statement.get_statement(snapshot, GetStatement(subject))
