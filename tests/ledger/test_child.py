"""A payout that is not mined gets one child out of its own change, which only moves money of the house."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from coins.types import CPFP, AttemptPlan, Outpoint, StuckWork, TxOutput, Utxo, child_intent
from ledger.commands import (
    AbandonAttempt,
    GetPayoutWork,
    GetStuckWork,
    GetUnsettledAttempts,
    Idempotency,
    ReserveAttempt,
    StopWithdrawal,
    WriteOffCase,
)
from ledger.errors import IllegalTransitionError
from tests.fakes.chain import FakeTx
from tests.fakes.coin import bump_payment
from tests.ledger.till import Till

AFTER_S = 600
KINDS = ("cancel", CPFP, "payout", "top_up")
FEE = 777


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    made = Till(tmp_path)
    made.batch_max = 50
    made.deposit("alice", 100_000, blocks=6)
    for _ in range(2):
        made.open("alice", 10_000)
    made.pay_all()
    yield made
    made.check()
    made.close()


def stuck(till: Till) -> tuple[StuckWork, ...]:
    found: tuple[StuckWork, ...] = till.do(GetStuckWork("BTC", AFTER_S, KINDS))
    return found


def child_of(work: StuckWork, fee: int = FEE) -> AttemptPlan:
    """A child as the family plans it."""
    own, change = work.plan.change, work.plan.outputs[-1]
    assert own is not None
    return AttemptPlan(
        intent_id=child_intent(work.txid),
        kind=CPFP,
        currency="BTC",
        outputs=(TxOutput(own.script, own.address, change.amount - fee),),
        fee=fee,
        payload="{}",
        inputs=(Utxo(Outpoint(work.txid, len(work.plan.outputs) - 1), change.amount, own),),
    )


def reserve_child(till: Till) -> AttemptPlan:
    till.now_s += AFTER_S
    (work,) = stuck(till)
    plan = child_of(work)
    till.do(ReserveAttempt("at_child", plan))
    return plan


def send_child(till: Till) -> FakeTx:
    """The child, in the mempool behind its parent."""
    reserve_child(till)
    till.resume()
    (raw,) = till.rows("SELECT raw FROM attempt WHERE id = 'at_child'")[0]
    return FakeTx.decode(raw)


def parent_of(till: Till) -> FakeTx:
    return FakeTx.decode(till.rows("SELECT raw FROM attempt ORDER BY rowid LIMIT 1")[0][0])


def statuses(till: Till) -> set[str]:
    return {status for (status,) in till.rows("SELECT status FROM withdrawal")}


def intent(till: Till) -> str:
    return str(till.rows("SELECT status FROM intent WHERE kind = 'cpfp'")[0][0])


def test_w07_parent_and_child_in_one_block_pay_once_and_the_house_bears_both_fees(till: Till) -> None:
    child = send_child(till)
    assert till.attempts() == ["broadcast", "broadcast"]
    assert list(till.chain.mempool) == [parent_of(till).txid, child.txid]
    till.mine()
    assert till.attempts() == ["mined", "mined"]
    till.mine(6)
    assert statuses(till) == {"final"}
    assert intent(till) == "settled"
    fees = sum(int(fee) for (fee,) in till.rows("SELECT fee FROM attempt"))
    assert till.balance("network_fee:BTC") == fees
    assert till.client("alice")[:2] == (100_000 - 2 * 10_500, 0)
    assert till.rows("SELECT kind FROM journal WHERE ref_id = 'at_child'") == [("cpfp",)]
    till.open("alice", 20_000)
    (work,) = till.do(GetPayoutWork("BTC"))
    assert Outpoint(child.txid, 0) in {utxo.outpoint for utxo in work.utxos}


def test_w07_a_payout_gets_one_child_and_that_gets_none(till: Till) -> None:
    plan = reserve_child(till)
    till.do(ReserveAttempt("at_child", plan))
    with pytest.raises(IllegalTransitionError, match="has a child already"):
        till.do(ReserveAttempt("at_second", replace(plan, fee=plan.fee)))
    till.resume()
    till.now_s += 100 * AFTER_S
    assert stuck(till) == ()
    assert [each.plan.kind for each in till.do(GetUnsettledAttempts("BTC"))] == ["payout", CPFP]


def test_w08_a_payout_with_a_child_is_not_replaced_any_more(till: Till) -> None:
    till.now_s += AFTER_S
    (work,) = stuck(till)
    till.do(ReserveAttempt("at_child", child_of(work)))
    till.do(AbandonAttempt("at_child", "the signer refused"))
    (again,) = stuck(till)
    till.do(ReserveAttempt("at_again", child_of(again)))
    assert stuck(till) == ()
    till.resume()
    assert till.attempts() == ["broadcast", "abandoned", "broadcast"]


def test_w07_a_parent_mined_alone_takes_its_child_along_later(till: Till) -> None:
    child = send_child(till)
    till.mine(1, [parent_of(till)])
    assert till.attempts() == ["mined", "broadcast"]
    assert till.rows("SELECT reserved_by FROM utxo WHERE spent_by IS NULL") == [("at_child",)]
    till.mine(1)
    assert child.txid not in till.chain.mempool
    till.mine(6)
    assert (till.attempts(), intent(till)) == (["mined", "mined"], "settled")


def test_w07_a_child_that_was_not_signed_is_given_up_when_its_parent_is_mined(till: Till) -> None:
    plan = reserve_child(till)
    till.mine(1)
    assert till.attempts() == ["mined", "abandoned"]
    assert till.do(GetUnsettledAttempts("BTC")) == ()
    assert till.rows("SELECT reserved_by FROM utxo WHERE spent_by IS NULL") == [(None,)]
    with pytest.raises(IllegalTransitionError, match="is mined"):
        till.do(ReserveAttempt("at_late", plan))
    till.mine(6)
    assert statuses(till) == {"final"}


def test_w11_a_reorg_returns_both_and_mines_them_again(till: Till) -> None:
    send_child(till)
    till.mine(2)
    till.reorg(2)
    assert till.attempts() == ["broadcast", "broadcast"]
    till.check()
    till.mine(1, [parent_of(till)])
    assert till.rows("SELECT reserved_by FROM utxo WHERE spent_by IS NULL") == [("at_child",)]
    till.mine(7)
    assert (till.attempts(), statuses(till), intent(till)) == (["mined"] * 2, {"final"}, "settled")


def test_w09_a_parent_that_a_foreign_spend_excludes_takes_its_child_along_until_that_is_undone(
    till: Till,
) -> None:
    child, parent = send_child(till), parent_of(till)
    till.mine(1)
    theft = FakeTx(outputs=((b"\x66" * 20, 99_000),), inputs=parent.inputs)
    till.reorg(1, [[theft], []])
    assert till.attempts() == ["conflicted", "conflicted"]
    till.reorg(2, [[], [], []])
    assert till.attempts() == ["unknown", "unknown"]
    till.chain.mempool.clear()
    till.mine(1, [parent, child])
    till.mine(6)
    assert (till.attempts(), statuses(till)) == (["mined", "mined"], {"final"})


def test_w09_a_payout_that_an_operator_ends_takes_its_child_along(till: Till) -> None:
    send_child(till)
    theft = FakeTx(outputs=((b"\x66" * 20, 99_000),), inputs=parent_of(till).inputs)
    till.chain.mempool.clear()
    till.mine(1, [theft])
    till.mine(5)
    (case_id,) = till.rows("SELECT id FROM unclaimed_case")[0]
    till.do(WriteOffCase(case_id, "operator:op_ann", "stolen", Idempotency("op", "off", "off")))
    for (withdrawal_id,) in till.rows("SELECT id FROM withdrawal"):
        till.do(StopWithdrawal(withdrawal_id, "operator:op_ann", "its money is gone"))
        assert till.attempts() == ["replaced", "replaced"]
    assert (statuses(till), intent(till)) == ({"failed"}, "closed")
    assert till.client("alice") == (100_000, 0, 0, 0)


def test_w08_the_child_of_a_candidate_that_lost_ends_with_it(till: Till) -> None:
    first = parent_of(till)
    till.now_s += AFTER_S
    (work,) = stuck(till)
    till.do(ReserveAttempt("at_bump", bump_payment(work)))
    till.resume()
    till.now_s += AFTER_S * 2
    (newest,) = stuck(till)
    till.do(ReserveAttempt("at_child", child_of(newest)))
    till.resume()
    assert till.attempts() == ["broadcast"] * 3
    till.mine(1, [first])
    till.chain.mempool.clear()
    till.mine(6)
    assert till.attempts() == ["mined", "replaced", "replaced"]
    assert (statuses(till), intent(till)) == ({"final"}, "closed")


def other_script(plan: AttemptPlan) -> AttemptPlan:
    return replace(plan, outputs=(replace(plan.outputs[0], script=b"\x66" * 20),))


def less_back(plan: AttemptPlan) -> AttemptPlan:
    return replace(plan, outputs=(replace(plan.outputs[0], amount=plan.outputs[0].amount - 1),))


def payees_output(plan: AttemptPlan) -> AttemptPlan:
    outpoint = Outpoint(plan.inputs[0].outpoint.txid, 0)
    return replace(plan, inputs=(replace(plan.inputs[0], outpoint=outpoint),))


def other_parent(plan: AttemptPlan) -> AttemptPlan:
    outpoint = Outpoint("ee" * 32, plan.inputs[0].outpoint.index)
    return replace(plan, inputs=(replace(plan.inputs[0], outpoint=outpoint),))


def own_intent(plan: AttemptPlan) -> AttemptPlan:
    return replace(plan, intent_id="pay_wd_1")


def two_inputs(plan: AttemptPlan) -> AttemptPlan:
    return replace(plan, inputs=(*plan.inputs, replace(plan.inputs[0], outpoint=Outpoint("ee" * 32, 0))))


def with_more(plan: AttemptPlan) -> AttemptPlan:
    return replace(plan, more=("pay_wd_2",))


HOSTILE = (other_script, less_back, payees_output, other_parent, own_intent, two_inputs, with_more)


@pytest.mark.parametrize("change", HOSTILE, ids=lambda change: change.__name__)
def test_w07_a_child_that_is_not_its_parents_change_paid_back_is_refused(till: Till, change: object) -> None:
    assert callable(change)
    till.now_s += AFTER_S
    (work,) = stuck(till)
    with pytest.raises(IllegalTransitionError):
        till.do(ReserveAttempt("at_bad", change(child_of(work))))
    assert till.rows("SELECT count(*) FROM intent WHERE kind = 'cpfp'") == [(0,)]


def test_w02_nothing_is_spent_of_a_payout_that_nobody_is_sure_of(till: Till) -> None:
    till.now_s += AFTER_S
    (work,) = stuck(till)
    plan = child_of(work)
    till.mine(1)
    till.reorg(1, [[FakeTx(outputs=((b"\x66" * 20, 99_000),), inputs=parent_of(till).inputs)], []])
    till.reorg(2, [[], [], []])
    assert till.attempts() == ["unknown"]
    assert [each.txid for each in stuck(till)] == [""]
    with pytest.raises(IllegalTransitionError, match="a child does not help it"):
        till.do(ReserveAttempt("at_child", plan))
