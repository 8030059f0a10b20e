"""Nonce lanes: one payment per nonce, however many candidates it takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from coins.types import BroadcastOutcome, BroadcastResult, StuckWork
from ledger.commands import (
    GetUnsettledAttempts,
    RecordBroadcast,
    ReserveAttempt,
    SetCurrencyState,
)
from ledger.errors import IllegalTransitionError
from ledger.lane_command import GetStuckWork
from tests.fakes.chain import FakeTx
from tests.fakes.coin import GAS_MAX, bump_payment
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
