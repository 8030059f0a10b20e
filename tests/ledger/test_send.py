"""Account chains: payouts, sweeps, gas, reverted and unknown sends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from coins.types import AccountTx, Receipt
from ledger.commands import (
    AnnounceHouseFunding,
    ApplyChainDelta,
    GetPayoutWork,
    RecordSigned,
    ReserveAttempt,
)
from ledger.errors import BlockRefusedError
from tests.fakes.chain import FakeTx
from tests.fakes.coin import GAS_MAX, foreign, plan_payment, signed
from tests.fakes.oracle import check_books
from tests.ledger.till import ETH, Till

GAS = GAS_MAX // 2


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    made = Till(tmp_path, ETH)
    tx = made.chain.pay((made.hot.script, 500_000))
    made.do(AnnounceHouseFunding("ETH", tx.txid, "op", "float"))
    made.mine(6)
    yield made
    made.check()
    made.close()


def books(till: Till) -> dict[str, int]:
    return {name: int(b) for name, b in till.rows("SELECT name, balance FROM account WHERE balance <> '0'")}


def test_every_account_after_deposit_payout_and_sweep(till: Till) -> None:
    till.deposit("alice", 200_000, blocks=3)
    till.open("alice", 60_000)
    assert till.pay_all() == 1
    till.mine(1)
    paid = {
        "onchain:ETH:deposit": 200_000,
        "onchain:ETH:hot": 440_000 - GAS,
        "house:ETH": 500_000,
        "client:alice:ETH:available": 139_500,
        "withdrawal_fee:ETH": 500,
        "network_fee:ETH": GAS,
    }
    assert books(till) == paid
    till.check()
    till.mine(2)
    assert till.pay_all() == 1
    till.mine(1)
    assert books(till) == paid | {
        "onchain:ETH:deposit": GAS,
        "onchain:ETH:hot": 640_000 - GAS - GAS_MAX,
        "network_fee:ETH": 2 * GAS,
    }
    assert till.rows("SELECT count(*) FROM deposit") == [(1,)]
    till.mine(5)
    assert till.rows("SELECT kind, status FROM intent ORDER BY kind") == [
        ("payout", "settled"),
        ("sweep", "settled"),
    ]
    assert till.pay_all() == 0


def test_a_sweep_takes_only_what_is_final_and_comes_again(till: Till) -> None:
    till.deposit("alice", 200_000, blocks=6)
    till.deposit("alice", 300_000, blocks=1)
    (work,) = till.work()
    assert (work.kind, work.balance, work.output.script) == ("sweep", 200_000, till.hot.script)
    assert till.work()[0].intent_id == work.intent_id
    till.pay_all()
    till.mine(6)
    (work,) = till.work()
    assert work.balance == 300_000 + GAS
    assert work.nonce == 1


def test_a_sweep_reorged_out_is_undone_and_done_again(till: Till) -> None:
    till.deposit("alice", 200_000, blocks=6)
    till.pay_all()
    till.mine(2)
    swept = till.onchain()
    till.chain.reorg(2)
    till.follow()
    assert till.onchain() == {"deposit": 200_000, "hot": 500_000}
    till.check()
    till.mine(6)
    assert till.onchain() == swept
    assert till.attempts() == ["mined"]


def test_a_reverted_payout_costs_gas_and_is_refunded_only_when_final(till: Till) -> None:
    till.deposit("alice", 49_000, blocks=6)
    view = till.open("alice", 20_000)
    till.pay_all()
    (payout,) = till.chain.mempool
    till.chain.failing.add(payout)
    till.mine(5)
    assert till.attempts() == ["reverted"]
    assert till.rows("SELECT status, attention FROM withdrawal") == [("broadcast", 1)]
    assert till.client("alice") == (28_500, 20_500, 0, 0)
    till.check()
    till.mine(1)
    assert till.status(view.id) == "failed"
    assert till.client("alice") == (49_000, 0, 0, 0)
    assert till.onchain()["hot"] == 500_000 - GAS
    assert till.work() == []


def test_a_reverted_payout_reorged_to_success_is_paid(till: Till) -> None:
    till.deposit("alice", 49_000, blocks=6)
    view = till.open("alice", 20_000)
    till.pay_all()
    (payout,) = till.chain.mempool
    till.chain.failing.add(payout)
    till.mine(3)
    till.chain.failing.clear()
    till.chain.reorg(3, [list(till.chain.mempool.values())])
    till.follow()
    till.mine(8)
    assert till.status(view.id) == "final"
    assert till.client("alice") == (28_500, 0, 0, 0)


def test_an_unknown_send_is_unexplained_and_its_nonce_conflicts(till: Till) -> None:
    till.deposit("alice", 49_000, blocks=6)
    view = till.open("alice", 20_000)
    till.pay_all()
    till.chain.mempool.clear()
    theft = FakeTx(((foreign("thief").script, 400_000),), sender=till.hot.script, nonce=0, gas_fee=GAS)
    till.mine(1, [theft])
    assert till.balance("unexplained:ETH") == 400_000
    assert till.balance("network_fee:ETH") == GAS
    assert till.attempts() == ["conflicted"]
    assert till.rows("SELECT status, attention FROM withdrawal") == [("broadcast", 1)]
    till.check()
    till.open("alice", 10_000)
    assert till.work() == []  # held: nobody has explained the send
    till.reorg(1)
    assert till.balance("unexplained:ETH") == 0
    assert till.attempts() == ["unknown"]
    assert till.work()[0].nonce == 1
    assert till.status(view.id) == "broadcast"


def test_money_that_came_unseen_is_parked_when_it_is_spent(till: Till) -> None:
    sent = AccountTx("aa" * 32, till.hot.script, 0, foreign("x", "ETH").script, 600_000, 10, True)
    till.do(ApplyChainDelta(till.raw_block(sent=(sent,))))
    assert till.balance("suspense:ETH") == 100_010
    assert till.balance("unexplained:ETH") == 600_000
    assert till.onchain()["hot"] == 0
    assert {row[0] for row in till.rows("SELECT kind FROM unclaimed_case")} == {"unseen", "unexplained"}


def test_an_unknown_send_to_a_client_credits_the_client(till: Till) -> None:
    script = till.address("alice")
    sent = AccountTx("aa" * 32, till.hot.script, 0, script, 70_000, 10, True)
    receipt = Receipt("ETH", "aa" * 32, "native", script, 70_000, till.hot.script)
    till.do(ApplyChainDelta(till.raw_block(sent=(sent,), receipts=(receipt,))))
    assert till.client("alice") == (0, 0, 70_000, 0)
    assert till.balance("unexplained:ETH") == 70_000


def test_another_story_about_our_own_bytes_is_refused(till: Till) -> None:
    till.deposit("alice", 49_000, blocks=6)
    till.open("alice", 20_000)
    till.pay_all()
    (payout,) = till.chain.mempool
    payee = foreign("payee1", "ETH").script
    for sent in (
        AccountTx(payout, till.hot.script, 0, payee, 20_001, 10, True),
        AccountTx(payout, till.hot.script, 1, payee, 20_000, 10, True),
        AccountTx(payout, till.hot.script, 0, payee, -1, 10, True),
    ):
        with pytest.raises(BlockRefusedError):
            till.do(ApplyChainDelta(till.raw_block(sent=(sent,))))
    assert till.attempts() == ["broadcast"]


def two_attempts(till: Till) -> tuple[AccountTx, AccountTx]:
    """A payout and its replacement, both as a node might tell that they were mined."""
    till.chain.pay((till.hot.script, 10**9))
    till.deposit("alice", 500_000)
    till.mine(6)
    till.open("alice", 100_000)
    (work,) = till.do(GetPayoutWork("ETH"))
    plan = plan_payment(work)
    sent = []
    for number in (1, 2):
        attempt = till.do(ReserveAttempt(f"at_{number}", replace(plan, fee=plan.fee * number)))
        bytes_ = signed(attempt.plan)
        till.do(RecordSigned(attempt.attempt_id, bytes_.txid, bytes_.raw))
        mined = AccountTx(
            txid=bytes_.txid,
            sender=till.hot.script,
            nonce=0,
            recipient=work.output.script,
            amount=100_000,
            gas_fee=100,
            is_success=True,
        )
        sent.append(mined)
    return sent[0], sent[1]


@pytest.mark.parametrize("is_one_block", [True, False])
def test_w26_a_node_that_shows_a_nonce_used_twice_is_not_believed(tmp_path: Path, is_one_block: bool) -> None:
    till = Till(tmp_path, ETH)
    first, second = two_attempts(till)
    if is_one_block:
        deltas = [till.raw_block(sent=(first, second))]
    else:
        till.do(ApplyChainDelta(till.raw_block(sent=(first,))))
        deltas = [till.raw_block(sent=(second,)), till.raw_block(sent=(replace(second, txid="ee" * 32),))]
    held = (till.client("alice"), till.attempts(), till.known()[0])
    for delta in deltas:
        with pytest.raises(BlockRefusedError, match="nonce 0"):
            till.do(ApplyChainDelta(delta))
    assert (till.client("alice"), till.attempts(), till.known()[0]) == held
    assert check_books(till.store.path) == []
    till.close()
