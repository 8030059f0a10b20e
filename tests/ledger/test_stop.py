"""The panic stop: nothing is begun or sent for the first time, whoever is between two steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from coins.types import BroadcastOutcome, BroadcastResult
from ledger.commands import (
    GetPayoutWork,
    GetStuckWork,
    GetSweepWork,
    GetUnsettledAttempts,
    RecordBroadcast,
    RecordSigned,
    ReserveAttempt,
)
from ledger.connection import connect
from ledger.errors import ApprovalRefusedError, NotStoppedError, PayoutsHeldError
from ledger.operator_access import CreateOperator
from ledger.stop_command import StartPayouts, StopPayouts
from ledger.stop_row import read_stop
from ledger.views import StopView
from tests.fakes.coin import plan_payment, signed
from tests.ledger.desk import key
from tests.ledger.till import ETH, Till


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    made = Till(tmp_path)
    for name, roles in (("ann", ("payments",)), ("bob", ("payments",)), ("eve", ("admin",))):
        made.do(CreateOperator(f"op_{name}", name, "hash", "salt", roles, "test"))
    made.deposit("alice", 100_000, blocks=6)
    yield made
    made.check()
    made.close()


def stop(till: Till, name: str = "ann") -> StopView:
    view: StopView = till.do(StopPayouts(f"operator:op_{name}", "strange payouts", key(till))).value
    return view


def start(till: Till, name: str = "bob") -> StopView:
    view: StopView = till.do(StartPayouts(f"operator:op_{name}", "", key(till))).value
    return view


def test_nothing_is_planned_and_withdrawals_are_still_taken(till: Till) -> None:
    view = stop(till)
    assert (view.is_stopped, view.by, view.reason) == (True, "operator:op_ann", "strange payouts")
    assert till.open("alice", 5_000).status == "approved"
    with pytest.raises(PayoutsHeldError) as held:
        till.do(GetPayoutWork("BTC"))
    assert held.value.waiting_for == "approval"
    till.reopen()
    with pytest.raises(PayoutsHeldError):
        till.do(GetPayoutWork("BTC"))
    db = connect(till.store.path, read_only=True)
    assert read_stop(db) == view
    db.close()
    assert start(till) == StopView(False)
    assert till.pay_all() == 1


def test_a_plan_made_before_is_not_reserved_nor_signed_nor_sent(till: Till) -> None:
    view = till.open("alice", 5_000)
    (work,) = till.work()
    stop(till)
    with pytest.raises(PayoutsHeldError):
        till.do(ReserveAttempt("at_1", plan_payment(work)))
    start(till)
    attempt = till.do(ReserveAttempt("at_1", plan_payment(work)))
    stop(till)
    with pytest.raises(PayoutsHeldError):
        till.do(ReserveAttempt("at_1", plan_payment(work)))
    assert till.do(GetUnsettledAttempts("BTC")) == ()
    # It was being signed in that moment: the bytes are kept, and do not leave.
    made = signed(attempt.plan)
    for _ in range(2):
        assert till.do(RecordSigned("at_1", made.txid, made.raw)).is_stopped
    assert till.do(GetUnsettledAttempts("BTC")) == ()
    start(till)
    assert not till.do(RecordSigned("at_1", made.txid, made.raw)).is_stopped
    till.resume()
    till.mine(6)
    assert till.status(view.id) == "final"


def test_what_was_sent_is_followed_and_not_outbid(till: Till) -> None:
    view = till.open("alice", 5_000)
    till.pay_all()
    stop(till)
    assert till.do(GetStuckWork("BTC", 1, ("payout",))) == ()
    assert till.do(GetUnsettledAttempts("BTC")) == ()
    (attempt,) = till.rows("SELECT id FROM attempt")
    till.do(RecordBroadcast(attempt[0], BroadcastResult(BroadcastOutcome.ACCEPTED)))
    till.mine(6)
    assert till.status(view.id) == "final"


def test_sweeps_and_their_gas_stop_too(tmp_path: Path) -> None:
    till = Till(tmp_path, replace(ETH, sweep_threshold=1_000))
    till.do(CreateOperator("op_ann", "ann", "hash", "salt", ("admin",), "test"))
    till.deposit("alice", 900_000, blocks=6)
    assert till.do(GetSweepWork("ETH"))
    stop(till)
    assert till.do(GetSweepWork("ETH")) == ()
    start(till, "ann")
    assert till.do(GetSweepWork("ETH"))
    till.close()


def test_who_stopped_does_not_start_unless_he_is_an_admin(till: Till) -> None:
    with pytest.raises(NotStoppedError):
        start(till)
    stop(till)
    with pytest.raises(ApprovalRefusedError, match="another_operator_needed"):
        start(till, "ann")
    for by in ("operator:op_none", "cli", "key:shop"):
        with pytest.raises(ApprovalRefusedError, match="forbidden"):
            till.do(StartPayouts(by, "", key(till)))
        with pytest.raises(ApprovalRefusedError, match="forbidden"):
            till.do(StopPayouts(by, "x", key(till)))
    start(till, "bob")
    stop(till, "eve")
    assert not start(till, "eve").is_stopped
    told = till.rows("SELECT by, action FROM audit WHERE action LIKE '%_payouts' ORDER BY id")
    assert [(by[-3:], action.split("_")[0]) for by, action in told] == [
        ("ann", "stop"),
        ("bob", "start"),
        ("eve", "stop"),
        ("eve", "start"),
    ]


def test_stopping_twice_is_one_stop_of_the_first(till: Till) -> None:
    first = stop(till)
    assert stop(till, "bob") == first
    assert till.rows("SELECT count(*) FROM payout_stop") == [(1,)]
    # The second one may end it: it was not his.
    start(till, "bob")
    assert till.do(StopPayouts("operator:op_ann", "again", key(till))).value != first
    start(till, "bob")
