"""Transfers between clients and the house."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coins.amounts import AMOUNT_MAX
from ledger.accounts import HOUSE
from ledger.commands import AnnounceHouseFunding
from ledger.context import Tx
from ledger.errors import (
    AlreadyExistsError,
    BelowMinimumError,
    ExternalIdUsedError,
    InsufficientFundsError,
    SameAccountError,
    UnknownCurrencyError,
)
from ledger.journal import JournalEntry, Posting
from ledger.verify import verify_file
from tests.fakes.oracle import check_books
from tests.ledger.books import NOW, balance, codes, do, fund, make_books, transfer


def test_money_moves_between_clients_and_the_house(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 1_000)
    view = do(store, transfer(1, "alice", "bob", 300)).value
    do(store, transfer(2, "bob", HOUSE, 100))
    do(store, transfer(3, HOUSE, "carol", 40))
    store.close()
    assert (view.id, view.amount, view.source, view.target, view.created_at) == (
        "tr_1",
        300,
        "alice",
        "bob",
        NOW,
    )
    assert balance(store.path, "client:alice:BTC:available") == 700
    assert balance(store.path, "client:bob:BTC:available") == 200
    assert balance(store.path, "client:carol:BTC:available") == 40
    assert balance(store.path, "house:BTC") == 60
    assert check_books(store.path, {"transfer": ["tr_1", "tr_2", "tr_3"]}) == []
    assert verify_file(store.path) == []


def test_nobody_gives_what_he_has_not(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 100)
    with pytest.raises(InsufficientFundsError):
        do(store, transfer(1, "alice", "bob", 101))
    with pytest.raises(InsufficientFundsError):
        do(store, transfer(2, "nobody", "bob", 1))
    with pytest.raises(InsufficientFundsError):
        do(store, transfer(3, HOUSE, "bob", 1))
    store.close()
    assert balance(store.path, "client:alice:BTC:available") == 100
    assert check_books(store.path) == []


def test_the_house_gives_nothing_while_clients_are_not_covered(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, HOUSE, 1_000)
    db = sqlite3.connect(store.path, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    # 990 are owed by a client whose credit was undone: the house's account still shows 1,000.
    posting = Posting("client_deficit:eve:BTC", "client:bob:BTC:available", 990)
    Tx(db, NOW).post(JournalEntry("deposit_reversed", "test", "dep_1", (posting,), "test"))
    db.execute("COMMIT")
    db.close()
    with pytest.raises(InsufficientFundsError):
        do(store, transfer(1, HOUSE, "alice", 11))
    do(store, transfer(2, HOUSE, "alice", 10))
    store.close()
    assert verify_file(store.path) == []


def test_refusals_name_their_reason(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 100)
    do(store, transfer(1, "alice", "bob", 1))
    with pytest.raises(SameAccountError):
        do(store, transfer(2, "alice", "alice", 1))
    with pytest.raises(BelowMinimumError):
        do(store, transfer(3, "alice", "bob", 0))
    with pytest.raises(UnknownCurrencyError):
        do(store, replace(transfer(4, "alice", "bob", 1), currency="XMR"))
    with pytest.raises(ExternalIdUsedError) as used:
        do(store, replace(transfer(5, "alice", "bob", 1), external_id="order-1"))
    assert used.value.existing_id == "tr_1"
    with pytest.raises(AlreadyExistsError):
        do(store, replace(transfer(6, "alice", "bob", 1), id="tr_1"))
    do(store, replace(transfer(7, "alice", "bob", 1), external_id="order-1", website="other"))
    store.close()


@pytest.mark.parametrize("name", ["a:b", "", "x" * 65, "house:BTC", "é", "a b", "client:a:BTC:available"])
def test_w22_a_hostile_name_is_refused_and_the_books_go_on(tmp_path: Path, name: str) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 100)
    batch = [transfer(1, "alice", name, 1), transfer(2, name, "alice", 1), transfer(3, "alice", "bob", 1)]
    assert codes(store.apply_batch(batch, NOW)) == ["invalid_client_id", "invalid_client_id", None]
    store.close()


@pytest.mark.parametrize("amount", [0, -1, 1.5, True, 2**256])
def test_w22_a_hostile_amount_is_refused_and_the_books_go_on(tmp_path: Path, amount: int) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 100)
    results = store.apply_batch([transfer(1, "alice", "bob", amount), transfer(2, "alice", "bob", 1)], NOW)
    assert [result.error is None for result in results] == [False, True]
    store.close()
    assert check_books(store.path) == []


def test_w13_one_refusal_in_a_batch_leaves_its_neighbours_alone(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 100)
    batch = [transfer(n, "alice", "bob", 60 if n == 1 else 30) for n in range(4)]
    assert codes(store.apply_batch(batch, NOW)) == [None, None, "insufficient_funds", "insufficient_funds"]
    store.close()
    assert balance(store.path, "client:bob:BTC:available") == 90
    assert check_books(store.path) == []


def test_the_event_goes_to_the_one_client_it_concerns(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 100)
    do(store, transfer(1, "alice", HOUSE, 50))
    do(store, transfer(2, HOUSE, "bob", 50))
    do(store, transfer(3, "bob", "alice", 50))
    store.close()
    db = sqlite3.connect(store.path)
    rows = db.execute(
        "SELECT object_id, client_id FROM event WHERE type = 'transfer.posted' ORDER BY sequence"
    ).fetchall()
    db.close()
    assert rows == [("tr_1", "alice"), ("tr_2", "bob"), ("tr_3", None)]


def test_announcing_house_money_twice_is_once(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    for _ in range(2):
        do(store, AnnounceHouseFunding("BTC", "ab" * 32, "op:ann", "float"))
    store.close()
    db = sqlite3.connect(store.path)
    assert db.execute("SELECT count(*) FROM house_movement").fetchone() == (1,)
    assert db.execute("SELECT count(*) FROM audit").fetchone() == (1,)
    db.close()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    amount=st.integers(1, AMOUNT_MAX),
    moves=st.lists(
        st.tuples(st.sampled_from("abch"), st.sampled_from("abch"), st.integers(1, AMOUNT_MAX)), max_size=8
    ),
)
def test_l10_any_transfers_up_to_2_256_keep_the_sum_and_stay_exact(
    tmp_path_factory: pytest.TempPathFactory, amount: int, moves: list[tuple[str, str, int]]
) -> None:
    store = make_books(tmp_path_factory.mktemp("books"))
    fund(store, "a", amount)
    expected = {"a": amount, "b": 0, "c": 0, "h": 0}
    batch = []
    for number, (source, target, wanted) in enumerate(moves):
        value = wanted % (expected[source] + 2) or 1
        batch.append(
            transfer(number, HOUSE if source == "h" else source, HOUSE if target == "h" else target, value)
        )
        if source != target and value <= expected[source]:
            expected[source] -= value
            expected[target] += value
    if batch:
        store.apply_batch(batch, NOW)
    store.close()
    found = {party: balance(store.path, f"client:{party}:BTC:available") for party in "abc"}
    found["h"] = balance(store.path, "house:BTC")
    assert found == expected
    assert verify_file(store.path) == []
    assert check_books(store.path) == []
