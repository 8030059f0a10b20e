"""Refunds and write-offs: paid exactly once, kept or admitted, and never before it is final."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from coins.types import Outpoint
from ledger.commands import (
    AnnounceHouseFunding,
    GetPayoutWork,
    PostTransfer,
)
from ledger.errors import (
    ActionNotAllowedError,
    BelowMinimumError,
    CaseDecidedError,
    ForbiddenAddressError,
    NotConfirmedError,
    NotFoundError,
    NotHeldError,
    PayoutsHeldError,
)
from ledger.verify import verify_file
from tests.fakes.chain import FakeTx
from tests.fakes.coin import foreign
from tests.ledger.desk import (
    assign,
    case_id,
    key,
    refund,
    states,
    write_off,
)
from tests.ledger.till import ETH, Till


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    opened = Till(tmp_path)
    yield opened
    opened.check()
    assert verify_file(opened.store.path) == []
    opened.close()


# -- refunds -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_a_refund_is_paid_exactly_once(tmp_path: Path, coin: str) -> None:
    till = Till(tmp_path, ETH) if coin == "ETH" else Till(tmp_path)
    tx = till.chain.pay((till.hot.script, 500_000))
    till.do(AnnounceHouseFunding(coin, tx.txid, "op", "float"))
    till.deposit("alice", 999, blocks=6)
    case = case_id(till)
    view = refund(till, case)
    assert (view.status, view.withdrawal_id) == ("refunding", till.rows("SELECT id FROM withdrawal")[0][0])
    assert (till.balance(f"refund_payable:{coin}"), till.balance(f"suspense:{coin}")) == (999, 0)
    till.check()
    with pytest.raises(CaseDecidedError):
        refund(till, case)
    for _ in range(3):
        till.pay_all()
        till.reopen()
        till.resume()
    till.mine(1)
    till.check()
    till.reorg(1)
    till.check()
    till.mine(7)
    assert states(till) == ["refunded"]
    assert till.events()[-2:] == ["withdrawal.final", "case.closed"] or coin == "ETH"
    assert till.balance(f"refund_payable:{coin}") == 0
    payees = [
        amount
        for ref in till.chain.refs()
        for paid in till.chain.blocks[ref.block_hash].txs
        for script, amount in paid.outputs
        if script == till.rows("SELECT script FROM withdrawal")[0][0]
    ]
    assert payees == [999]
    till.check()
    till.close()


def test_a_refund_that_is_rejected_opens_the_case_again(tmp_path: Path) -> None:
    till = Till(tmp_path, approval_above=500)
    till.deposit("alice", 999, blocks=6)
    case = case_id(till)
    view = refund(till, case)
    assert till.status(view.withdrawal_id or "") == "held"
    till.decide(view.withdrawal_id or "", "reject")
    assert (states(till), till.balance("suspense:BTC")) == (["open"], 999)
    assert till.events()[-2:] == ["case.opened", "withdrawal.rejected"]
    till.check()
    again = refund(till, case)
    assert again.withdrawal_id != view.withdrawal_id
    till.check()
    till.close()


def test_a_queued_refund_is_rejected_until_it_is_signed_and_its_case_opens_again(tmp_path: Path) -> None:
    till = Till(tmp_path)
    till.chain.pay((till.hot.script, 500_000))
    till.deposit("alice", 999, blocks=6)
    till.deposit("bob", 50_000, blocks=3)
    case = till.rows("SELECT id FROM unclaimed_case WHERE kind = 'parked'")[0][0]
    assign(till, till.rows("SELECT id FROM unclaimed_case WHERE kind = 'funding'")[0][0], "house")
    for is_planned in (False, True):
        view = refund(till, case)
        assert till.status(view.withdrawal_id or "") == "approved"
        if is_planned:
            till.reserve(till.work()[0])
        till.decide(view.withdrawal_id or "", "reject")
        assert till.status(view.withdrawal_id or "") == "rejected"
        assert (states(till)[-1], till.balance("suspense:BTC")) == ("open", 999)
        assert (till.attempts(), till.work()) == (["abandoned"] if is_planned else [], [])
        with pytest.raises(NotHeldError):
            till.decide(view.withdrawal_id or "", "reject")
        till.check()
    view = refund(till, case)
    till.pay_all()
    with pytest.raises(NotHeldError):
        till.decide(view.withdrawal_id or "", "reject")
    client = till.open("bob", 20_000)
    with pytest.raises(NotHeldError):
        till.decide(client.id, "reject")
    till.mine(7)
    assert "refunded" in states(till)
    till.check()
    till.close()


def test_a_refund_never_goes_to_ourselves_nor_as_dust_nor_before_it_is_final(tmp_path: Path) -> None:
    till = Till(tmp_path, dust=600)
    till.deposit("alice", 999)
    till.deposit("bob", 599)
    till.mine(5)
    sql = "SELECT c.id FROM unclaimed_case c ORDER BY length(amount), amount"
    small, large = [row[0] for row in till.rows(sql)]
    with pytest.raises(NotConfirmedError):
        refund(till, large)
    till.mine(1)
    with pytest.raises(ForbiddenAddressError):
        refund(till, large, script=till.hot.script)
    with pytest.raises(BelowMinimumError):
        refund(till, small)
    with pytest.raises(NotFoundError):
        refund(till, large, currency="ETH")
    till.check()
    till.close()


# -- write-offs ----------------------------------------------------------------------------------------


def test_what_nobody_claims_is_kept(till: Till) -> None:
    till.deposit("alice", 999, blocks=6)
    view = write_off(till, case_id(till))
    assert view.status == "written_off"
    assert (till.balance("unclaimed:BTC"), till.balance("suspense:BTC")) == (999, 0)
    assert till.deposits() == ["parked"]


def test_a_loss_is_admitted_and_payouts_go_on(till: Till) -> None:
    mine = till.deposit("alice", 100_000, blocks=6)
    till.deposit("bob", 300_000, blocks=6)
    theft = FakeTx(((foreign("thief").script, 99_000),), (Outpoint(mine.txid, 0),))
    till.mine(1, [theft])
    view = till.open("bob", 20_000)
    with pytest.raises(PayoutsHeldError):
        till.do(GetPayoutWork("BTC"))
    with pytest.raises(NotConfirmedError):
        write_off(till, case_id(till))
    till.mine(5)
    with pytest.raises(ActionNotAllowedError):
        assign(till, case_id(till), "alice")
    write_off(till, case_id(till))
    assert (till.balance("unexplained:BTC"), till.balance("loss:BTC")) == (0, 100_000)
    till.pay_all()
    till.mine(3)
    assert till.status(view.id) == "confirmed"


def test_house_money_used_before_a_reorg_is_a_case_that_ends_when_it_is_mined_again(till: Till) -> None:
    tx = till.chain.pay((till.hot.script, 40_000))
    till.do(AnnounceHouseFunding("BTC", tx.txid, "op", "float"))
    till.mine(1)
    till.do(PostTransfer("tr", "shop", "house", "bob", "BTC", 30_000, "x1", "bonus", "k", key(till)))
    till.reorg(1, [[]])
    assert till.rows("SELECT kind, amount, status FROM unclaimed_case") == [("shortage", "30000", "open")]
    till.check()
    till.mine(1)
    assert states(till) == ["closed"]
    assert till.balance("unexplained:BTC") == 0
    till.reorg(1, [[till.chain.pay((b"attacker", 1), conflicts=tx)]])
    write_off(till, case_id(till))
    assert (till.balance("unexplained:BTC"), till.balance("loss:BTC")) == (0, 30_000)
