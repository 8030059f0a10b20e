"""What is swept and when: gas first, never twice, with growing pauses where it does not work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from coins.types import Branch, PayoutWork
from ledger.commands import AnnounceHouseFunding, Idempotency, ReserveAttempt
from ledger.errors import IllegalTransitionError
from ledger.sweep_command import GetSweepWork, OpenTopUp
from tests.fakes.coin import GAS_MAX, plan_payment
from tests.ledger.till import ETH, Till

HOUR = 3_600


def open_till(folder: Path, clients: int = 1) -> tuple[Till, str]:
    """A till of ETH with gas in hot, and clients with 10,000 units of a token each, final."""
    till = Till(folder, ETH)
    token = till.list_token()
    till.chain.pay((till.hot.script, 10**9))
    for number in range(clients):
        till.deposit(f"client{number}", 10_000, token=token)
    till.mine(6)
    return till, token


def give(till: Till, token: str, **options: int) -> list[PayoutWork]:
    """The sweeps of a token that may begin now."""
    return list(till.do(GetSweepWork(token, **options)))


def fail(till: Till, token: str) -> None:
    """Gas, then one sweep that the token does not let through, to the end."""
    till.chain.paused.add(token)
    for _ in range(3):
        till.pay_all()
        till.mine(7)


def test_a_token_is_offered_with_the_gas_its_account_has(tmp_path: Path) -> None:
    till, token = open_till(tmp_path)
    (work,) = give(till, token)
    assert (work.kind, work.balance, work.gas_balance, work.nonce) == ("sweep", 10_000, 0, 0)
    assert work.output.script == till.hot.script
    till.chain.pay((till.address("client0"), 1_000))
    till.mine(1)
    assert give(till, token)[0].gas_balance == 1_000
    assert give(till, token)[0].intent_id == work.intent_id
    till.close()


def test_one_top_up_at_a_time_and_the_sweep_as_soon_as_it_is_mined(tmp_path: Path) -> None:
    till, token = open_till(tmp_path)
    (work,) = give(till, token)
    assert till.do(OpenTopUp(work.intent_id, GAS_MAX)) is True
    assert till.do(OpenTopUp(work.intent_id, GAS_MAX)) is False
    (top_up,) = [each for each in till.work() if each.kind == "top_up"]
    assert (top_up.currency, top_up.output.amount, top_up.source) == ("ETH", GAS_MAX, till.hot)
    till.reserve(top_up)
    till.resume()
    assert (give(till, token), till.do(OpenTopUp(work.intent_id, GAS_MAX))) == ([], False)
    till.mine(1)
    (again,) = give(till, token)
    assert (again.intent_id, again.gas_balance) == (work.intent_id, GAS_MAX)
    till.check()


def test_a_plan_for_gas_goes_where_its_intent_says_and_not_more(tmp_path: Path) -> None:
    till, token = open_till(tmp_path)
    (work,) = give(till, token)
    for intent, amount in (("pay_wd_1", 5), (work.intent_id, 0), ("sweep_none", 5)):
        with pytest.raises(IllegalTransitionError):
            till.do(OpenTopUp(intent, amount))
    till.do(OpenTopUp(work.intent_id, GAS_MAX))
    (top_up,) = [each for each in till.work() if each.kind == "top_up"]
    stranger = replace(top_up.output, script=b"x" * 20)
    for output in (stranger, replace(top_up.output, amount=GAS_MAX + 1)):
        with pytest.raises(IllegalTransitionError):
            till.do(ReserveAttempt("at_x", plan_payment(replace(top_up, output=output))))
    till.close()


def test_e14_sweeps_without_effect_come_with_doubled_pauses(tmp_path: Path) -> None:
    till, token = open_till(tmp_path)
    fail(till, token)
    assert till.attempts()[-1] == "reverted"
    assert till.rows("SELECT status FROM intent WHERE kind = 'sweep'") == [("closed",)]
    assert give(till, token) == []
    till.now_s += HOUR
    assert len(give(till, token)) == 1
    fail(till, token)
    till.now_s += HOUR
    assert give(till, token) == []
    till.now_s += HOUR
    assert len(give(till, token)) == 1
    assert till.client("client0", token) == (10_000, 0, 0, 0)
    till.check()


def test_e14_while_sweeps_fail_one_is_tried_at_a_time_and_a_day_costs_so_much(tmp_path: Path) -> None:
    till, token = open_till(tmp_path, clients=4)
    assert len(give(till, token)) == 4
    assert len(give(till, token, limit=1)) == 1
    till.chain.paused.add(token)
    (first, *_) = give(till, token)
    till.do(OpenTopUp(first.intent_id, GAS_MAX))
    till.reserve(till.work()[0])
    till.resume()
    till.mine(1)
    till.reserve(give(till, token)[0])
    till.resume()
    till.mine(1)
    assert till.attempts() == ["mined", "reverted"]
    assert len(give(till, token)) == 1
    assert give(till, token, loss_max=GAS_MAX) == []
    till.now_s += 25 * HOUR
    assert len(give(till, token, loss_max=GAS_MAX)) == 4 - 1
    till.close()


def test_a_sweep_that_works_ends_the_pauses(tmp_path: Path) -> None:
    till, token = open_till(tmp_path)
    fail(till, token)
    till.chain.paused.clear()
    till.now_s += HOUR
    for _ in range(3):
        till.pay_all()
        till.mine(7)
    assert till.onchain(token) == {"deposit": 0, "hot": 10_000}
    till.deposit("client0", 7_000, 6, token=token)
    assert len(give(till, token)) == 1
    till.check()


@pytest.mark.parametrize("is_announced", [False, True])
def test_money_to_an_address_never_given_out_is_not_swept_before_it_is_final(
    tmp_path: Path, is_announced: bool
) -> None:
    till, token = open_till(tmp_path)
    assert [work.balance for work in give(till, token)] == [10_000]
    lost = till.issue("client:bob:0", Branch.DEPOSIT)
    tx = till.chain.pay((lost.script, 7_000), token=token)
    if is_announced:
        till.do(AnnounceHouseFunding(token, tx.txid, "olga", "ours", Idempotency("op:olga", "k", "h")))
    for _ in range(5):
        till.mine(1)
        assert [work.balance for work in give(till, token)] == [10_000]
    till.reorg(5, [[], [], [], [], []])
    assert [work.balance for work in give(till, token)] == [10_000]
    till.mine(1, [tx])
    till.mine(4)
    assert [work.balance for work in give(till, token)] == [10_000]
    till.mine(1)
    assert [work.balance for work in give(till, token)] == [10_000, 7_000]
    till.check()
