"""Adjustments by operators: what is booked, who must agree, and how it is undone exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coins.amounts import AMOUNT_MAX
from ledger.accounts import HOUSE
from ledger.adjustment_book import reverse_adjustment
from ledger.adjustment_command import DecideAdjustment, RequestAdjustment, ReverseAdjustment
from ledger.adjustment_view import AdjustmentsView, AdjustmentView
from ledger.commands import Idempotency
from ledger.connection import connect
from ledger.context import Tx
from ledger.errors import (
    AboveMaximumError,
    AlreadyExistsError,
    ApprovalRefusedError,
    BelowMinimumError,
    ExternalIdUsedError,
    IdempotencyKeyReusedError,
    IllegalTransitionError,
    InsufficientFundsError,
    InvalidClientError,
    NotFoundError,
    NotHeldError,
    NotReversibleError,
    SameAccountError,
    UnknownCurrencyError,
)
from ledger.journal import JournalEntry, Posting
from ledger.operator_access import CreateOperator, SetOperator
from ledger.store import SqliteStore
from ledger.verify import verify_file
from tests.fakes.oracle import check_books
from tests.ledger.books import BTC, NOW, balance, do, fund, make_books, rows

ANN, BOB, EVE = "operator:op_ann", "operator:op_bob", "operator:op_eve"


def open_desk(folder: Path, **limits: Any) -> SqliteStore:
    """Books with three operators; ``limits`` change the currency's."""
    store = make_books(folder)
    do(store, replace(BTC, **limits))
    for name in ("ann", "bob", "eve"):
        do(store, CreateOperator(f"op_{name}", name, "", "salt", ("payments",), "test"))
    return store


def key(number: object) -> Idempotency:
    return Idempotency("operator:op_ann", f"key-{number}", f"body-{number}")


def adjustment(number: int, source: str, target: str, amount: int, **changes: Any) -> RequestAdjustment:
    command = RequestAdjustment(
        f"adj_{number}", source, target, "BTC", amount, "a bonus", ANN, key(number), f"order-{number}"
    )
    return replace(command, **changes)


def ask(
    store: SqliteStore, number: int, source: str, target: str, amount: int, **changes: Any
) -> AdjustmentView:
    view: AdjustmentView = do(store, adjustment(number, source, target, amount, **changes)).value
    return view


def undo(store: SqliteStore, of: str, number: int, by: str = ANN) -> AdjustmentView:
    view: AdjustmentView = do(
        store, ReverseAdjustment(f"rev_{number}", of, "by mistake", by, key(f"r{number}"))
    ).value
    return view


def decide(store: SqliteStore, of: str, decision: str, by: str, digest: str = "") -> AdjustmentsView:
    command = DecideAdjustment(of, decision, by, "looked at it", key((of, decision, by, digest)), digest)
    view: AdjustmentsView = do(store, command).value
    return view


def available(store: SqliteStore, party: str) -> int:
    return balance(store.path, "house:BTC" if party == HOUSE else f"client:{party}:BTC:available")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """Up to 500 one operator is enough, up to 5,000 another one approves, above two others."""
    made = open_desk(tmp_path, approval_above=500, second_approval_above=5_000)
    fund(made, "alice", 10_000)
    fund(made, HOUSE, 10_000)
    yield made
    made.close()
    assert verify_file(made.path) == []
    assert check_books(made.path) == []


