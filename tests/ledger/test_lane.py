"""Nonce lanes: one payment per nonce, however many candidates it takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from coins.types import BroadcastOutcome, BroadcastResult, StuckWork
from ledger.commands import (
    AbandonAttempt,
    GetPayoutWork,
    GetSweepWork,
    GetUnsettledAttempts,
    RecordBroadcast,
    ReserveAttempt,
    SetCurrencyState,
)
from ledger.errors import (
    IllegalTransitionError,
    NotCancellableError,
    NotConfirmedError,
    NotFoundError,
    PayoutsHeldError,
)
from ledger.lane_command import GetStuckWork, StopWithdrawal
from ledger.views import WithdrawalView
from tests.fakes.chain import FakeTx
from tests.fakes.coin import GAS_MAX, bump_payment
from tests.ledger.desk import write_off
from tests.ledger.till import ETH, Till

AFTER_S = 180


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    made = Till(tmp_path, ETH)
    made.chain.pay((made.hot.script, 2_000_000))
    made.deposit("alice", 900_000)
    made.mine(6)
    yield made
    made.check()
    made.close()


def stuck(till: Till, *kinds: str) -> tuple[StuckWork, ...]:
    found: tuple[StuckWork, ...] = till.do(GetStuckWork("ETH", AFTER_S, kinds or ("payout", "top_up")))
    return found


def wait(till: Till, seconds: int = AFTER_S) -> None:
    till.now_s += seconds


def bump(till: Till, work: StuckWork) -> str:
    """Reserve, sign and send a further candidate; its raw bytes."""
    till.do(ReserveAttempt(f"at_{till.number()}", bump_payment(work)))
    till.resume()
    raw: str = till.rows("SELECT raw FROM attempt ORDER BY rowid DESC LIMIT 1")[0][0]
    return raw


def sent(till: Till, amount: int = 100_000) -> str:
    """A payout that is on its way; its id."""
    view = till.open("alice", amount)
    (work,) = [work for work in till.work() if work.kind == "payout"]
    till.reserve(work)
    till.resume()
    return view.id


def test_w28_only_what_waits_too_long_is_given_out(till: Till) -> None:
    sent(till)
    assert stuck(till) == ()
    wait(till)
    (work,) = stuck(till)
    assert (work.is_next, work.plan.nonce) == (True, 0)
    assert work.spare == 2_000_000 - 100_000 - GAS_MAX
    assert stuck(till, "sweep") == ()
    till.mine()
    assert stuck(till) == ()


def test_w28_nothing_is_bumped_while_payouts_are_held(till: Till) -> None:
    sent(till)
    wait(till)
    till.do(SetCurrencyState("ETH", "halted", "two nodes differ"))
    assert stuck(till) == ()


def test_w28_each_candidate_has_twice_the_time_of_the_one_before(till: Till) -> None:
    sent(till)
    wait(till)
    bump(till, stuck(till)[0])
    wait(till)
    assert stuck(till) == ()
    wait(till)
    (work,) = stuck(till)
    assert work.plan.fee == 2 * GAS_MAX
    assert till.attempts() == ["broadcast", "broadcast"]


def test_w28_later_nonces_are_not_next(till: Till) -> None:
    sent(till)
    sent(till)
    wait(till)
    assert [(work.plan.nonce, work.is_next) for work in stuck(till)] == [(0, True), (1, False)]


@pytest.mark.parametrize("mined", [0, 1])
def test_w08_either_candidate_settles_and_the_other_is_replaced(till: Till, mined: int) -> None:
    withdrawal_id = sent(till)
    wait(till)
    bump(till, stuck(till)[0])
    raws = till.rows("SELECT raw, txid, fee FROM attempt ORDER BY rowid")
    till.mine(1, [FakeTx.decode(raws[mined][0])])
    assert till.rows("SELECT txid FROM withdrawal WHERE id = ?", withdrawal_id) == [(raws[mined][1],)]
    till.mine(5)
    assert till.status(withdrawal_id) == "final"
    assert till.rows("SELECT txid, attention FROM withdrawal") == [(raws[mined][1], 0)]
    wanted = ["replaced", "replaced"]
    wanted[mined] = "mined"
    assert till.attempts() == wanted
    assert till.balance("network_fee:ETH") == int(raws[mined][2]) // 2
    assert till.client("alice") == (900_000 - 100_000 - till.coin.withdrawal_fee, 0, 0, 0)


def test_w08_a_reorg_may_swap_the_candidates(till: Till) -> None:
    withdrawal_id = sent(till)
    wait(till)
    bump(till, stuck(till)[0])
    first, second = (FakeTx.decode(raw) for (raw,) in till.rows("SELECT raw FROM attempt ORDER BY rowid"))
    till.mine(1, [second])
    till.mine(1)
    assert till.attempts() == ["broadcast", "mined"]
    till.reorg(2, [[first]])
    assert till.attempts() == ["mined", "broadcast"]
    till.mine(6)
    assert till.status(withdrawal_id) == "final"
    assert till.attempts() == ["mined", "replaced"]


def test_w28_no_candidate_is_reserved_beside_one_in_a_block(till: Till) -> None:
    sent(till)
    wait(till)
    (work,) = stuck(till)
    till.mine()
    with pytest.raises(IllegalTransitionError, match="is in a block"):
        till.do(ReserveAttempt("at_late", bump_payment(work)))


def test_w28_an_outbid_candidate_rests_until_the_node_refuses_the_newer(till: Till) -> None:
    sent(till)
    wait(till)
    bump(till, stuck(till)[0])
    (newest,) = till.do(GetUnsettledAttempts("ETH"))
    assert newest.plan.fee == 2 * GAS_MAX
    till.do(RecordBroadcast(newest.attempt_id, BroadcastResult(BroadcastOutcome.UNKNOWN, "underpriced")))
    assert len(till.do(GetUnsettledAttempts("ETH"))) == 2


def test_w28_candidates_of_one_nonce_take_their_money_once(till: Till) -> None:
    sent(till)
    wait(till)
    bump(till, stuck(till)[0])
    till.open("alice", 50_000)
    (work,) = [work for work in till.work() if work.kind == "payout"]
    assert work.nonce == 1
    assert work.balance == 2_000_000 - 100_000 - 2 * GAS_MAX


def test_w28_a_sweep_is_bumped_too(till: Till) -> None:
    (work,) = [work for work in till.work() if work.kind == "sweep"]
    till.reserve(work)
    till.resume()
    wait(till)
    (again,) = stuck(till, "sweep")
    assert (again.is_next, again.spare) == (True, 0)
    bump(till, again)
    till.mine(6)
    assert till.attempts() == ["replaced", "mined"]
    assert till.onchain() == {"deposit": GAS_MAX, "hot": 2_900_000 - 2 * GAS_MAX}
    assert till.rows("SELECT status FROM intent WHERE kind = 'sweep'") == [("settled",)]


# -- stopping --------------------------------------------------------------------------------------


def stop(till: Till, withdrawal_id: str) -> WithdrawalView:
    view: WithdrawalView = till.do(StopWithdrawal(withdrawal_id, "op:ann", "the client asked for it")).value
    return view


def cancelled(till: Till) -> tuple[str, FakeTx, FakeTx]:
    """A payout that was stopped: its id, the payment and what uses up its nonce."""
    withdrawal_id = sent(till)
    assert stop(till, withdrawal_id).attention
    (work,) = stuck(till)
    assert work.is_stopped
    bump(till, work)
    payment, cancel = (FakeTx.decode(raw) for (raw,) in till.rows("SELECT raw FROM attempt ORDER BY rowid"))
    assert (cancel.outputs, cancel.nonce) == (((till.hot.script, 0),), payment.nonce)
    return withdrawal_id, payment, cancel


def test_a_stopped_payout_gives_the_money_back_when_its_cancel_is_final_and_not_before(till: Till) -> None:
    withdrawal_id, _, cancel = cancelled(till)
    reserved = 100_000 + till.coin.withdrawal_fee
    till.mine(1, [cancel])
    for _ in range(4):
        till.mine()
        assert till.client("alice") == (900_000 - reserved, reserved, 0, 0)
        assert till.status(withdrawal_id) == "broadcast"
    till.mine()
    assert till.client("alice") == (900_000, 0, 0, 0)
    assert till.status(withdrawal_id) == "failed"
    assert till.attempts() == ["replaced", "reverted"]
    assert till.rows("SELECT status FROM intent WHERE kind = 'cancel'") == [("closed",)]
    assert till.rows("SELECT 1 FROM intent WHERE status = 'open' AND kind <> 'sweep'") == []


def test_a_stopped_payout_whose_payment_is_mined_is_paid_and_never_given_back(till: Till) -> None:
    withdrawal_id, payment, _ = cancelled(till)
    till.mine(1, [payment])
    till.mine(6)
    assert till.status(withdrawal_id) == "final"
    assert till.client("alice") == (900_000 - 100_000 - till.coin.withdrawal_fee, 0, 0, 0)
    assert till.attempts() == ["mined", "replaced"]
    assert till.rows("SELECT status FROM intent WHERE kind = 'cancel'") == [("closed",)]


def test_a_reorg_from_the_cancel_to_the_payment_pays(till: Till) -> None:
    withdrawal_id, payment, cancel = cancelled(till)
    till.mine(1, [cancel])
    till.mine(3)
    till.reorg(4, [[payment]])
    till.mine(6)
    assert till.status(withdrawal_id) == "final"
    assert till.client("alice")[1] == 0
    assert till.attempts() == ["mined", "replaced"]


def test_what_uses_up_a_nonce_is_outbid_as_a_payment_is(till: Till) -> None:
    _, _, cancel = cancelled(till)
    assert stuck(till) == ()
    wait(till, 2 * AFTER_S)
    (work,) = stuck(till)
    assert (work.plan.kind, work.plan.fee) == ("cancel", 2 * GAS_MAX)
    assert FakeTx.decode(bump(till, work)).outputs == cancel.outputs


def test_only_a_signed_payout_that_no_block_holds_is_stopped(till: Till) -> None:
    view = till.open("alice", 100_000)
    with pytest.raises(NotCancellableError):
        stop(till, view.id)
    till.decide(view.id, "cancel")
    withdrawal_id = sent(till)
    till.mine()
    with pytest.raises(NotCancellableError):
        stop(till, withdrawal_id)
    with pytest.raises(NotFoundError):
        stop(till, "wd_none")


def test_stopping_twice_is_once(till: Till) -> None:
    withdrawal_id = sent(till)
    stop(till, withdrawal_id)
    stop(till, withdrawal_id)
    assert till.rows("SELECT count(*) FROM intent WHERE kind = 'cancel'") == [(1,)]


def test_nobody_cancels_what_was_not_stopped_nor_pays_with_a_cancel(till: Till) -> None:
    withdrawal_id = sent(till)
    wait(till)
    (work,) = stuck(till)
    cancel = bump_payment(replace(work, is_stopped=True))
    with pytest.raises(IllegalTransitionError, match="was not stopped"):
        till.do(ReserveAttempt("at_c", cancel))
    stop(till, withdrawal_id)
    (nothing,) = cancel.outputs
    for wrong in (
        replace(nothing, amount=1),
        replace(nothing, script=b"thief"),
    ):
        with pytest.raises(IllegalTransitionError, match="pays somebody"):
            till.do(ReserveAttempt("at_c", replace(cancel, outputs=(wrong,))))
    with pytest.raises(IllegalTransitionError, match="both be mined"):
        till.do(ReserveAttempt("at_c", replace(cancel, nonce=9)))
    till.do(ReserveAttempt("at_c", cancel))


# -- foreign use ------------------------------------------------------------------------------------


def steal(till: Till, amount: int) -> None:
    """Somebody with our key uses the lane's next nonce."""
    nonce = till.chain.tip.state.nonces.get(till.hot.script, 0)
    theft = FakeTx(((b"thief", amount),), sender=till.hot.script, nonce=nonce, gas_fee=100)
    till.mine(1, [theft])


