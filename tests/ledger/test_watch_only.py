"""Clients pay to a cold wallet, payouts leave a hot wallet that is funded apart: what the books say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from coins.types import Branch
from ledger.commands import AnnounceHouseFunding, GetPayoutWork
from ledger.connection import connect
from ledger.errors import PayoutsHeldError
from ledger.queries import GetColdChange, GetGauges
from ledger.reader_gauges import get_gauges
from ledger.reader_scan import get_cold_change
from ledger.snapshot import Snapshot
from ledger.views import ColdChangeView
from ledger.work import LARGEST_SPENDABLE, OLDEST_SPENDABLE
from tests.fakes.chain import FakeTx
from tests.fakes.coin import foreign
from tests.ledger.books import NOW
from tests.ledger.till import ETH, Till


@pytest.fixture(params=["BTC", "ETH"])
def till(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Till]:
    made = Till(tmp_path, ETH) if request.param == "ETH" else Till(tmp_path)
    made.is_watch_only = True
    yield made
    made.check()
    assert made.balance(f"unexplained:{made.currency}") == 0 or made.rows("SELECT 1 FROM unclaimed_case")
    made.close()


def fund(till: Till, amount: int, blocks: int = 6) -> None:
    tx = till.chain.pay((till.hot.script, amount))
    till.do(AnnounceHouseFunding(till.currency, tx.txid, "op", "float"))
    till.mine(blocks)


def spend(till: Till, client_id: str, fee: int, *outputs: tuple[bytes, int], is_told: bool = True) -> FakeTx:
    """The cold wallet pays from a client's address; the rest goes to its own change address."""
    source = till.address(client_id)
    if till.currency == "ETH":
        tx = FakeTx(outputs=outputs, sender=source, nonce=0, gas_fee=fee)
    else:
        unspent = till.chain.tip.state.outputs.items()
        ((outpoint, amount),) = [(point, held) for point, (script, held) in unspent if script == source]
        change = till.issue("cold_change:0", Branch.COLD_CHANGE).script
        rest = amount - fee - sum(each for _, each in outputs)
        tx = FakeTx(outputs=(*outputs, (change, rest)), inputs=(outpoint,))
    if is_told:
        till.do(AnnounceHouseFunding(till.currency, tx.txid, "op", "cold to hot"))
    till.chain.send(tx)
    return tx


def test_a_deposit_is_the_clients_and_lies_in_cold_storage(till: Till) -> None:
    till.deposit("alice", 300_000, 6)
    assert till.client("alice") == (300_000, 0, 0, 0)
    assert till.onchain() == {"deposit": 0, "hot": 0, "cold": 300_000}
    till.check()


def test_no_payout_and_no_sweep_touches_it_and_hot_money_pays_as_soon_as_there_is_some(till: Till) -> None:
    till.deposit("alice", 300_000, 6)
    view = till.open("alice", 100_000)
    for work in till.work():
        assert (work.kind, work.utxos, work.balance or 0) == ("payout", (), 0)
    assert till.pay_all() == 0
    assert till.status(view.id) == "approved"
    fund(till, 150_000)
    assert till.pay_all() == 1
    till.mine(7)
    assert till.status(view.id) == "final"
    fee = till.balance(f"network_fee:{till.currency}")
    earned = till.balance(f"withdrawal_fee:{till.currency}")
    assert fee > 0
    assert till.onchain() == {"deposit": 0, "hot": 50_000 - fee, "cold": 300_000}
    assert till.client("alice") == (200_000 - earned, 0, 0, 0)


def test_an_announced_movement_from_the_cold_wallet_to_the_hot_one_is_between_locations(till: Till) -> None:
    fund(till, 10_000)
    till.deposit("alice", 300_000, 6)
    tx = spend(till, "alice", 700, (till.hot.script, 200_000))
    till.mine(1)
    till.check()
    moved = {"deposit": 0, "hot": 210_000, "cold": 99_300}
    assert till.onchain() == moved
    assert till.client("alice") == (300_000, 0, 0, 0)
    assert till.balance(f"unexplained:{till.currency}") == 0
    house, gas = till.balance(f"house:{till.currency}"), till.balance(f"network_fee:{till.currency}")
    assert house - gas == 10_000 - 700  # what moving it cost is an expense
    assert till.rows("SELECT count(*) FROM unclaimed_case") == [(0,)]
    till.reorg(1, [[tx]])
    till.check()
    till.mine(6)
    assert till.onchain() == moved
    # Moved money pays when it is final, and the cold wallet's change does not.
    view = till.open("alice", 150_000)
    assert till.pay_all() == 1
    till.mine(7)
    assert till.status(view.id) == "final"
    assert till.onchain()["cold"] == 99_300


