"""Many withdrawals in one chain tx: each exactly, none twice, none held by another."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from coins.types import AttemptPlan, Branch, BroadcastOutcome, BroadcastResult, TxOutput
from ledger.batch import fee_shares
from ledger.commands import (
    GetPayoutWork,
    Idempotency,
    RecordBroadcast,
    RecordSigned,
    RefusePayout,
    ReserveAttempt,
    StopWithdrawal,
    WriteOffCase,
)
from ledger.errors import IllegalTransitionError, NotCancellableError, NotConfirmedError, NotFoundError
from ledger.queries import GetWithdrawal
from ledger.reader_list import get_withdrawal
from ledger.snapshot import Snapshot
from ledger.views import AttemptView
from tests.fakes.chain import FakeTx
from tests.fakes.coin import foreign, own_script, plan_payment, signed
from tests.ledger.till import Till


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    made = Till(tmp_path)
    made.batch_max = 50
    made.deposit("alice", 100_000)
    made.deposit("bob", 80_000, blocks=6)
    yield made
    made.check()
    made.close()


def three(till: Till) -> AttemptPlan:
    """A plan for three withdrawals of two clients."""
    till.open("alice", 20_000)
    till.open("bob", 30_000)
    till.open("alice", 10_000)
    return plan_payment(till.work()[0])


def statuses(till: Till) -> list[str]:
    return [row[0] for row in till.rows("SELECT status FROM withdrawal ORDER BY ordinal")]


def shares(till: Till) -> list[int]:
    rows = till.rows(
        "SELECT p.fee_share FROM attempt_payout p JOIN withdrawal w ON w.id = p.withdrawal_id"
        " ORDER BY w.ordinal"
    )
    return [int(row[0]) for row in rows]


@pytest.mark.parametrize(
    ("fee", "count", "parts"), [(1_000, 3, [334, 333, 333]), (2, 3, [1, 1, 0]), (0, 2, [0, 0]), (7, 1, [7])]
)
def test_w51_the_shares_of_a_fee_sum_to_it(fee: int, count: int, parts: list[int]) -> None:
    assert fee_shares(fee, count) == parts
    assert sum(fee_shares(fee, count)) == fee


def test_w51_a_batch_goes_all_the_way_and_each_payout_knows_its_share(till: Till) -> None:
    three(till)
    assert till.pay_all() == 1
    assert statuses(till) == ["broadcast"] * 3
    ((txid, fee),) = till.rows("SELECT txid, fee FROM attempt")
    assert till.rows("SELECT DISTINCT txid FROM withdrawal") == [(txid,)]
    assert sum(shares(till)) == int(fee)
    till.mine(1)
    assert till.balance("network_fee:BTC") == int(fee)
    assert till.balance("withdrawal_fee:BTC") == 3 * till.coin.withdrawal_fee
    assert till.rows("SELECT count(*) FROM journal WHERE kind = 'payout'") == [(1,)]
    till.mine(2)
    assert statuses(till) == ["confirmed"] * 3
    till.mine(3)
    assert statuses(till) == ["final"] * 3
    assert till.rows("SELECT DISTINCT status FROM intent") == [("settled",)]
    assert till.client("alice") == (100_000 - 30_000 - 2 * till.coin.withdrawal_fee, 0, 0, 0)


def test_w51_the_view_of_a_withdrawal_shows_the_chain_tx_and_its_share(till: Till) -> None:
    three(till)
    till.pay_all()
    ((attempt_id, txid, fee, at),) = till.rows("SELECT id, txid, fee, created_at FROM attempt")
    (first, *_) = shares(till)
    ((wanted,),) = till.rows("SELECT id FROM withdrawal ORDER BY ordinal LIMIT 1")
    db = sqlite3.connect(till.store.path)
    view = get_withdrawal(Snapshot(db, till.now_s), GetWithdrawal(wanted))
    db.close()
    assert view is not None
    shown = AttemptView(
        attempt_id, txid, "broadcast", int(fee), at, first, 3, kind="payout", inputs=1, fee_currency="BTC"
    )
    assert view.attempts == (shown,)


def test_two_payouts_to_one_address_are_two_outputs(till: Till) -> None:
    payee = foreign("same")
    for _ in range(2):
        till.open("alice", 10_000, script=payee.script, address=payee.address)
    till.pay_all()
    till.mine(6)
    assert statuses(till) == ["final"] * 2
    outputs = [(s, a) for s, a in till.chain.tip.state.outputs.values() if s == payee.script]
    assert outputs == [(payee.script, 10_000)] * 2


def test_w11_a_batch_reorged_out_is_in_flight_again_as_a_whole(till: Till) -> None:
    three(till)
    till.pay_all()
    till.mine(3)
    till.reorg(3)
    assert statuses(till) == ["broadcast"] * 3
    assert till.work() == []
    till.mine(6)
    assert statuses(till) == ["final"] * 3


def test_a_member_is_cancelled_until_signed_and_the_others_are_planned_without_it(till: Till) -> None:
    plan = three(till)
    till.do(ReserveAttempt("at_a", plan))
    till.decide("wd_2", "cancel")
    assert till.attempts() == ["abandoned"]
    with pytest.raises(IllegalTransitionError):
        till.do(RecordSigned("at_a", *(signed(plan).txid, signed(plan).raw)))
    (work,) = till.work()
    assert [work.intent_id, *(each.intent_id for each in work.more)] == ["pay_wd_1", "pay_wd_3"]
    assert till.pay_all() == 1
    with pytest.raises(NotCancellableError):
        till.decide("wd_3", "cancel")
    till.mine(6)
    assert statuses(till) == ["final", "cancelled", "final"]


def test_an_unknown_answer_is_attention_for_every_member(till: Till) -> None:
    plan = three(till)
    till.do(ReserveAttempt("at_a", plan))
    bytes_ = signed(plan)
    till.do(RecordSigned("at_a", bytes_.txid, bytes_.raw))
    till.do(RecordBroadcast("at_a", BroadcastResult(BroadcastOutcome.UNKNOWN, "lost")))
    assert till.rows("SELECT DISTINCT attention, status FROM withdrawal") == [(1, "signed")]
    till.do(RecordBroadcast("at_a", BroadcastResult(BroadcastOutcome.ACCEPTED)))
    assert till.rows("SELECT DISTINCT attention, status FROM withdrawal") == [(0, "broadcast")]


def test_w09_money_taken_from_a_batch_is_attention_for_every_member(till: Till) -> None:
    three(till)
    till.pay_all()
    (attempt,) = till.rows("SELECT txid, output_index FROM attempt_input LIMIT 1")
    stolen = next(o for o in till.chain.tip.state.outputs if (o.txid, o.index) == attempt)
    amount = till.chain.tip.state.outputs[stolen][1]
    till.mine(1, [FakeTx(((foreign("thief").script, amount),), (stolen,))])
    assert till.attempts() == ["conflicted"]
    assert till.rows("SELECT DISTINCT attention, status FROM withdrawal") == [(1, "broadcast")]


def stop(till: Till, number: int) -> str:
    """An operator ends the withdrawal of this place; how it is then."""
    (withdrawal_id,) = till.rows("SELECT id FROM withdrawal ORDER BY ordinal LIMIT 1 OFFSET ?", number)[0]
    return str(till.do(StopWithdrawal(withdrawal_id, "operator:op_ann", "its money is gone")).value.status)


def test_w09_a_batch_that_lost_an_input_for_good_is_given_back_by_an_operator_alone(till: Till) -> None:
    three(till)
    till.pay_all()
    till.chain.mempool.clear()
    taken = till.rows("SELECT txid, output_index FROM attempt_input")
    stolen = next(o for o in till.chain.tip.state.outputs if (o.txid, o.index) == taken[0])
    amount = till.chain.tip.state.outputs[stolen][1]
    with pytest.raises(NotCancellableError):  # it may still be mined
        stop(till, 0)
    till.mine(1, [FakeTx(((foreign("thief").script, amount),), (stolen,))])
    till.mine(4)
    with pytest.raises(NotConfirmedError):
        stop(till, 0)
    till.mine(1)
    with pytest.raises(NotConfirmedError):  # only a human knows whom the foreign chain tx pays
        stop(till, 0)
    (case_id,) = till.rows("SELECT id FROM unclaimed_case")[0]
    till.do(WriteOffCase(case_id, "operator:op_ann", "stolen", Idempotency("op", "off", "off")))
    assert [stop(till, number) for number in (1, 0, 2)] == ["failed"] * 3
    assert till.attempts() == ["replaced"]
    assert (till.client("alice"), till.client("bob")) == ((100_000, 0, 0, 0), (80_000, 0, 0, 0))
    assert till.rows("SELECT 1 FROM utxo WHERE reserved_by IS NOT NULL") == []
    assert till.rows("SELECT 1 FROM intent WHERE status = 'open'") == []
    with pytest.raises(NotCancellableError):
        stop(till, 0)


def test_w09_a_reorg_that_undoes_the_foreign_spend_pays_the_batch_after_all(till: Till) -> None:
    three(till)
    till.pay_all()
    (payment,) = till.rows("SELECT raw FROM attempt")[0]
    till.chain.mempool.clear()
    (attempt,) = till.rows("SELECT txid, output_index FROM attempt_input LIMIT 1")
    stolen = next(o for o in till.chain.tip.state.outputs if (o.txid, o.index) == attempt)
    amount = till.chain.tip.state.outputs[stolen][1]
    till.mine(1, [FakeTx(((foreign("thief").script, amount),), (stolen,))])
    till.mine(3)
    till.reorg(4, [[FakeTx.decode(payment)]])
    with pytest.raises(NotCancellableError):
        stop(till, 0)
    till.mine(6)
    assert statuses(till) == ["final"] * 3


def wrong_amount(plan: AttemptPlan) -> AttemptPlan:
    outputs = list(plan.outputs)
    outputs[1] = replace(outputs[1], amount=outputs[1].amount + 1)
    return replace(plan, outputs=tuple(outputs))


WRONG: list[Callable[[AttemptPlan], AttemptPlan]] = [
    wrong_amount,
    lambda plan: replace(plan, outputs=(plan.outputs[1], plan.outputs[0], *plan.outputs[2:])),
    lambda plan: replace(plan, more=plan.more[::-1]),
    lambda plan: replace(plan, more=(plan.more[0], plan.more[0])),
    lambda plan: replace(plan, more=(plan.intent_id, plan.more[1])),
    lambda plan: replace(plan, more=(*plan.more, "pay_nobody")),
    lambda plan: replace(plan, more=plan.more[:1]),
    lambda plan: replace(plan, outputs=(*plan.outputs, TxOutput(b"x" * 20, "x", 1))),
    lambda plan: replace(plan, change=None),
    lambda plan: replace(plan, change=own_script("BTC", Branch.CHANGE, 77)),
    lambda plan: replace(
        plan, outputs=(*plan.outputs[:-1], replace(plan.outputs[-1], script=foreign("thief").script))
    ),
]


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_a_plan_that_is_not_exactly_its_payouts_is_refused(till: Till, number: int) -> None:
    plan = three(till)
    with pytest.raises(IllegalTransitionError):
        till.do(ReserveAttempt("at_a", WRONG[number](plan)))
    assert till.attempts() == []
    assert till.rows("SELECT count(*) FROM utxo WHERE reserved_by IS NOT NULL") == [(0,)]


def test_w05_a_withdrawal_in_one_batch_is_in_no_other(till: Till) -> None:
    plan = three(till)
    till.do(ReserveAttempt("at_a", plan))
    fewer = replace(plan, more=plan.more[:1], outputs=(*plan.outputs[:2], plan.outputs[-1]))
    with pytest.raises(IllegalTransitionError, match="with others"):
        till.do(ReserveAttempt("at_b", fewer))
    alone = replace(plan, intent_id=plan.more[0], more=(), outputs=(plan.outputs[1], plan.outputs[-1]))
    with pytest.raises(IllegalTransitionError, match="with others"):
        till.do(ReserveAttempt("at_b", alone))


def test_w49_what_cannot_be_paid_is_given_back_and_holds_nobody(till: Till) -> None:
    plan = three(till)
    before = till.client("bob")
    till.do(RefusePayout("pay_wd_2", "dust"))
    till.do(RefusePayout("pay_wd_2", "dust"))
    assert statuses(till) == ["approved", "rejected", "approved"]
    assert till.client("bob") == (before[0] + before[1], 0, 0, 0)
    with pytest.raises(IllegalTransitionError):
        till.do(ReserveAttempt("at_a", plan))
    assert till.pay_all() == 1
    with pytest.raises(NotCancellableError):
        till.do(RefusePayout("pay_wd_1", "dust"))
    with pytest.raises(NotFoundError):
        till.do(RefusePayout("pay_wd_9", "dust"))
    till.mine(6)
    assert statuses(till) == ["final", "rejected", "final"]
    assert till.events().count("withdrawal.rejected") == 1


def test_payouts_wait_for_others_until_there_are_enough_or_it_is_time_or_one_is_urgent(till: Till) -> None:
    def offered(limit: int = 3, urgent: int | None = 40_000) -> list[int]:
        works = till.do(GetPayoutWork("BTC", limit, 600, urgent))
        return [1 + len(work.more) for work in works]

    assert offered() == []
    till.open("alice", 10_000)
    assert offered() == []
    till.open("bob", 40_000)
    assert offered() == []
    assert offered(urgent=39_999) == [2]
    assert offered(limit=2) == [2]
    till.now_s += 600
    assert offered(urgent=None) == [2]
    till.open("alice", 5_000)
    assert offered(urgent=None) == [3]
