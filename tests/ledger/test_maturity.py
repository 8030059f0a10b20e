"""What is credited but may not leave yet: shown, enforced, exact over reorgs, cheap to ask for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import reader_client
from ledger.commands import ApplyChainDelta, RegisterCoin
from ledger.connection import connect
from ledger.errors import InsufficientFundsError
from ledger.policy import Finality, Tier
from ledger.queries import GetBalances
from ledger.snapshot import Snapshot
from tests.ledger.books import BTC, transfer
from tests.ledger.till import ETH, Till


@pytest.fixture(params=["BTC", "ETH"])
def till(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Till]:
    coin = ETH if request.param == "ETH" else BTC
    made = Till(tmp_path, coin, withdrawable_depth=5, withdrawal_fee=0)
    yield made
    made.check()
    made.close()


def shown(till: Till, client_id: str) -> tuple[int, int]:
    """Available and withdrawable, as GET balances has them."""
    db = connect(till.store.path, read_only=True)
    try:
        views = reader_client.get_balances(Snapshot(db, till.now_s), GetBalances(client_id))
        return (views[0].available, views[0].withdrawable) if views else (0, 0)
    finally:
        db.close()


def test_d46_a_credit_is_withdrawable_at_exactly_its_depth(till: Till) -> None:
    till.deposit("alice", 70_000)
    found = []
    for _ in range(7):
        till.mine()
        found.append(shown(till, "alice"))
    assert found == [(0, 0)] * 2 + [(70_000, 0)] * 2 + [(70_000, 70_000)] * 3


def test_d46_a_withdrawal_takes_what_is_deep_enough_and_no_more(till: Till) -> None:
    till.deposit("alice", 40_000, blocks=6)
    till.deposit("alice", 70_000, blocks=3)
    assert shown(till, "alice") == (110_000, 40_000)
    whole = "0.00070000 BTC" if till.currency == "BTC" else "0.000000000000070000 ETH"
    with pytest.raises(InsufficientFundsError, match=f"^insufficient_funds: {whole} .* not withdrawable yet"):
        till.open("alice", 40_001)
    till.check()
    till.open("alice", 40_000)
    assert shown(till, "alice") == (70_000, 0)
    with pytest.raises(InsufficientFundsError, match="not withdrawable yet"):
        till.open("alice", 1_000)
    with pytest.raises(InsufficientFundsError, match="does not cover"):
        till.open("alice", 70_001)
    till.mine(2)
    till.open("alice", 70_000)
    assert shown(till, "alice") == (0, 0)


def test_d46_money_spent_inside_the_books_is_not_counted_twice(till: Till) -> None:
    till.deposit("alice", 70_000, blocks=3)
    till.do(replace(transfer(1, "alice", "bob", 60_000), currency=till.currency))
    assert (shown(till, "alice"), shown(till, "bob")) == ((10_000, 0), (60_000, 60_000))
    till.mine(2)
    assert shown(till, "alice") == (10_000, 10_000)


def test_d07_a_reorg_above_the_deposit_takes_depth_away_not_the_credit(till: Till) -> None:
    till.deposit("alice", 70_000, blocks=5)
    assert shown(till, "alice") == (70_000, 70_000)
    till.chain.reorg(2, [[]])
    # A node that was asked half way: of the new branch's three blocks only the first is applied yet.
    whole = till.delta()
    till.do(ApplyChainDelta(replace(whole, connected=whole.connected[:1])))
    assert shown(till, "alice") == (70_000, 0)
    till.check()
    till.follow()
    assert shown(till, "alice") == (70_000, 70_000)


def test_d07_a_reversed_credit_is_nothing_that_matures(till: Till) -> None:
    tx = till.deposit("alice", 70_000, blocks=4)
    till.deposit("alice", 5_000)
    till.reorg(4, [[till.chain.pay((b"attacker", 1), conflicts=tx)]])
    till.mine(5)
    assert shown(till, "alice") == (5_000, 5_000)
    assert till.rows(
        "SELECT credited_amount, withdrawable_height FROM deposit WHERE status = 'reversed'"
    ) == [("0", None)]


def test_d08_mined_again_it_matures_from_its_new_block(till: Till) -> None:
    tx = till.deposit("alice", 70_000, blocks=4)
    till.reorg(4, [[], [], [tx]])
    found = []
    for _ in range(3):
        found.append(shown(till, "alice"))
        till.mine()
    assert found == [(70_000, 0), (70_000, 0), (70_000, 70_000)]


def test_d46_what_paid_a_deficit_is_not_held_back_again(till: Till) -> None:
    till.deposit("alice", 30_000, blocks=6)
    tx = till.deposit("alice", 70_000, blocks=5)
    till.do(replace(transfer(1, "alice", "bob", 100_000), currency=till.currency))
    till.reorg(5, [[till.chain.pay((b"attacker", 1), conflicts=tx)]])
    assert till.client("alice")[3] == 70_000
    till.deposit("alice", 90_000, blocks=3)
    assert till.client("alice") == (20_000, 0, 0, 0)
    assert shown(till, "alice") == (20_000, 0)
    till.do(replace(transfer(2, "bob", "alice", 7_000), currency=till.currency))
    assert shown(till, "alice") == (27_000, 7_000)
    till.mine(2)
    assert shown(till, "alice") == (27_000, 27_000)


def test_d46_a_tier_deeper_than_the_withdrawable_depth_leaves_when_credited(tmp_path: Path) -> None:
    till = Till(tmp_path, tiers=(Tier(50_000, 6),), withdrawable_depth=4)
    till.deposit("alice", 70_000)
    till.mine(5)
    assert shown(till, "alice") == (0, 0)
    till.mine()
    assert shown(till, "alice") == (70_000, 70_000)
    till.close()


def test_without_a_depth_of_its_own_a_credit_is_withdrawable_at_once(tmp_path: Path) -> None:
    till = Till(tmp_path)
    till.deposit("alice", 70_000, blocks=3)
    assert shown(till, "alice") == (70_000, 70_000)
    till.close()


def test_a_changed_depth_holds_for_later_credits(till: Till) -> None:
    till.deposit("alice", 70_000, blocks=4)
    till.do(replace(till.coin, withdrawable_depth=6))
    till.mine()
    assert shown(till, "alice") == (70_000, 70_000)


class Winner:
    """What the winning chain alone says of balances, worked out from its blocks every time."""

    def __init__(self, till: Till) -> None:
        self.till = till

    def says(self, client_id: str) -> tuple[int, int]:
        """Available and withdrawable when nothing was ever spent."""
        till, script = self.till, self.till.address(client_id)
        available = withdrawable = 0
        for ref in till.chain.refs():
            outputs = [output for tx in till.chain.blocks[ref.block_hash].txs for output in tx.outputs]
            amounts = [amount for paid, amount in outputs if paid == script]
            brought = sum(amounts)
            counted = sum(amount for amount in amounts if amount >= till.coin.minimum_deposit)
            tagged = till.chain.epoch or 0
            waits = {Finality.SAFE: tagged + 1, Finality.FINALIZED: 2 * tagged + 1}.get(till.coin.finality, 0)
            required = 5 if brought > 60_000 else 4 if brought > 20_000 else 3
            required = max(required, waits)
            depth = till.chain.tip.ref.height - ref.height + 1
            available += counted * (depth >= required)
            withdrawable += counted * (depth >= max(required, till.coin.withdrawable_depth or 0))
        return available, withdrawable


@settings(max_examples=40)
@given(
    kind=st.sampled_from([BTC, ETH, *(replace(ETH, finality=finality) for finality in Finality)]),
    epoch=st.integers(1, 4),
    steps=st.lists(
        st.one_of(
            st.lists(st.sampled_from([999, 1_000, 9_000, 20_000, 21_000, 60_000]), min_size=1, max_size=4),
            st.integers(1, 3),
            st.integers(-4, -1),
        ),
        min_size=1,
        max_size=20,
    ),
)
def test_d46_whatever_happens_balances_are_what_the_winning_chain_says(
    tmp_path_factory: pytest.TempPathFactory, kind: RegisterCoin, epoch: int, steps: list[list[int] | int]
) -> None:
    """Payments in any parts, blocks, and reorgs that take some of them out and bring them back later."""
    tiers = (Tier(20_000, 4), Tier(60_000, 5))
    till = Till(tmp_path_factory.mktemp("till"), kind, tiers=tiers, withdrawable_depth=5, final_depth=6)
    till.chain.epoch = epoch if kind.finality is not Finality.CONFIRMATIONS else None
    winner = Winner(till)
    script = till.address("alice")
    for step in steps:
        if isinstance(step, list):
            for amount in step:
                till.chain.pay((script, amount))
        elif step > 0:
            till.mine(step)
        else:
            height = till.chain.tip.ref.height - till.chain.anchor.ref.height
            till.reorg(min(-step, height)) if height > 0 else till.mine()
        assert shown(till, "alice") == winner.says("alice")
    till.check()
    till.close()


def test_old_deposits_make_no_balance_dearer(till: Till) -> None:
    """Nothing that is final is looked at: steps of SQLite's virtual machine are counted, not seconds."""

    def steps() -> int:
        count = 0

        def tick() -> int:
            nonlocal count
            count += 1
            return 0

        db = connect(till.store.path, read_only=True)
        db.set_progress_handler(tick, 1)
        reader_client.get_balances(Snapshot(db, till.now_s), GetBalances("alice"))
        db.close()
        return count

    till.deposit("alice", 5_000, blocks=6)
    before = steps()
    script = till.address("alice")
    for _ in range(60):
        till.chain.pay((script, 5_000))
    till.mine(6)
    assert steps() == before
