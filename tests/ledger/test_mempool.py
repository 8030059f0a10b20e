"""The mempool's word: shown, never believed further than that."""

from __future__ import annotations

from pathlib import Path

import pytest

from coins.types import MempoolView, Receipt
from ledger.commands import ApplyMempool
from ledger.errors import BlockRefusedError
from ledger.mempool import HANDLERS
from tests.ledger.till import Till


@pytest.fixture
def till(tmp_path: Path) -> Till:
    return Till(tmp_path)


def view(till: Till, *receipts: Receipt) -> ApplyMempool:
    return ApplyMempool("BTC", MempoolView(receipts, frozenset(r.txid for r in receipts)))


def test_it_comes_goes_and_comes_again(till: Till) -> None:
    assert set(HANDLERS) == {ApplyMempool}
    receipt = Receipt("BTC", "aa" * 32, "0", till.address("alice"), 70_000)
    states = []
    for receipts in ((receipt,), (receipt,), (), (), (receipt,)):
        changed = till.do(view(till, *receipts))
        states.append((changed, till.deposits()[0]))
    assert states == [(1, "seen"), (0, "seen"), (1, "conflicted"), (0, "conflicted"), (1, "seen")]
    assert till.client("alice") == (0, 0, 0, 0)
    assert till.rows("SELECT count(*) FROM journal") == [(0,)]
    till.check()
    till.close()


def test_what_is_in_a_block_is_not_moved_by_the_mempool(till: Till) -> None:
    till.deposit("alice", 70_000, blocks=1)
    assert till.do(view(till)) == 0
    assert till.deposits() == ["confirming"]
    till.close()


def test_zero_and_hostile_amounts(till: Till) -> None:
    script = till.address("alice")
    assert till.do(view(till, Receipt("BTC", "aa" * 32, "0", script, 0))) == 0
    with pytest.raises(BlockRefusedError):
        till.do(view(till, Receipt("BTC", "aa" * 32, "0", script, -1)))
    with pytest.raises(BlockRefusedError):
        till.do(view(till, Receipt("BTC", "aa" * 32, "0", b"not ours", 1)))
    assert till.deposits() == []
    till.close()


def test_d33_what_a_mempool_said_of_a_payment_is_nothing_once_a_block_tells_it(till: Till) -> None:
    tx = till.deposit("alice", 5_000)
    others = till.address("bob")
    for script, amount in ((others, 5_000), (till.address("alice"), 90_000_000)):
        lie = Receipt("BTC", tx.txid, "0", script, amount)
        till.do(view(till, lie))
    till.mine(6)
    assert (till.client("alice"), till.client("bob")) == ((5_000, 0, 0, 0), (0, 0, 0, 0))
    assert till.rows("SELECT client_id, amount, status FROM deposit") == [("alice", "5000", "final")]
    till.check()
    till.close()
