"""What may leave in a window of time: per client, and of the currency as a whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ledger.commands import GetPayoutWork
from ledger.errors import LimitExceededError, PayoutsHeldError
from tests.ledger.desk import case_id, refund, states
from tests.ledger.till import Till

HOUR_S = 3_600


def test_w42_a_client_stays_within_a_day_and_a_month(tmp_path: Path) -> None:
    till = Till(tmp_path, client_day_limit=10_000, client_month_limit=25_000)
    till.deposit("alice", 500_000, blocks=3)
    till.deposit("bob", 500_000, blocks=3)
    first = till.open("alice", 6_000)
    with pytest.raises(LimitExceededError, match=r"0\.00010000 BTC within 24 hours"):
        till.open("alice", 4_001)
    till.open("alice", 4_000)
    till.open("bob", 10_000)
    till.decide(first.id, "cancel")
    till.open("alice", 6_000)
    till.now_s += 23 * HOUR_S
    with pytest.raises(LimitExceededError):
        till.open("alice", 1_000)
    till.now_s += HOUR_S
    till.open("alice", 10_000)
    till.now_s += 24 * HOUR_S
    with pytest.raises(LimitExceededError, match=r"0\.00025000 BTC within 30 days"):
        till.open("alice", 5_001)
    till.open("alice", 5_000)
    till.check()
    till.close()


def test_w42_no_midnight_and_no_other_session_opens_a_second_helping(tmp_path: Path) -> None:
    till = Till(tmp_path, client_day_limit=10_000)
    till.deposit("alice", 500_000, blocks=3)
    taken = 0
    for _ in range(100):
        till.now_s += 600
        try:
            till.open("alice", 1_000)
        except LimitExceededError:
            continue
        taken += 1
    assert taken == 10
    till.close()


def test_w42_what_a_currency_may_lose_in_a_day_is_bounded_and_the_rest_waits(tmp_path: Path) -> None:
    till = Till(tmp_path, day_limit=20_000)
    till.deposit("alice", 50_000)
    till.deposit("alice", 50_000)
    till.deposit("alice", 50_000, blocks=6)
    for _ in range(3):
        till.open("alice", 9_000)
    work = till.do(GetPayoutWork("BTC", limit=10))
    assert [1 + len(each.more) for each in work] == [2]
    assert till.pay_all() == 2
    with pytest.raises(PayoutsHeldError) as held:
        till.do(GetPayoutWork("BTC", limit=10))
    assert held.value.waiting_for == "limit"
    till.now_s += 24 * HOUR_S
    assert [each.output.amount for each in till.do(GetPayoutWork("BTC", limit=10))] == [9_000]
    till.check()
    till.close()


def offered(till: Till) -> list[int]:
    """What the payees of the one piece of work would get."""
    (work,) = till.do(GetPayoutWork("BTC", limit=10))
    return [work.output.amount, *(each.output.amount for each in work.more)]


def test_w42_a_payout_above_the_limit_itself_blocks_no_other(tmp_path: Path) -> None:
    till = Till(tmp_path)
    for _ in range(3):
        till.deposit("alice", 50_000)
    till.mine(6)
    large = till.open("alice", 30_000)
    small = [till.open("alice", 9_000) for _ in range(3)]
    till.do(replace(till.coin, day_limit=20_000, maximum_withdrawal=20_000))
    assert offered(till) == [9_000, 9_000]
    assert till.pay_all() == 2
    till.mine(3)
    assert [till.status(view.id) for view in (large, *small)] == [
        "approved", "confirmed", "confirmed", "approved",
    ]  # fmt: skip
    with pytest.raises(PayoutsHeldError) as held:
        till.do(GetPayoutWork("BTC", limit=10))
    assert held.value.waiting_for == "limit"
    till.do(replace(till.coin, day_limit=60_000))
    assert offered(till) == [30_000, 9_000]
    till.check()
    till.close()


def test_w42_a_refund_above_the_limit_is_refused_before_it_is_queued(tmp_path: Path) -> None:
    till = Till(tmp_path, day_limit=20_000, maximum_withdrawal=20_000)
    till.chain.pay((till.hot.script, 30_000))
    till.mine(6)
    case = case_id(till)
    with pytest.raises(LimitExceededError, match=r"0\.00020000 BTC may leave within 24 hours"):
        refund(till, case)
    assert states(till) == ["open"]
    till.do(replace(till.coin, day_limit=40_000, maximum_withdrawal=20_000))
    assert refund(till, case).status == "refunding"
    till.check()
    till.close()
