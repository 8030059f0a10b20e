"""Out of cold storage by somebody else's hand, and into it by a client's payout: booked, never a halt."""

from __future__ import annotations

from pathlib import Path

import pytest

from coins.types import Branch, Outpoint
from ledger.commands import AnnounceHouseFunding, Idempotency, OpenWithdrawal, ProposeCold, SetCurrencyState
from ledger.connection import connect
from ledger.errors import AlreadyExistsError
from ledger.queries import GetGauges
from ledger.reader_gauges import get_gauges
from ledger.snapshot import Snapshot
from tests.fakes.chain import FAUCET, FakeTx
from tests.fakes.coin import foreign, own_script
from tests.ledger.test_cold import (
    CEILING,
    FLOAT,
    TARGET,
    cold_of,
    fund,
    in_cold,
    opened,
    proposed,
    spend_of,
)
from tests.ledger.test_cold import till as till
from tests.ledger.till import ETH, Till


def announce(till: Till, tx: FakeTx, currency: str = "") -> None:
    till.do(AnnounceHouseFunding(currency or till.currency, tx.txid, "op", "from cold"))


def cases(till: Till) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = till.rows("SELECT kind, status, amount FROM unclaimed_case")
    return found


def outpoint_of(till: Till) -> tuple[Outpoint, int]:
    """What lies on the cold address."""
    held = till.chain.tip.state.outputs.items()
    ((outpoint, amount),) = [(at, amount) for at, (script, amount) in held if script == cold_of(till).script]
    return outpoint, amount


@pytest.mark.parametrize("has_house", [True, False])
def test_the_fee_of_an_announced_way_back_is_an_expense_whoever_the_money_is(
    tmp_path: Path, has_house: bool
) -> None:
    till = opened(tmp_path) if has_house else Till(tmp_path)
    if not has_house:
        till.issue("cold:1", Branch.COLD)
        till.deposit("alice", FLOAT, blocks=6)
    in_cold(till)
    house, fees = till.balance("house:BTC"), till.balance("network_fee:BTC")
    tx = spend_of(till, 500, (till.hot.script, 1_000_000))
    announce(till, tx)
    for blocks in ([[tx]], [[], [tx]], [[], [], [tx], []]):
        till.reorg(len(blocks) - 1, blocks)
        till.check()
        assert till.balance("network_fee:BTC") == fees + 500
        assert (till.balance("house:BTC"), till.balance("unexplained:BTC")) == (house, 0)
    assert cases(till) == []
    till.close()


def test_an_announced_spend_pays_others_out_of_the_house_and_its_fee_apart(tmp_path: Path) -> None:
    till = opened(tmp_path)
    in_cold(till)
    house, fees = till.balance("house:BTC"), till.balance("network_fee:BTC")
    tx = spend_of(till, 700, (foreign("bank").script, 900_000), (till.hot.script, 100_000))
    announce(till, tx)
    till.mine(1, [tx])
    till.check()
    assert till.balance("house:BTC") == house - 900_000
    assert till.balance("network_fee:BTC") == fees + 700
    till.close()


@pytest.mark.parametrize("has_house", [True, False])
def test_an_announced_spend_may_bring_money_from_elsewhere_as_well(tmp_path: Path, has_house: bool) -> None:
    till = opened(tmp_path) if has_house else Till(tmp_path)
    if not has_house:
        till.issue("cold:1", Branch.COLD)
        till.deposit("alice", FLOAT, blocks=6)
    in_cold(till)
    before, house, (outpoint, amount) = till.onchain(), till.balance("house:BTC"), outpoint_of(till)
    outputs = ((till.hot.script, amount + 700_000),)
    tx = FakeTx(outputs=outputs, inputs=(Outpoint(FAUCET, 9_999), outpoint))
    announce(till, tx)
    for blocks in ([[tx]], [[], [tx]], [[], [], [tx], []]):
        till.reorg(len(blocks) - 1, blocks)
        till.check()
        assert till.onchain() == before | {"cold": 0, "hot": before["hot"] + amount + 700_000}
        assert (till.balance("house:BTC"), till.balance("unexplained:BTC")) == (house + 700_000, 0)
    assert cases(till) == []
    till.close()


