"""Reorgs: what is undone, what is owed, and what must never be undone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.commands import AnnounceHouseFunding, ApplyChainDelta, RecordNodeDoubt, SetCurrencyState
from ledger.difference import NODE_DOUBT, Found
from ledger.errors import InsufficientFundsError, ReorgTooDeepError
from tests.ledger.books import do as do_in
from tests.ledger.books import transfer
from tests.ledger.till import ETH, TOKEN, Till


@pytest.fixture(params=["BTC", "ETH"])
def till(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Till]:
    made = Till(tmp_path, ETH) if request.param == "ETH" else Till(tmp_path)
    yield made
    made.check()
    made.close()


def fund_house(till: Till, amount: int) -> None:
    """Announced money on the hot script, deep enough to be spent."""
    tx = till.chain.pay((till.hot.script, amount))
    till.do(AnnounceHouseFunding(till.currency, tx.txid, "op", "float"))
    till.mine(6)


def test_d06_reorg_before_n_is_never_credited(till: Till) -> None:
    tx = till.deposit("alice", 70_000, blocks=2)
    till.reorg(2, [[till.chain.pay((b"attacker", 1), conflicts=tx)]])
    till.mine(6)
    assert till.deposits() == ["orphaned"]
    assert till.client("alice") == (0, 0, 0, 0)
    assert till.onchain() == {"deposit": 0, "hot": 0}


def test_d07_e18_reorg_after_credit_is_reversed_with_contra_entries(till: Till) -> None:
    tx = till.deposit("alice", 70_000, blocks=3)
    assert till.client("alice") == (70_000, 0, 0, 0)
    till.reorg(3, [[till.chain.pay((b"attacker", 1), conflicts=tx)]])
    assert till.deposits() == ["reversed"]
    assert till.client("alice") == (0, 0, 0, 0)
    kinds = [row[0] for row in till.rows("SELECT kind FROM journal ORDER BY id")]
    assert kinds == ["deposit_received", "deposit_credited", "deposit_reversed", "deposit_received_undone"]
    assert [e for e in till.events() if e.startswith("deposit")][-1] == "deposit.reversed"


def test_d08_mined_again_elsewhere_is_credited_once(till: Till) -> None:
    tx = till.deposit("alice", 70_000, blocks=3)
    till.reorg(3, [[], [tx]])
    assert till.deposits() == ["credited"]
    assert till.client("alice") == (70_000, 0, 0, 0)
    assert till.deposits("block_height") == [till.chain.tip.ref.height - 2]
    till.mine(6)
    assert till.deposits() == ["final"]
    assert till.client("alice") == (70_000, 0, 0, 0)


def test_d08_a_credit_stays_while_its_own_block_stands(till: Till) -> None:
    till.deposit("alice", 70_000, blocks=3)
    till.reorg(2)
    assert till.deposits() == ["credited"]
    assert till.events().count("deposit.credited") == 1
    assert till.client("alice") == (70_000, 0, 0, 0)


def test_d08_two_branches_taking_turns(till: Till) -> None:
    tx = till.deposit("alice", 70_000, blocks=2)
    first = till.chain.tip.ref.block_hash
    till.reorg(2, [[], [], [tx]])
    for turn in range(4):
        second = till.chain.tip.ref.block_hash
        till.chain.switch(first)
        till.follow()
        first = second
        till.check()
        assert till.deposits() == ["confirming"], turn
    till.mine(3)
    assert till.client("alice") == (70_000, 0, 0, 0)


def test_d10_spent_credit_becomes_a_deficit_and_others_are_untouched(till: Till) -> None:
    fund_house(till, 500_000)
    till.deposit("bob", 60_000, blocks=6)
    tx = till.deposit("alice", 70_000, blocks=3)
    till.open("alice", 60_000)
    assert till.pay_all() >= 1
    till.reorg(3, [[till.chain.pay((b"attacker", 1), conflicts=tx)]])
    assert till.deposits() == ["final", "reversed"]
    assert till.client("alice") == (0, 60_500, 0, 60_500)
    assert till.client("bob") == (60_000, 0, 0, 0)
    with pytest.raises(InsufficientFundsError):
        till.open("alice", 1_000)
    till.mine(8)
    assert till.client("alice") == (0, 0, 0, 60_500)
    till.deposit("alice", 100_000, blocks=3)
    assert till.client("alice") == (39_500, 0, 0, 0)


def test_d10_unsigned_payouts_are_rejected_before_anything_is_owed(till: Till) -> None:
    tx = till.deposit("alice", 70_000, blocks=3)
    first, second = till.open("alice", 20_000), till.open("alice", 30_000)
    till.reorg(3, [[till.chain.pay((b"attacker", 1), conflicts=tx)]])
    assert [till.status(first.id), till.status(second.id)] == ["rejected", "rejected"]
    assert till.client("alice") == (0, 0, 0, 0)
    assert till.work() == []


def test_d10_only_as_many_payouts_as_needed_are_rejected_newest_first(till: Till) -> None:
    till.deposit("alice", 50_000, blocks=6)
    tx = till.deposit("alice", 20_000, blocks=3)
    first, second = till.open("alice", 30_000), till.open("alice", 30_000)
    till.reorg(3, [[till.chain.pay((b"attacker", 1), conflicts=tx)]])
    assert [till.status(first.id), till.status(second.id)] == ["approved", "rejected"]
    assert till.client("alice") == (19_500, 30_500, 0, 0)


def test_final_is_never_undone(till: Till) -> None:
    till.deposit("alice", 70_000, blocks=6)
    before = till.known()
    till.chain.reorg(6)
    with pytest.raises(ReorgTooDeepError):
        till.follow()
    assert till.known() == before
    assert till.client("alice") == (70_000, 0, 0, 0)
    till.chain.switch(before[0].block_hash)


def test_the_anchor_and_the_guard_are_never_passed(tmp_path: Path) -> None:
    till = Till(tmp_path, max_reorg=2)
    till.mine(3)
    till.chain.reorg(3)
    with pytest.raises(ReorgTooDeepError):
        till.follow()
    till.close()


def test_w11_a_payout_reorged_out_is_in_flight_again_and_paid_once(till: Till) -> None:
    fund_house(till, 500_000)
    till.deposit("alice", 70_000, blocks=6)
    withdrawal = till.open("alice", 60_000)
    till.pay_all()
    till.mine(4)
    assert till.status(withdrawal.id) == "confirmed"
    paid = till.client("alice")
    assert paid == (9_500, 0, 0, 0)
    till.chain.reorg(4)
    till.follow()
    assert till.status(withdrawal.id) == "broadcast"
    assert till.client("alice") == (9_500, 60_500, 0, 0)
    assert till.work() == []
    till.resume()
    till.mine(6)
    assert till.status(withdrawal.id) == "final"
    assert till.client("alice") == paid
    assert till.attempts().count("mined") == len(till.attempts())


def test_house_money_moved_on_before_its_funding_was_undone_is_unexplained(tmp_path: Path) -> None:
    till = Till(tmp_path)
    tx = till.chain.pay((till.hot.script, 90_000))
    till.do(AnnounceHouseFunding("BTC", tx.txid, "op", "float"))
    till.mine()
    do_in(till.store, transfer(1, "house", "alice", 30_000))
    till.chain.reorg(1)
    till.follow()
    assert till.balance("house:BTC") == 0
    assert till.balance("unexplained:BTC") == 30_000
    till.check()
    till.mine()
    assert till.balance("house:BTC") == 60_000
    assert till.balance("unexplained:BTC") == 0
    till.check()
    till.reorg(1)
    till.check()
    till.close()


def test_a_delta_held_already_is_answered_also_after_a_reorg(till: Till) -> None:
    till.deposit("alice", 70_000, blocks=2)
    till.chain.reorg(1)
    delta = till.delta()
    assert not till.do(ApplyChainDelta(delta)).is_replay
    till.reopen()
    assert till.do(ApplyChainDelta(delta)).is_replay


@pytest.mark.parametrize("to", ["client", "hot"])
def test_e18_money_of_a_token_that_is_not_read_now_is_not_undone(tmp_path: Path, to: str) -> None:
    """Its payment may well be in the new block too, and nobody would see it there."""
    till = Till(tmp_path, ETH)
    token = till.list_token()
    script = till.address("alice") if to == "client" else till.hot.script
    tx = till.chain.pay((script, 10_000), token=token)
    till.mine(3)
    held = (till.client("alice", token), till.onchain(token), till.known()[0])
    till.do(SetCurrencyState(token, "disabled", "not in the configuration"))
    till.chain.reorg(3, [[tx], [], [], []])
    with pytest.raises(ReorgTooDeepError, match=r"USDT-ETH.*enable it"):
        till.follow()
    assert (till.client("alice", token), till.onchain(token), till.known()[0]) == held
    till.do(TOKEN)
    till.follow()
    assert (till.client("alice", token), till.onchain(token)) == held[:2]
    till.check()
    till.close()


def test_e18_a_reorg_above_the_money_of_a_token_that_is_not_read_goes_on(tmp_path: Path) -> None:
    till = Till(tmp_path, ETH)
    token = till.list_token()
    till.deposit("alice", 10_000, 3, token=token)
    till.do(SetCurrencyState(token, "disabled", "not in the configuration"))
    till.reorg(2)
    assert till.client("alice", token) == (10_000, 0, 0, 0)
    till.check()
    till.close()


def test_l11_a_doubt_of_a_block_that_is_gone_stays_until_the_node_is_of_one_mind(till: Till) -> None:
    """What was compared at that block still counts for nothing."""
    till.deposit("alice", 70_000, blocks=3)
    ref, found = till.known()[0], Found(NODE_DOUBT, "hot", -5, detail="told two things")
    till.do(RecordNodeDoubt(till.currency, ref.height, ref.block_hash, (found,), "rec_1"))
    till.reorg(1, [[], []])
    doubts = "SELECT status, position, block_height, block_hash FROM unclaimed_case WHERE kind = 'node_doubt'"
    assert till.rows(doubts) == [("open", "rec_1:hot:", None, None)]
