"""A client's first payout to an address waits; nobody else does, and no direct call gets around it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.commands import ReserveAttempt, SetWaiting
from ledger.connection import connect
from ledger.context import Tx
from ledger.destination import cooling_until
from ledger.errors import IllegalTransitionError
from ledger.views import WithdrawalView
from tests.fakes.coin import foreign, plan_payment
from tests.ledger.till import ETH, Till

DAY_S = 86_400
SAFE = foreign("safe")


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    made = Till(tmp_path, destination_cooling_s=DAY_S, approval_above=20_000)
    for name in ("alice", "bob"):
        made.deposit(name, 100_000, blocks=6)
    yield made
    made.check()
    made.close()


def to_safe(till: Till, client_id: str = "alice", amount: int = 5_000) -> WithdrawalView:
    return till.open(client_id, amount, script=SAFE.script, address=SAFE.address)


def waiting(till: Till) -> list[str | None]:
    return [row.waiting_for for row in till.withdrawals()]


def pay(till: Till) -> None:
    till.pay_all()
    till.mine(6)


def test_w38_the_first_payout_to_a_new_address_waits_until_its_time_is_over(till: Till) -> None:
    view = to_safe(till)
    assert (view.status, view.waiting_for) == ("approved", "cooling")
    assert view.cooling_until == view.created_at + DAY_S
    till.do(SetWaiting("BTC", "node"))
    assert (till.work(), waiting(till)) == ([], ["cooling"])
    till.now_s = view.cooling_until - 2
    assert till.pay_all() == 0
    till.now_s = view.cooling_until
    pay(till)
    assert till.status(view.id) == "final"
    again = to_safe(till)
    assert (again.waiting_for, again.cooling_until) == (None, None)
    assert till.pay_all() == 1


def test_w38_an_address_is_known_by_final_payouts_of_this_client_alone(till: Till) -> None:
    first = to_safe(till)
    till.now_s = (first.cooling_until or 0) + 1
    till.pay_all()
    till.mine(3)
    # Mined is not final: the second one still runs on the first one's time, which is over.
    assert to_safe(till).cooling_until is None
    bobs = to_safe(till, "bob")
    assert bobs.waiting_for == "cooling"
    pay(till)
    assert till.status(bobs.id) == "approved"


def test_w38_the_time_runs_from_the_first_time_it_was_asked_for_and_is_not_taken_back(till: Till) -> None:
    first = to_safe(till)
    till.now_s += 3_600
    second = to_safe(till)
    assert second.cooling_until == first.cooling_until
    for view in (first, second):
        till.decide(view.id, "cancel")
    third = to_safe(till)
    assert third.cooling_until == third.created_at + DAY_S > (first.cooling_until or 0)


def test_w38_others_pass_a_payout_that_cools(till: Till) -> None:
    to_safe(till)
    till.now_s += DAY_S
    ready = to_safe(till)
    new = till.open("bob", 3_000)
    assert [ready.waiting_for, new.waiting_for] == [None, "cooling"]
    assert [work.output.amount for work in till.work()] == [5_000]


def test_w38_an_approval_does_not_shorten_the_wait(till: Till) -> None:
    view = to_safe(till, amount=30_000)
    assert (view.status, view.waiting_for) == ("held", "approval")
    approved = till.decide(view.id, "approve")
    assert (approved.status, approved.waiting_for) == ("approved", "cooling")
    assert till.work() == []


def test_w38_a_direct_call_does_not_get_around_it(till: Till) -> None:
    first = to_safe(till)
    till.now_s += DAY_S
    (work,) = till.work()
    db = connect(till.store.path)
    db.execute("UPDATE withdrawal SET cooling_until = ? WHERE id = ?", (till.now_s + 100, first.id))
    db.close()
    with pytest.raises(IllegalTransitionError, match="new to its client"):
        till.do(ReserveAttempt("at_1", plan_payment(work)))


def test_w38_an_address_known_in_one_currency_is_known_on_its_chain(tmp_path: Path) -> None:
    till = Till(tmp_path, replace(ETH, destination_cooling_s=DAY_S))
    token = till.list_token()
    payee = foreign("safe", "ETH")
    till.deposit("alice", 900_000, blocks=6)
    view = till.open("alice", 5_000, script=payee.script, address=payee.address)
    db = connect(till.store.path)
    db.execute("UPDATE coin SET destination_cooling_s = ? WHERE currency = ?", (DAY_S, token))
    db.execute("UPDATE withdrawal SET status = 'final' WHERE id = ?", (view.id,))
    tx = Tx(db, till.now_s)
    assert cooling_until(tx, tx.coin(token), "alice", payee.script) is None
    assert cooling_until(tx, tx.coin(token), "bob", payee.script) == till.now_s + DAY_S
    db.close()
    till.close()