@pytest.mark.parametrize("is_announced", [True, False])
def test_the_owner_spends_a_movement_in_its_own_block(till: Till, is_announced: bool) -> None:
    view = proposed(till)
    till.decide(view.id, "approve")
    till.pay_all()
    mine = FakeTx.decode(till.rows("SELECT raw FROM attempt ORDER BY rowid DESC LIMIT 1")[0][0])
    back = ((till.hot.script, mine.outputs[0][1] - 300),)
    tx = FakeTx(outputs=back, inputs=(Outpoint(mine.txid, 0),))
    if till.currency == "ETH":
        tx = FakeTx(outputs=back, sender=cold_of(till).script, nonce=0, gas_fee=50)
    if is_announced:
        announce(till, tx)
    till.mine(1, [mine, tx])
    till.check()
    till.reorg(1, [[mine], [tx]])
    till.check()
    till.reorg(2, [[], [mine, tx], []])
    till.check()
    till.mine(7)
    assert till.status(view.id) == "final"
    assert (cases(till) == []) is is_announced


@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_a_payout_to_what_became_the_cold_address_is_paid_and_never_stops_the_chain(
    tmp_path: Path, coin: str
) -> None:
    till = Till(tmp_path, ETH) if coin == "ETH" else Till(tmp_path)
    cold = own_script(coin, Branch.COLD, 0)
    fund(till, FLOAT)
    till.deposit("alice", 2_000_000, blocks=6)
    command = OpenWithdrawal(
        id="wd_early",
        website="shop",
        client_id="alice",
        currency=coin,
        amount=1_000_000,
        is_fee_included=False,
        address=cold.address,
        script=cold.script,
        external_id="early",
        by="key:shop",
        idempotency=Idempotency("key:shop", "early", "hash"),
    )
    till.do(command)
    till.pay_all()
    till.issue("cold:1", Branch.COLD)
    till.mine(1)
    for depth in (1, 2):
        till.check()
        assert till.onchain()["cold"] == 1_000_000
        assert cases(till) == [("funding", "open", "1000000")]
        assert till.balance(f"suspense:{coin}") == 1_000_000
        till.reorg(depth)
        till.check()
        till.mine(1)
    till.mine(7)
    till.check()
    assert till.status("wd_early") == "final"
    assert till.client("alice") == (2_000_000 - 1_000_000 - till.coin.withdrawal_fee, 0, 0, 0)
    till.close()


def test_what_left_cold_unannounced_is_not_announced_afterwards_but_decided(till: Till) -> None:
    in_cold(till)
    tx = FakeTx(outputs=((foreign("bank").script, 900_000),), sender=cold_of(till).script, nonce=0)
    if till.currency == "BTC":
        outpoint, _ = outpoint_of(till)
        tx = FakeTx(outputs=((foreign("bank").script, 900_000),), inputs=(outpoint,))
    till.mine(1, [tx])
    with pytest.raises(AlreadyExistsError):
        announce(till, tx)


def test_a_token_announced_from_cold_holds_nothing(tmp_path: Path) -> None:
    till = opened(tmp_path, "ETH")
    name, cold = till.list_token(), cold_of(till)
    till.do(SetCurrencyState(name, "open", ""))
    announce(till, till.chain.pay((till.hot.script, FLOAT), token=name), name)
    till.mine(6)
    till.do(ProposeCold("wd_token", name, cold.address, cold.script, CEILING, TARGET))
    till.decide("wd_token", "approve")
    till.pay_all()
    till.mine(7)
    announce(till, till.chain.pay((cold.script, 100_000)))  # gas for its owner
    till.mine(6)
    back = FakeTx(outputs=((till.hot.script, 50_000),), sender=cold.script, gas_fee=50, nonce=0, token=name)
    announce(till, back, name)
    till.mine(1, [back])
    till.check()
    assert cases(till) == []
    assert till.onchain(name)["hot"] == TARGET + 50_000
    till.close()


def test_a_proposal_nobody_approved_is_no_withdrawal_that_waits(till: Till) -> None:
    def oldest() -> list[bool]:
        db = connect(till.store.path)
        try:
            seen = get_gauges(Snapshot(db, till.now_s + 5_000), GetGauges())
        finally:
            db.close()
        return [each.oldest_unsigned_at is not None for each in seen.currencies]

    view = proposed(till)
    assert oldest() == [False]
    till.decide(view.id, "approve")
    assert oldest() == [True]