@pytest.mark.parametrize("amount", [0, 70_000])
def test_w34_a_foreign_send_halts_the_lane_until_its_case_is_decided(till: Till, amount: int) -> None:
    withdrawal_id = sent(till)
    till.open("alice", 50_000)
    steal(till, amount)
    assert till.attempts() == ["conflicted"]
    with pytest.raises(PayoutsHeldError):
        till.do(GetPayoutWork("ETH"))
    assert till.do(GetSweepWork("ETH")) == ()
    assert stuck(till) == ()
    with pytest.raises(NotConfirmedError):
        stop(till, withdrawal_id)
    till.mine(5)
    with pytest.raises(PayoutsHeldError):
        till.do(GetPayoutWork("ETH"))
    with pytest.raises(NotConfirmedError):
        stop(till, withdrawal_id)
    ((case_id,),) = till.rows("SELECT id FROM unclaimed_case WHERE kind = 'unexplained'")
    write_off(till, case_id)
    (work,) = till.do(GetPayoutWork("ETH"))
    assert work.nonce == 1
    assert stop(till, withdrawal_id).status == "failed"
    assert till.attempts() == ["replaced"]
    assert till.client("alice") == (900_000 - 50_500, 50_500, 0, 0)


def test_w26_a_nonce_given_up_unsigned_is_used_by_the_next_payment(till: Till) -> None:
    till.open("alice", 10_000)
    till.open("alice", 20_000)
    first = till.reserve(next(work for work in till.work() if work.kind == "payout"))
    assert first.plan.nonce == 0
    till.do(AbandonAttempt(first.attempt_id, "refused"))
    assert next(work for work in till.work() if work.kind == "payout").nonce == 0
    assert till.pay_all() == 3
    nonces = till.rows(
        "SELECT nonce FROM attempt WHERE sender = ? AND state <> 'abandoned' ORDER BY nonce", till.hot.script
    )
    assert nonces == [(0,), (1,)]
    till.mine(6)
    assert till.rows("SELECT status FROM withdrawal") == [("final",)] * 2


def test_w26_an_unsigned_token_payment_that_is_held_leaves_no_gap(till: Till) -> None:
    token = till.list_token()
    till.chain.pay((till.hot.script, 5_000), token=token)
    till.deposit("alice", 3_000, blocks=6, token=token)
    till.open("alice", 1_000, currency=token)
    held = till.reserve(next(work for work in till.work() if work.kind == "payout"))
    till.do(SetCurrencyState(token, "halted", "its contract has other decimals"))
    assert till.do(GetUnsettledAttempts(token)) == ()
    assert till.rows("SELECT state FROM attempt WHERE id = ?", held.attempt_id) == [("abandoned",)]
    till.open("alice", 10_000)
    (work,) = till.do(GetPayoutWork("ETH"))
    assert work.nonce == held.plan.nonce
