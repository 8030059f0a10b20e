"""Four eyes: exactly what was shown is approved, by as many different operators as it needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.approval import approvals_needed
from ledger.coin_row import read_coin
from ledger.commands import DecideWithdrawal, ReserveAttempt
from ledger.connection import connect
from ledger.errors import ApprovalRefusedError, DomainError, IllegalTransitionError, NotHeldError
from ledger.operator_access import SetOperator
from ledger.withdrawal_row import payment_digest, to_view
from tests.fakes.coin import plan_payment
from tests.ledger.desk import case_id, refund
from tests.ledger.till import Till


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    made = Till(tmp_path, approval_above=10_000, second_approval_above=50_000)
    made.deposit("alice", 500_000, blocks=6)
    yield made
    made.check()
    made.close()


def digest(till: Till, withdrawal_id: str) -> str:
    return next(payment_digest(row) for row in till.withdrawals() if row.id == withdrawal_id)


@pytest.mark.parametrize(("amount", "needed"), [(10_000, 0), (10_001, 1), (50_000, 1), (50_001, 2)])
def test_the_amount_says_how_many_must_approve(till: Till, amount: int, needed: int) -> None:
    db = connect(till.store.path, read_only=True)
    assert approvals_needed(read_coin(db, "BTC"), amount) == needed
    db.close()
    view = till.open("alice", amount)
    assert (view.approvals_needed, view.status) == (needed, "held" if needed else "approved")


def test_w40_above_the_second_bound_two_different_operators_must_approve(till: Till) -> None:
    view = till.open("alice", 50_001)
    first = till.decide_as("ann", view.id, "approve", view.digest)
    assert (first.status, first.waiting_for) == ("held", "approval")
    assert [(a.by, a.digest) for a in first.approvals] == [("operator:op_ann", view.digest)]
    assert till.work() == []
    with pytest.raises(ApprovalRefusedError, match="already_approved"):
        till.decide_as("ann", view.id, "approve", view.digest)
    second = till.decide_as("bob", view.id, "approve", view.digest)
    assert (second.status, [a.by for a in second.approvals]) == (
        "approved",
        ["operator:op_ann", "operator:op_bob"],
    )
    with pytest.raises(NotHeldError):
        till.decide_as("eve", view.id, "approve", view.digest)
    assert [work.output.amount for work in till.work()] == [50_001]
    assert till.rows("SELECT by, action FROM audit WHERE object_id = ?", view.id) == [
        ("operator:op_ann", "approve_withdrawal"),
        ("operator:op_bob", "approve_withdrawal"),
    ]


def test_w40_a_stale_page_approves_nothing(till: Till) -> None:
    first, other = till.open("alice", 20_000), till.open("alice", 20_000)
    for shown in (other.digest, "", "00" * 32):
        with pytest.raises(ApprovalRefusedError, match="payment_changed"):
            till.decide_as("ann", first.id, "approve", shown)
    assert till.status(first.id) == "held"
    assert till.rows("SELECT * FROM approval") == []


def test_w40_a_disabled_operator_or_nobody_approves_nothing(till: Till) -> None:
    view = till.open("alice", 60_000)
    till.decide_as("ann", view.id, "approve", view.digest)
    with pytest.raises(ApprovalRefusedError):
        till.decide_as("bob", view.id, "approve", "")
    till.do(SetOperator("op_bob", "test", is_disabled=True))
    with pytest.raises(ApprovalRefusedError, match="forbidden"):
        till.decide_as("bob", view.id, "approve", view.digest)
    for by in ("operator:op_none", "key:shop", "op_ann", ""):
        with pytest.raises(ApprovalRefusedError, match="forbidden"):
            till.do(DecideWithdrawal(view.id, "approve", by, digest=view.digest))
    assert till.status(view.id) == "held"


def test_w40_who_sends_money_back_does_not_approve_it_himself(tmp_path: Path) -> None:
    till = Till(tmp_path, approval_above=500)
    till.deposit("alice", 999, blocks=6)
    view = refund(till, case_id(till), by="operator:op_ann")
    paid = till.withdrawals()[0]
    assert view.withdrawal_id == paid.id
    with pytest.raises(ApprovalRefusedError, match="own_request"):
        till.decide_as("ann", paid.id, "approve", payment_digest(paid))
    assert till.decide_as("bob", paid.id, "approve", payment_digest(paid)).status == "approved"
    till.check()
    till.close()


def test_w40_a_direct_call_does_not_skip_an_approval(till: Till) -> None:
    view = till.open("alice", 60_000)
    till.decide_as("ann", view.id, "approve", view.digest)
    plain = till.open("alice", 9_000)
    (work,) = till.work()
    assert work.output.amount == plain.amount
    # Whoever writes the state by hand has no second approval to show.
    db = connect(till.store.path)
    db.execute("UPDATE withdrawal SET status = 'approved' WHERE id = ?", (view.id,))
    (script, address) = db.execute(
        "SELECT script, address FROM withdrawal WHERE id = ?", (view.id,)
    ).fetchone()
    forged = replace(
        work,
        intent_id=f"pay_{view.id}",
        output=replace(work.output, script=script, address=address, amount=view.amount),
    )
    with pytest.raises(IllegalTransitionError, match="approvals"):
        till.do(ReserveAttempt("at_forged", plan_payment(forged)))
    # Nor do approvals of another payment count: a payment changed by hand was never approved.
    db.execute(
        "INSERT INTO operator (id, name, password_hash, totp_salt, roles, created_at, created_by)"
        " VALUES ('op_bob', 'bob', '', '', '[]', 0, '')"
    )
    db.execute("INSERT INTO approval VALUES (?, 'op_bob', ?, 0)", (view.id, "00" * 32))
    with pytest.raises(IllegalTransitionError, match="approvals"):
        till.do(ReserveAttempt("at_forged", plan_payment(forged)))
    db.execute("UPDATE withdrawal SET status = 'held' WHERE id = ?", (view.id,))
    db.close()
    till.pay_all()
    till.mine(6)
    assert till.status(plain.id) == "final"


def test_i24_what_is_reserved_has_its_approvals_of_exactly_this_payment(till: Till) -> None:
    views = [till.open("alice", amount) for amount in (60_000, 60_001, 20_000)]
    for view in views:
        for name in ("ann", "bob"):
            try:
                till.decide_as(name, view.id, "approve", digest(till, view.id))
            except DomainError:
                assert view.approvals_needed == 1
    for _ in views:
        till.pay_all()
        till.mine(6)
    assert [till.status(view.id) for view in views] == ["final"] * 3
    for row in till.withdrawals():
        found = till.rows(
            "SELECT operator_id FROM approval WHERE object_id = ? AND digest = ?", row.id, payment_digest(row)
        )
        assert len(set(found)) == row.approvals_needed


def test_approvals_are_never_changed_or_taken_away(till: Till) -> None:
    view = till.open("alice", 60_000)
    till.decide_as("ann", view.id, "approve", view.digest)
    db = connect(till.store.path)
    for sql in ("UPDATE approval SET digest = ''", "DELETE FROM approval"):
        with pytest.raises(Exception, match="append-only"):
            db.execute(sql)
    db.close()


def test_the_whole_story_of_a_payout_is_one_view(till: Till) -> None:
    opened = till.open("alice", 60_000)
    for name in ("ann", "bob"):
        till.decide_as(name, opened.id, "approve", opened.digest)
    till.pay_all()
    till.mine(6)
    db = connect(till.store.path, read_only=True)
    view = to_view(db, till.withdrawals()[0], 3, till.known()[0].height)
    db.close()
    assert (view.website, view.external_id, view.client_id) == ("shop", "order-1", "alice")
    assert [(h.status, h.by) for h in view.history] == [
        ("held", "key:shop"),
        ("approved", "operator:op_bob"),
        ("signed", "sender"),
        ("broadcast", "sender"),
        ("confirmed", "chain"),
        ("final", "chain"),
    ]
    assert [each.by for each in view.approvals] == ["operator:op_ann", "operator:op_bob"]
    ((txid, state, fee),) = [(each.txid, each.state, each.fee) for each in view.attempts]
    assert (txid, state, fee > 0) == (view.txid, "mined", True)
    assert view.block_hash in {ref.block_hash for ref in till.known()}
    assert (view.confirmations, view.confirmations_required) == (6, 3)
