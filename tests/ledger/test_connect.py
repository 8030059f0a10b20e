"""Deposits from mempool to final, on a chain in memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from coins.types import Block, BlockRef, ChainDelta, MempoolView, Outpoint, Receipt, Spend
from ledger.commands import AnnounceHouseFunding, ApplyChainDelta, ApplyMempool
from ledger.errors import BlockRefusedError, ParentMismatchError, StaleAddressesError
from tests.fakes.oracle import check_books
from tests.ledger.till import ETH, Till


@pytest.fixture(params=["BTC", "ETH"])
def till(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Till]:
    made = Till(tmp_path, ETH) if request.param == "ETH" else Till(tmp_path)
    yield made
    made.check()
    made.close()


def test_d01_unconfirmed_is_shown_and_never_credited(till: Till) -> None:
    till.deposit("alice", 70_000)
    assert till.look() == 1
    assert till.look() == 0
    assert till.deposits() == ["seen"]
    assert till.client("alice") == (0, 0, 0, 0)
    till.check()


def test_d02_credited_exactly_at_n_and_once(till: Till) -> None:
    till.deposit("alice", 70_000)
    seen = []
    for _ in range(10):
        till.mine()
        seen.append((till.deposits()[0], till.client("alice")[0]))
        till.check()
    assert seen == [("confirming", 0)] * 2 + [("credited", 70_000)] * 3 + [("final", 70_000)] * 5
    assert till.client("alice") == (70_000, 0, 0, 0)
    assert till.onchain() == {"deposit": 70_000, "hot": 0}
    assert [e for e in till.events() if e.startswith("deposit.")] == [
        "deposit.confirming",
        "deposit.credited",
        "deposit.final",
    ]


def test_d03_replaced_away_is_conflicted_and_credited_if_mined_after_all(till: Till) -> None:
    tx = till.deposit("alice", 70_000)
    till.look()
    other = till.chain.pay((b"attacker", 70_000), conflicts=tx)
    till.chain.replace(tx, other)
    assert till.look() == 1
    assert till.deposits() == ["conflicted"]
    till.mine(6)
    assert till.deposits() == ["conflicted"]
    assert till.client("alice") == (0, 0, 0, 0)
    till.reorg(6, [[tx]])
    assert till.deposits() == ["final"]
    assert till.client("alice") == (70_000, 0, 0, 0)


def test_d05_double_spend_in_a_block_is_not_credited(till: Till) -> None:
    tx = till.deposit("alice", 70_000)
    till.look()
    till.mine(6, [till.chain.pay((b"attacker", 70_000), conflicts=tx)])
    till.look()
    assert till.deposits() == ["conflicted"]
    assert till.client("alice") == (0, 0, 0, 0)


def test_d11_coinbase_waits_for_its_maturity(tmp_path: Path) -> None:
    till = Till(tmp_path)
    till.mine(1, coinbase=till.address("alice"))
    till.mine(98)
    assert till.deposits() == ["confirming"]
    till.mine(1)
    assert till.deposits() == ["final"] or till.deposits() == ["credited"]
    assert till.client("alice")[0] == 50 * 10**8
    till.check()


def test_d17_two_outputs_to_one_address_are_two_deposits(tmp_path: Path) -> None:
    till = Till(tmp_path)
    script = till.address("alice")
    till.chain.pay((script, 10_000), (script, 20_000))
    till.mine(3)
    assert till.rows("SELECT position, amount FROM deposit ORDER BY position") == [
        ("0", "10000"),
        ("1", "20000"),
    ]
    assert till.client("alice")[0] == 30_000
    assert till.do(ApplyChainDelta(till.delta())).is_replay
    till.check()


def test_d17_a_delta_applied_twice_is_answered_the_same(till: Till) -> None:
    till.deposit("alice", 70_000)
    till.chain.mine(4)
    delta = till.delta()
    first = till.do(ApplyChainDelta(delta))
    again = till.do(ApplyChainDelta(delta))
    assert (first.tip, first.is_replay, again.tip, again.is_replay) == (again.tip, False, first.tip, True)
    assert till.client("alice")[0] == 70_000


def test_d18_one_tx_pays_two_hundred_clients(tmp_path: Path) -> None:
    till = Till(tmp_path)
    outputs = [(till.address(f"c{n}"), 10_000 + n) for n in range(200)]
    till.chain.pay(*outputs)
    till.mine(3)
    assert [till.client(f"c{n}")[0] for n in range(200)] == [10_000 + n for n in range(200)]
    till.check()


def test_d21_zero_and_tiny_outputs(tmp_path: Path) -> None:
    till = Till(tmp_path)
    script = till.address("alice")
    till.chain.pay((script, 0), (script, 1), (script, 999), (script, 1_000))
    till.mine(6)
    assert till.rows("SELECT amount, status, reason FROM deposit ORDER BY ordinal") == [
        ("1", "parked", "below_minimum"),
        ("999", "parked", "below_minimum"),
        ("1000", "final", None),
    ]
    assert till.client("alice") == (1_000, 0, 0, 0)
    assert till.balance("suspense:BTC") == 1_000
    assert till.rows("SELECT count(*) FROM unclaimed_case WHERE status = 'open'") == [(2,)]
    till.reorg(5)
    till.check()


def test_deposits_closed_park_and_reopen_after_a_reorg(tmp_path: Path) -> None:
    till = Till(tmp_path, deposits="closed")
    tx = till.deposit("alice", 70_000)
    till.mine(2)
    assert till.deposits() == ["parked"]
    assert till.balance("suspense:BTC") == 70_000
    till.chain.reorg(2, [[], []])
    till.chain.mempool.pop(tx.txid, None)
    till.follow()
    assert till.deposits() == ["orphaned"]
    assert till.balance("suspense:BTC") == 0
    assert till.events()[-2:] == ["deposit.orphaned", "case.closed"]
    till.check()


@pytest.mark.parametrize("amount", [-1, 1.5, None, "1.0", True, 2**256, float("nan")])
def test_d23_hostile_numbers_are_refused_whole(tmp_path: Path, amount: object) -> None:
    till = Till(tmp_path)
    script = till.address("alice")
    good = Receipt("BTC", "aa" * 32, "0", script, 70_000)
    bad = Receipt("BTC", "bb" * 32, "0", script, amount)  # type: ignore[arg-type]
    before = till.known()
    with pytest.raises(BlockRefusedError):
        till.do(ApplyChainDelta(till.raw_block(receipts=(good, bad))))
    assert till.known() == before
    assert till.deposits() == []
    till.check()


@pytest.mark.parametrize(
    "parts",
    [
        {"receipts": (Receipt("BTC", "aa" * 32, "0", b"not ours", 5),)},
        {"receipts": (Receipt("DOGE", "aa" * 32, "0", b"not ours", 5),)},
        {"receipts": (Receipt("BTC", "aa" * 32, "x", b"", 5),)},
        {"receipts": (Receipt("BTC", "", "0", b"", 5),)},
        {"spends": (Spend("aa" * 32, Outpoint("bb" * 32, 0), 0),)},
        {"spends": (Spend("aa" * 32, Outpoint("bb" * 32, -1), 0),)},
    ],
)
def test_d23_impossible_movements_are_refused_whole(tmp_path: Path, parts: dict[str, object]) -> None:
    till = Till(tmp_path)
    with pytest.raises(BlockRefusedError):
        till.do(ApplyChainDelta(till.raw_block(**parts)))
    assert len(till.known()) == 1
    till.check()


def test_d24_duplicate_txid_in_two_blocks_is_credited_once(tmp_path: Path) -> None:
    till = Till(tmp_path)
    receipt = Receipt("BTC", "aa" * 32, "0", till.address("alice"), 70_000)
    till.do(ApplyChainDelta(till.raw_block(receipts=(receipt,))))
    till.do(ApplyChainDelta(till.raw_block(receipts=(receipt,))))
    for _ in range(4):
        till.do(ApplyChainDelta(till.raw_block()))
    assert till.client("alice")[0] == 70_000
    assert till.rows("SELECT kind FROM unclaimed_case") == [("duplicate",)]
    till.check()


def test_d27_blocks_out_of_order_are_refused(till: Till) -> None:
    till.deposit("alice", 70_000)
    before = till.known()
    till.chain.mine(2)
    both = till.delta()
    with pytest.raises(ParentMismatchError):
        till.do(ApplyChainDelta(replace(both, connected=both.connected[1:])))
    assert till.known() == before
    for _ in range(5):
        till.do(ApplyChainDelta(both))
    assert len(till.known()) == 3


def test_d36_a_fault_in_the_middle_of_a_block_leaves_nothing(tmp_path: Path) -> None:
    till = Till(tmp_path)
    scripts = [till.address(f"c{n}") for n in range(100)]
    receipts = [Receipt("BTC", f"{n:064x}", "0", script, 5_000) for n, script in enumerate(scripts)]
    delta = till.raw_block(receipts=tuple(receipts))
    broken = list(receipts)
    broken[37] = Receipt("BTC", "ff" * 32, "0", b"not ours", 5_000)
    with pytest.raises(BlockRefusedError):
        till.do(ApplyChainDelta(till.raw_block(receipts=tuple(broken))))
    assert till.rows("SELECT (SELECT count(*) FROM deposit), (SELECT count(*) FROM journal)") == [(0, 0)]
    till.do(ApplyChainDelta(delta))
    assert till.rows("SELECT count(*) FROM deposit") == [(100,)]
    till.check()


def test_a_scan_that_missed_a_script_is_refused(till: Till) -> None:
    till.deposit("alice", 70_000)
    till.chain.mine()
    with pytest.raises(StaleAddressesError):
        till.do(ApplyChainDelta(replace(till.delta(), address_seq=till.address_seq - 1)))
    till.follow()
    assert till.deposits() == ["confirming"]


@pytest.mark.parametrize("decimals", [0, 6, 8, 18, 30])
def test_e15_one_unit_and_the_most_there_can_be_are_exact(tmp_path: Path, decimals: int) -> None:
    till = Till(tmp_path, ETH, decimals=decimals, minimum_deposit=1)
    most = 2**256 - 1
    till.deposit("alice", 1, blocks=3)
    till.deposit("bob", most, blocks=3)
    assert till.client("alice") == (1, 0, 0, 0)
    assert till.client("bob") == (most, 0, 0, 0)
    assert till.onchain()["deposit"] == 2**256
    view = till.open("bob", 2**255)
    assert till.client("bob") == (most - 2**255 - view.fee, 2**255 + view.fee, 0, 0)
    till.check()
    till.close()


def test_d26_blocks_nobody_told_of_are_found_all_the_same(till: Till) -> None:
    for number in range(20):
        till.chain.pay((till.address(f"c{number % 4}"), 10_000 + number))
        till.chain.mine()
    applied = till.follow()
    assert (applied.credited, applied.tip) == (18, till.chain.tip.ref)
    assert sum(till.client(f"c{n}")[0] for n in range(4)) == sum(10_000 + n for n in range(18))


def test_e01_a_reverted_tx_with_value_is_nothing(tmp_path: Path) -> None:
    till = Till(tmp_path, ETH)
    tx = till.deposit("alice", 70_000)
    till.look()
    till.chain.failing.add(tx.txid)
    till.mine(6)
    till.look()
    assert till.deposits() == ["conflicted"]
    assert till.client("alice") == (0, 0, 0, 0)
    till.check()


def test_funding_goes_to_the_house_when_announced_and_to_suspense_when_not(till: Till) -> None:
    announced = till.chain.pay((till.hot.script, 90_000))
    till.do(AnnounceHouseFunding(till.currency, announced.txid, "op", "float"))
    till.chain.pay((till.hot.script, 40_000))
    till.mine()
    assert till.balance(f"house:{till.currency}") == 90_000
    assert till.balance(f"suspense:{till.currency}") == 40_000
    assert till.onchain() == {"deposit": 0, "hot": 130_000}
    assert till.rows("SELECT kind, amount FROM unclaimed_case") == [("funding", "40000")]
    till.reorg(1)
    assert till.balance(f"house:{till.currency}") == 0
    till.mine()
    assert till.balance(f"house:{till.currency}") == 90_000


def test_mempool_receipts_of_the_house_are_not_shown(till: Till) -> None:
    till.chain.pay((till.hot.script, 90_000))
    assert till.look() == 0
    receipt = Receipt(till.currency, "aa" * 32, "0", till.address("alice"), -5)
    with pytest.raises(BlockRefusedError):
        till.do(ApplyMempool(till.currency, MempoolView((receipt,), frozenset())))


def test_five_thousand_deposits_in_one_block_are_credited_in_time(tmp_path: Path) -> None:
    till = Till(tmp_path)
    scripts = [till.address(f"c{n}") for n in range(500)]
    receipts = [
        Receipt("BTC", f"{n:064x}", str(k), script, 5_000)
        for k in range(10)
        for n, script in enumerate(scripts)
    ]
    till.do(ApplyChainDelta(till.raw_block(receipts=tuple(receipts))))
    till.do(ApplyChainDelta(till.raw_block()))
    delta = till.raw_block()
    started = time.process_time()
    assert till.do(ApplyChainDelta(delta)).credited == 5_000
    assert time.process_time() - started < 2
    till.check()


def test_the_same_chain_tx_mined_anew_counts_as_it_is_now(tmp_path: Path) -> None:
    """A contract may pay another amount when its call is mined again on another branch."""
    till = Till(tmp_path, ETH)
    first = Receipt("ETH", "ab" * 32, "log:0", till.address("alice"), 10**18, sender=b"z" * 20)
    old = till.raw_block(receipts=(first,))
    till.do(ApplyChainDelta(old))
    assert till.client("alice") == (0, 0, 10**18, 0)
    parent = till.known()[1]
    ref = BlockRef(parent.height + 1, "77" * 32, parent.block_hash, parent.time + 1)
    block = Block(ref, receipts=(replace(first, amount=10**15, script=till.address("bob")),))
    delta = ChainDelta("ETH", (old.connected[0].ref,), (block,), till.address_seq)
    till.do(ApplyChainDelta(delta))
    assert (till.client("alice"), till.client("bob")) == ((0, 0, 0, 0), (0, 0, 10**15, 0))
    assert till.onchain()["deposit"] == 10**15
    assert check_books(till.store.path) == []
    till.close()
