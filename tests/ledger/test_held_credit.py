"""Deposits above a height in doubt are not credited, and all of them once when the doubt is over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.commands import ApplyChainDelta, CreditDue
from ledger.errors import BlockRefusedError, ParentMismatchError
from tests.ledger.books import BTC
from tests.ledger.till import ETH, Till


@pytest.fixture(params=["BTC", "ETH"])
def till(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Till]:
    made = Till(tmp_path, ETH if request.param == "ETH" else BTC)
    yield made
    made.check()
    made.close()


def mine_in_doubt(till: Till, credit_height: int, count: int = 1) -> int:
    """Blocks that come while what is above ``credit_height`` is in doubt; how many were credited."""
    credited = 0
    for _ in range(count):
        till.chain.mine(1)
        delta = replace(till.delta(), credit_height=credit_height)
        credited += till.do(ApplyChainDelta(delta)).credited
    return credited


def settle(till: Till, credit_height: int | None = None) -> int:
    """The doubt is over, or its height another one; no block comes."""
    due: int = till.do(CreditDue(till.currency, till.chain.tip.ref.block_hash, credit_height))
    return due


def test_d32_what_is_above_the_height_in_doubt_waits_and_what_is_below_does_not(till: Till) -> None:
    height = till.chain.tip.ref.height
    till.deposit("alice", 70_000, blocks=1)
    till.deposit("bob", 50_000)
    assert mine_in_doubt(till, height + 1, 4) == 1
    assert till.deposits() == ["credited", "confirming"]
    assert settle(till, height + 1) == 0
    assert settle(till) == 1
    assert till.deposits() == ["credited", "credited"]
    assert settle(till) == 0
    till.mine(6)
    assert till.deposits() == ["final", "final"]
    assert till.events().count("deposit.credited") == 2
    assert till.balance(f"client:bob:{till.currency}:available") == 50_000


def test_d32_a_held_credit_is_given_with_the_next_block_too(till: Till) -> None:
    height = till.chain.tip.ref.height
    till.deposit("alice", 70_000)
    assert mine_in_doubt(till, height, 9) == 0
    assert till.deposits() == ["confirming"]
    till.mine(1)
    assert till.deposits() == ["final"]
    assert till.balance(f"client:alice:{till.currency}:available") == 70_000


def test_d32_a_payment_on_the_losing_side_of_the_doubt_is_never_credited(till: Till) -> None:
    height = till.chain.tip.ref.height
    tx = till.deposit("alice", 70_000)
    mine_in_doubt(till, height, 4)
    rival = till.chain.pay((b"somebody else", 1), conflicts=tx)
    till.reorg(4, [[rival]])
    assert settle(till) == 0
    assert till.deposits() == ["orphaned"]
    assert "deposit.credited" not in till.events()
    till.mine(8)
    assert till.deposits() == ["orphaned"]


def test_a_held_credit_is_given_at_our_own_tip_only(till: Till) -> None:
    till.deposit("alice", 70_000)
    old = till.chain.tip.ref.block_hash
    mine_in_doubt(till, till.chain.tip.ref.height, 4)
    with pytest.raises(ParentMismatchError):
        till.do(CreditDue(till.currency, old))
    assert till.deposits() == ["confirming"]


@pytest.mark.parametrize("height", [-1, 1.0, True])
def test_d23_a_height_in_doubt_that_is_none_refuses_the_delta(till: Till, height: int) -> None:
    till.chain.mine(1)
    with pytest.raises(BlockRefusedError, match="is no height"):
        till.do(ApplyChainDelta(replace(till.delta(), credit_height=height)))
    till.mine()