def test_a_reorg_of_the_deposit_and_of_what_the_cold_wallet_made_of_it_leaves_nothing(till: Till) -> None:
    fund(till, 10_000)
    deposit = till.deposit("alice", 300_000, 1)
    tx = spend(till, "alice", 700, (till.hot.script, 200_000))
    till.mine(1)
    assert till.onchain()["hot"] == 210_000
    till.reorg(2, [[], [], []])
    till.check()
    assert till.onchain() == {"deposit": 0, "hot": 10_000, "cold": 0}
    assert till.client("alice")[0] == 0
    till.mine(1, [deposit])
    till.mine(1, [tx])
    till.mine(6)
    assert till.onchain() == {"deposit": 0, "hot": 210_000, "cold": 99_300}
    assert till.client("alice") == (300_000, 0, 0, 0)


def test_what_the_cold_wallet_spends_untold_holds_payouts(till: Till) -> None:
    fund(till, 200_000)
    till.deposit("alice", 300_000, 6)
    spend(till, "alice", 700, (foreign("thief", till.currency).script, 100_000), is_told=False)
    till.mine(6)
    assert till.balance(f"unexplained:{till.currency}") > 0
    assert ("unexplained", "open") in till.rows("SELECT kind, status FROM unclaimed_case")
    till.open("alice", 100_000)
    with pytest.raises(PayoutsHeldError):
        till.do(GetPayoutWork(till.currency, 1))


def test_what_the_cold_wallet_pays_to_a_client_is_the_clients(till: Till) -> None:
    fund(till, 200_000)
    till.deposit("alice", 300_000, 6)
    bob = till.address("bob")
    spend(till, "alice", 700, (bob, 100_000))
    till.mine(6)
    assert till.client("bob") == (100_000, 0, 0, 0)
    assert till.client("alice") == (300_000, 0, 0, 0)
    assert till.balance(f"unexplained:{till.currency}") == 0
    house, gas = till.balance(f"house:{till.currency}"), till.balance(f"network_fee:{till.currency}")
    assert house - gas == 200_000 - 100_000 - 700


def test_only_the_hot_wallet_counts_for_its_floor(till: Till) -> None:
    till.deposit("alice", 300_000, 6)
    fund(till, 70_000)
    db = connect(till.store.path, read_only=True)
    (gauges,) = get_gauges(Snapshot(db, NOW), GetGauges()).currencies
    db.close()
    assert gauges.hot == 70_000


def test_the_change_that_was_used_is_found_by_its_index(tmp_path: Path) -> None:
    till = Till(tmp_path)
    till.is_watch_only = True

    def look() -> ColdChangeView:
        db = connect(till.store.path, read_only=True)
        try:
            return get_cold_change(Snapshot(db, NOW), GetColdChange("BTC"))
        finally:
            db.close()

    assert look() == ColdChangeView(0, 0)
    for number in range(5):
        till.issue(f"cold_change:{number}", Branch.COLD_CHANGE)
    till.deposit("alice", 9_000, 1)
    assert look() == ColdChangeView(5, 0)
    for number in (3, 1):
        till.chain.pay((till.scripts[f"cold_change:{number}"].script, 8_000))
        till.mine(1)
    assert look() == ColdChangeView(5, 4)
    till.close()


def test_outputs_in_cold_storage_are_in_no_index_that_payouts_are_found_by(tmp_path: Path) -> None:
    till = Till(tmp_path)
    for sql, index in ((LARGEST_SPENDABLE, "utxo_by_amount"), (OLDEST_SPENDABLE, "utxo_unspent")):
        plan = till.rows(f"EXPLAIN QUERY PLAN {sql}", "BTC", 9, 9, 9, "BTC")
        assert any(index in str(row[-1]) for row in plan)
        ((text,),) = till.rows("SELECT sql FROM sqlite_master WHERE name = ?", index)
        assert "location <> 'cold'" in text
    till.close()