def test_money_moves_between_clients_and_the_house(store: SqliteStore) -> None:
    assert reverse_adjustment.__doc__
    view = ask(store, 1, "alice", "bob", 300)
    ask(store, 2, "bob", HOUSE, 100)
    ask(store, 3, HOUSE, "carol", 40, external_id=None)
    assert (view.status, view.approvals_needed, view.by, view.created_at) == ("posted", 0, ANN, NOW)
    assert [available(store, who) for who in ("alice", "bob", "carol", HOUSE)] == [9_700, 200, 40, 10_060]
    assert rows(store.path, "SELECT id, website, external_id, by FROM transfer ORDER BY rowid") == [
        ("adj_1", "", "order-1", ANN),
        ("adj_2", "", "order-2", ANN),
        ("adj_3", "", "adj_3", ANN),
    ]
    entries = "SELECT kind, ref_id, by, reason FROM journal WHERE kind <> 'funding' ORDER BY id"
    assert rows(store.path, entries)[0] == ("adjustment", "adj_1", ANN, "a bonus")
    told = "SELECT object_id, client_id FROM event WHERE type = 'transfer.posted' ORDER BY sequence"
    assert rows(store.path, told) == [("adj_1", None), ("adj_2", "bob"), ("adj_3", "carol")]
    audit = rows(store.path, "SELECT by, action, object_id FROM audit WHERE object_type = 'adjustment'")
    assert audit == [(ANN, "request_adjustment", f"adj_{number}") for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"amount": 0}, BelowMinimumError),
        ({"amount": -1}, BelowMinimumError),
        ({"amount": True}, BelowMinimumError),
        ({"amount": AMOUNT_MAX + 1}, AboveMaximumError),
        ({"amount": 10_001}, InsufficientFundsError),
        ({"source": "nobody"}, InsufficientFundsError),
        ({"source": HOUSE, "amount": 10_001}, InsufficientFundsError),
        ({"target": "alice"}, SameAccountError),
        ({"target": "a:b"}, InvalidClientError),
        ({"source": ""}, InvalidClientError),
        ({"currency": "XMR"}, UnknownCurrencyError),
        ({"by": "key:shop"}, ApprovalRefusedError),
        ({"by": "operator:op_none"}, ApprovalRefusedError),
    ],
    ids=str,
)
def test_w22_what_cannot_be_is_refused_and_leaves_no_trace(
    store: SqliteStore, change: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        do(store, replace(adjustment(1, "alice", "bob", 100), **change))
    assert rows(store.path, "SELECT id FROM adjustment UNION ALL SELECT id FROM transfer") == []
    assert [available(store, who) for who in ("alice", "bob", HOUSE)] == [10_000, 0, 10_000]


def test_the_house_gives_nothing_while_clients_are_not_covered(tmp_path: Path) -> None:
    store = open_desk(tmp_path)
    fund(store, HOUSE, 1_000)
    db = connect(store.path)
    db.execute("BEGIN IMMEDIATE")
    # 990 are owed by a client whose credit was undone: the house's account still shows 1,000.
    posting = Posting("client_deficit:eve:BTC", "client:bob:BTC:available", 990)
    Tx(db, NOW).post(JournalEntry("deposit_reversed", "test", "dep_1", (posting,), "test"))
    db.execute("COMMIT")
    db.close()
    with pytest.raises(InsufficientFundsError):
        ask(store, 1, HOUSE, "alice", 11)
    ask(store, 2, HOUSE, "alice", 10)
    store.close()
    assert verify_file(store.path) == []


def test_an_id_stands_for_one_adjustment_for_ever(store: SqliteStore) -> None:
    ask(store, 1, "alice", "bob", 1)
    for number, external_id in ((2, "order-1"), (3, "adj_1")):
        with pytest.raises(ExternalIdUsedError) as used:
            ask(store, number, "alice", "bob", 1, external_id=external_id)
        assert used.value.existing_id == "adj_1"
    with pytest.raises(AlreadyExistsError):
        ask(store, 1, "alice", "bob", 1, idempotency=key(9), external_id="order-9")
    held = ask(store, 4, "alice", "bob", 501)
    decide(store, held.id, "reject", BOB)
    with pytest.raises(ExternalIdUsedError):
        ask(store, 5, "alice", "bob", 1, external_id="order-4")


def test_the_same_key_answers_the_same_and_books_once(store: SqliteStore) -> None:
    first = do(store, adjustment(1, "alice", "bob", 100))
    again = do(store, adjustment(2, "alice", "bob", 100, idempotency=key(1)))
    assert (again.value, again.is_replayed, available(store, "bob")) == (first.value, True, 100)
    with pytest.raises(IdempotencyKeyReusedError):
        ask(store, 3, "alice", "bob", 100, idempotency=replace(key(1), request_hash="other"))


def test_a_reversal_is_the_exact_contra_entry_and_happens_once(store: SqliteStore) -> None:
    before = [available(store, who) for who in ("alice", "bob")]
    ask(store, 1, "alice", "bob", 300)
    view = undo(store, "adj_1", 1)
    assert (view.source, view.target, view.amount, view.reverses) == ("bob", "alice", 300, "adj_1")
    assert [available(store, who) for who in ("alice", "bob")] == before
    (first, contra) = rows(
        store.path,
        "SELECT j.id, j.kind, j.ref_id, j.reverses, j.reason, d.name, c.name, p.amount FROM journal j"
        " JOIN posting p ON p.journal_id = j.id JOIN account d ON d.id = p.debit_id"
        " JOIN account c ON c.id = p.credit_id WHERE j.kind LIKE 'adjustment%' ORDER BY j.id",
    )
    assert (first[5:7], contra[5:7]) == (contra[6:4:-1], first[6:4:-1])
    assert contra[1:5] == ("adjustment_reversed", "adj_1", first[0], "by mistake")
    assert (first[7], contra[7]) == ("300", "300")
    for of in ("adj_1", "rev_1"):
        with pytest.raises(NotReversibleError):
            undo(store, of, 2)
    with pytest.raises(NotFoundError):
        undo(store, "adj_9", 3)


def test_what_the_client_has_spent_is_not_taken_back_below_zero(store: SqliteStore) -> None:
    ask(store, 1, HOUSE, "bob", 300)
    ask(store, 2, "bob", "carol", 299)
    with pytest.raises(InsufficientFundsError):
        undo(store, "adj_1", 1)
    ask(store, 3, "alice", "bob", 299)
    undo(store, "adj_1", 1)
    assert available(store, "bob") == 0


def test_w40_above_the_limit_another_operator_must_approve(store: SqliteStore) -> None:
    view = ask(store, 1, "alice", "bob", 501)
    assert (view.status, view.approvals_needed, available(store, "bob")) == ("held", 1, 0)
    assert rows(store.path, "SELECT id FROM transfer") == []
    assert rows(store.path, "SELECT id FROM event WHERE object_type = 'transfer'") == []
    with pytest.raises(ApprovalRefusedError, match="own_request"):
        decide(store, view.id, "approve", ANN, view.digest)
    for stale in ("", "00" * 32):
        with pytest.raises(ApprovalRefusedError, match="payment_changed"):
            decide(store, view.id, "approve", BOB, stale)
    done = decide(store, view.id, "approve", BOB, view.digest)
    assert (done.status, [each.by for each in done.approvals]) == ("posted", [BOB])
    assert [(b.party, b.before, b.after) for b in done.balances] == [
        ("alice", 10_000, 9_499),
        ("bob", 0, 501),
    ]
    assert rows(store.path, "SELECT by FROM journal WHERE kind = 'adjustment'") == [(ANN,)]
    assert rows(store.path, "SELECT decided_by, decided_at FROM adjustment") == [(BOB, NOW)]
    for decision in ("approve", "reject"):
        with pytest.raises(NotHeldError):
            decide(store, view.id, decision, EVE, view.digest)


def test_w40_above_the_second_limit_two_others_must_approve(store: SqliteStore) -> None:
    view = ask(store, 1, "alice", "bob", 5_001)
    first = decide(store, view.id, "approve", BOB, view.digest)
    assert (first.status, first.approvals_needed, available(store, "bob")) == ("held", 2, 0)
    with pytest.raises(ApprovalRefusedError, match="already_approved"):
        do(store, DecideAdjustment(view.id, "approve", BOB, "", key("again"), view.digest))
    do(store, SetOperator("op_eve", "test", is_disabled=True))
    with pytest.raises(ApprovalRefusedError, match="forbidden"):
        decide(store, view.id, "approve", EVE, view.digest)
    do(store, SetOperator("op_eve", "test", is_disabled=False))
    assert decide(store, view.id, "approve", EVE, view.digest).status == "posted"
    assert available(store, "bob") == 5_001


def test_w40_a_row_changed_by_hand_was_never_approved(store: SqliteStore) -> None:
    view = ask(store, 1, "alice", "bob", 501)
    db = connect(store.path)
    db.execute("UPDATE adjustment SET target = 'eve' WHERE id = 'adj_1'")
    db.close()
    with pytest.raises(ApprovalRefusedError, match="payment_changed"):
        decide(store, view.id, "approve", BOB, view.digest)
    assert available(store, "eve") == 0
    (finding,) = verify_file(store.path)
    assert (finding.kind, finding.row) == ("adjustment", "adjustment adj_1")
    db = connect(store.path)
    db.execute("UPDATE adjustment SET target = 'bob' WHERE id = 'adj_1'")
    db.close()


def test_rejected_it_never_was(store: SqliteStore) -> None:
    view = ask(store, 1, "alice", "bob", 501)
    done = decide(store, view.id, "reject", BOB)
    assert (done.status, available(store, "alice")) == ("rejected", 10_000)
    with pytest.raises(NotReversibleError):
        undo(store, view.id, 1)
    audit = rows(
        store.path, "SELECT by, action, data FROM audit WHERE object_type = 'adjustment' ORDER BY id"
    )
    assert [line[:2] for line in audit] == [(ANN, "request_adjustment"), (BOB, "reject_adjustment")]
    assert "looked at it" in audit[1][2]
    with pytest.raises(NotFoundError):
        decide(store, "adj_9", "reject", BOB)
    with pytest.raises(IllegalTransitionError):
        decide(store, view.id, "forget", BOB)


def test_what_is_not_there_when_it_is_approved_is_refused_and_stays_held(store: SqliteStore) -> None:
    view = ask(store, 1, "alice", "bob", 4_000)
    for number in range(2, 20):
        ask(store, number, "alice", "carol", 400)
    with pytest.raises(InsufficientFundsError):
        decide(store, view.id, "approve", BOB, view.digest)
    assert rows(store.path, "SELECT 1 FROM approval") == []
    assert rows(store.path, "SELECT status FROM adjustment WHERE id = 'adj_1'") == [("held",)]
    ask(store, 20, HOUSE, "alice", 500)
    ask(store, 21, HOUSE, "alice", 500)
    ask(store, 22, HOUSE, "alice", 500)
    assert (
        do(store, DecideAdjustment(view.id, "approve", BOB, "", key("late"), view.digest)).value.status
        == "posted"
    )


def test_a_reversal_above_the_limit_is_held_and_only_one_is_asked_for(store: SqliteStore) -> None:
    view = ask(store, 1, "alice", "bob", 501)
    decide(store, view.id, "approve", BOB, view.digest)
    held = undo(store, view.id, 1, by=BOB)
    assert (held.status, available(store, "bob")) == ("held", 501)
    with pytest.raises(NotReversibleError):
        undo(store, view.id, 2)
    decide(store, held.id, "reject", ANN)
    last = undo(store, view.id, 3, by=BOB)
    assert decide(store, last.id, "approve", ANN, last.digest).status == "posted"
    assert [available(store, who) for who in ("alice", "bob")] == [10_000, 0]
