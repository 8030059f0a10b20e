"""Money above the ceiling: proposed once, approved by operators, moved to cold, booked by location."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coins.types import Branch, OwnScript
from ledger.commands import (
    AnnounceHouseFunding,
    DecideWithdrawal,
    ProposeCold,
    ReserveAttempt,
    SetCurrencyState,
)
from ledger.errors import ApprovalRefusedError, IllegalTransitionError, NotHeldError
from ledger.verify import verify_file
from ledger.views import WithdrawalView
from tests.fakes.chain import FakeTx
from tests.fakes.coin import foreign, plan_payment
from tests.ledger.books import transfer
from tests.ledger.till import ETH, Till

FLOAT = 5_000_000
CEILING, TARGET = 3_000_000, 2_000_000


def opened(folder: Path, coin: str = "BTC", **changes: Any) -> Till:
    """A till with a cold address and house money above the ceiling, final."""
    till = Till(folder, ETH, **changes) if coin == "ETH" else Till(folder, **changes)
    till.issue("cold:1", Branch.COLD)
    fund(till, FLOAT)
    till.mine(6)
    return till


def fund(till: Till, amount: int) -> FakeTx:
    tx = till.chain.pay((till.hot.script, amount))
    till.do(AnnounceHouseFunding(till.currency, tx.txid, "op", "float"))
    return tx


def cold_of(till: Till) -> OwnScript:
    return till.scripts["cold:1"]


def propose(till: Till) -> WithdrawalView | None:
    cold, name = cold_of(till), f"wd_cold{till.number()}"
    command = ProposeCold(name, till.currency, cold.address, cold.script, CEILING, TARGET)
    view: WithdrawalView | None = till.do(command)
    return view


def proposed(till: Till) -> WithdrawalView:
    view = propose(till)
    assert view is not None
    return view


@pytest.fixture(params=["BTC", "ETH"])
def till(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Till]:
    made = opened(tmp_path, request.param)
    yield made
    made.check()
    assert verify_file(made.store.path) == []
    made.close()


def test_above_the_ceiling_the_rest_above_the_target_is_proposed_once(till: Till) -> None:
    view = proposed(till)
    assert (view.kind, view.amount, view.status, view.address) == (
        "cold",
        FLOAT - TARGET,
        "held",
        cold_of(till).address,
    )
    assert (view.approvals_needed, view.fee, view.client_id) == (1, 0, "house")
    assert till.events()[-1] == "withdrawal.held"
    assert [propose(till) for _ in range(3)] == [None] * 3
    assert till.work() == []  # nobody approved it


def test_an_approved_movement_is_a_transfer_between_locations_through_reorgs(till: Till) -> None:
    house = till.balance(f"house:{till.currency}")
    view = proposed(till)
    assert till.decide(view.id, "approve").status == "approved"
    assert till.pay_all() == 1
    assert till.rows("SELECT kind FROM intent WHERE withdrawal_id = ?", view.id) == [("cold",)]
    till.mine(1)
    till.check()
    fee = till.balance(f"network_fee:{till.currency}")
    assert fee > 0
    moved = {"deposit": 0, "hot": TARGET - fee, "cold": FLOAT - TARGET}
    assert till.onchain() == moved
    assert till.balance(f"house:{till.currency}") == house
    assert till.balance(f"suspense:{till.currency}") == 0
    till.reorg(1)
    till.check()
    till.resume()
    till.mine(7)
    assert till.onchain() == moved
    assert till.status(view.id) == "final"
    assert propose(till) is None
    assert till.rows("SELECT count(*) FROM unclaimed_case") == [(0,)]


def test_what_is_cold_is_spent_by_nobody_here(till: Till) -> None:
    view = proposed(till)
    till.decide(view.id, "approve")
    till.pay_all()
    till.mine(7)
    till.deposit("alice", FLOAT, blocks=0)
    till.mine(6)
    for work in till.work():
        assert cold_of(till).script not in [utxo.own.script for utxo in work.utxos]
    till.chain.pay((cold_of(till).script, 7))  # dust from outside changes nothing but suspense
    till.mine(1)
    assert till.balance(f"suspense:{till.currency}") == 7


def test_open_payouts_are_not_taken_for_too_much(till: Till) -> None:
    till.deposit("alice", 500_000, blocks=0)
    till.mine(6)
    till.open("alice", 400_000)
    view = proposed(till)
    in_hot = sum(till.onchain().values()) if till.currency == "BTC" else till.onchain()["hot"]
    assert view.amount == in_hot - 400_000 - TARGET


def test_a_rejected_movement_comes_again_when_its_amount_has_changed(till: Till) -> None:
    view = proposed(till)
    assert till.decide(view.id, "reject").status == "rejected"
    assert propose(till) is None
    fund(till, 300_000)
    till.mine(6)
    assert propose(till) is None  # a tenth is no news
    fund(till, 1)
    till.mine(6)
    assert proposed(till).amount == FLOAT - TARGET + 300_001


def test_a_queued_movement_is_rejected_until_it_is_signed(till: Till) -> None:
    first = proposed(till)
    till.decide(first.id, "approve")
    assert till.decide(first.id, "reject").status == "rejected"
    assert till.work() == []
    fund(till, 1_000_000)
    till.mine(6)
    second = proposed(till)
    till.decide(second.id, "approve")
    till.pay_all()
    with pytest.raises(NotHeldError):
        till.decide(second.id, "reject")
    till.mine(7)


def test_two_operators_approve_a_large_movement_by_its_digest(tmp_path: Path) -> None:
    till = opened(tmp_path, second_approval_above=1_000_000)
    view = proposed(till)
    assert view.approvals_needed == 2
    with pytest.raises(ApprovalRefusedError):
        till.decide_as("ann", view.id, "approve", "another digest")
    assert till.decide_as("ann", view.id, "approve", view.digest).status == "held"
    with pytest.raises(ApprovalRefusedError):
        till.decide_as("ann", view.id, "approve", view.digest)
    assert till.decide_as("bob", view.id, "approve", view.digest).status == "approved"
    till.close()


def test_a_movement_is_reserved_to_its_own_address_only(till: Till) -> None:
    till.decide(proposed(till).id, "approve")
    (work,) = till.work()
    assert work.kind == "cold"
    plan = plan_payment(work)
    other = foreign("thief", till.currency)
    changed = plan.__class__(
        **{
            **{name: getattr(plan, name) for name in plan.__dataclass_fields__},
            "outputs": (
                plan.outputs[0].__class__(other.script, other.address, plan.outputs[0].amount),
                *plan.outputs[1:],
            ),
        }
    )
    with pytest.raises(IllegalTransitionError):
        till.do(ReserveAttempt("at_thief", changed))


def test_the_velocity_limit_is_not_used_up_by_it(tmp_path: Path) -> None:
    till = opened(tmp_path, day_limit=600_000, maximum_withdrawal=600_000)
    till.decide(proposed(till).id, "approve")
    till.pay_all()
    till.mine(7)
    till.deposit("alice", 700_000, blocks=6)
    view = till.open("alice", 500_000)
    if view.status == "held":
        till.decide(view.id, "approve")
    till.pay_all()
    till.mine(7)
    assert till.status(view.id) == "final"
    till.check()
    till.close()


def test_an_unwatched_address_gets_nothing(tmp_path: Path) -> None:
    till = Till(tmp_path)
    fund(till, FLOAT)
    till.mine(6)
    other = foreign("elsewhere")
    assert till.do(ProposeCold("wd_x", "BTC", other.address, other.script, CEILING, TARGET)) is None
    till.close()


# -- out of cold storage, with keys that are not here ------------------------------------------------------


def in_cold(till: Till) -> None:
    view = proposed(till)
    till.decide(view.id, "approve")
    till.pay_all()
    till.mine(7)


def spend_of(till: Till, fee: int, *outputs: tuple[bytes, int]) -> FakeTx:
    """A chain tx signed with the cold key elsewhere; an account pays one output."""
    cold = cold_of(till).script
    if till.currency == "ETH":
        return FakeTx(outputs=outputs, sender=cold, nonce=0, gas_fee=fee)
    ((outpoint, amount),) = [
        (point, held) for point, (script, held) in till.chain.tip.state.outputs.items() if script == cold
    ]
    rest = amount - fee - sum(each for _, each in outputs)
    return FakeTx(outputs=(*outputs, (cold, rest)), inputs=(outpoint,))


def test_announced_money_from_cold_to_hot_is_a_transfer(till: Till) -> None:
    in_cold(till)
    hot, house = till.onchain()["hot"], till.balance(f"house:{till.currency}")
    expenses = till.balance(f"network_fee:{till.currency}")
    tx = spend_of(till, 500, (till.hot.script, 1_000_000))
    till.do(AnnounceHouseFunding(till.currency, tx.txid, "op", "back to hot"))
    till.chain.send(tx)
    till.mine(1)
    till.check()
    assert till.onchain()["hot"] == hot + 1_000_000
    assert till.onchain()["cold"] == FLOAT - TARGET - 1_000_000 - 500
    lost = house - till.balance(f"house:{till.currency}")
    spent = till.balance(f"network_fee:{till.currency}") - expenses
    assert lost + spent == 500
    assert till.balance(f"unexplained:{till.currency}") == 0
    assert till.rows("SELECT count(*) FROM unclaimed_case") == [(0,)]
    till.reorg(1, [[tx]])
    till.check()
    till.mine(6)


def test_announced_money_out_of_the_house_is_the_houses(till: Till) -> None:
    in_cold(till)
    house = till.balance(f"house:{till.currency}")
    tx = spend_of(till, 0, (foreign("bank", till.currency).script, 900_000))
    till.do(AnnounceHouseFunding(till.currency, tx.txid, "op", "profit"))
    till.chain.send(tx)
    till.mine(1)
    assert till.balance(f"house:{till.currency}") == house - 900_000
    assert till.balance(f"unexplained:{till.currency}") == 0
    assert till.onchain()["cold"] == FLOAT - TARGET - 900_000


def test_what_leaves_cold_unannounced_is_unexplained_and_holds_payouts(till: Till) -> None:
    in_cold(till)
    tx = spend_of(till, 0, (foreign("thief", till.currency).script, 900_000))
    till.chain.send(tx)
    till.mine(1)
    assert till.balance(f"unexplained:{till.currency}") > 0
    assert ("unexplained", "open") in till.rows("SELECT kind, status FROM unclaimed_case")
    fund(till, FLOAT)
    till.mine(6)
    assert propose(till) is None


def test_a_tokens_money_goes_to_the_cold_address_by_its_event(tmp_path: Path) -> None:
    till = opened(tmp_path, "ETH")
    name = till.list_token()
    till.do(SetCurrencyState(name, "open", ""))
    tx = till.chain.pay((till.hot.script, FLOAT), token=name)
    till.do(AnnounceHouseFunding(name, tx.txid, "op", "float"))
    till.mine(6)
    cold = cold_of(till)
    view = till.do(ProposeCold("wd_token", name, cold.address, cold.script, CEILING, TARGET))
    till.decide(view.id, "approve")
    till.pay_all()
    till.mine(7)
    assert till.status("wd_token") == "final"
    assert till.onchain(name) == {"deposit": 0, "hot": TARGET, "cold": FLOAT - TARGET}
    till.check()
    till.close()


# -- out of date ---------------------------------------------------------------------------------------------


def cold_rows(till: Till) -> list[tuple[str, int]]:
    found = till.rows("SELECT status, amount FROM withdrawal WHERE kind = 'cold' ORDER BY ordinal")
    return [(status, int(amount)) for status, amount in found]


def pay_client(till: Till, amount: int) -> None:
    """A client has money of the house and takes it out."""
    till.do(replace(transfer(till.number(), "house", "alice", amount + 500), currency=till.currency))
    till.open("alice", amount)
    till.pay_all()
    till.mine(7)


def test_a_proposal_that_became_too_much_is_taken_back_and_made_anew(till: Till) -> None:
    proposed(till)
    pay_client(till, 200_000)
    assert propose(till) is None  # less than a tenth
    pay_client(till, 200_000)
    again = proposed(till)
    hot = till.onchain()["hot"] + till.onchain()["deposit"] * (till.currency == "BTC")
    assert again.amount == hot - TARGET
    assert cold_rows(till) == [("rejected", FLOAT - TARGET), ("held", again.amount)]
    pay_client(till, again.amount - CEILING + TARGET)
    assert propose(till) is None
    assert [status for status, _ in cold_rows(till)] == ["rejected", "rejected"]
    assert till.work() == []
    fund(till, FLOAT)
    till.mine(6)
    assert proposed(till).status == "held"


def test_a_client_who_asks_and_cancels_takes_no_proposal_back(till: Till) -> None:
    view = proposed(till)
    till.do(replace(transfer(till.number(), "house", "alice", 1_000_500), currency=till.currency))
    for _ in range(2):
        asked = till.open("alice", 1_000_000)
        assert propose(till) is None
        till.do(DecideWithdrawal(asked.id, "cancel", "key:shop", website="shop", client_id="alice"))
        assert propose(till) is None
    assert cold_rows(till) == [("held", view.amount)]


def test_what_was_approved_is_not_taken_back_and_waits_when_it_cannot_be_paid(till: Till) -> None:
    till.decide(proposed(till).id, "approve")
    pay_client(till, FLOAT - TARGET)
    fund(till, CEILING)
    till.mine(6)
    till.pay_all()
    till.mine(7)
    assert cold_rows(till) == [("final", FLOAT - TARGET)]


def test_a_movement_that_cannot_be_paid_holds_no_gas_for_sweeps(tmp_path: Path) -> None:
    till = opened(tmp_path, "ETH")
    token = till.list_token()
    till.do(SetCurrencyState(token, "open", ""))
    view = proposed(till)
    till.do(replace(transfer(till.number(), "house", "alice", FLOAT - TARGET + 500), currency="ETH"))
    till.open("alice", FLOAT - TARGET)
    till.decide(view.id, "approve")
    till.pay_all()
    till.mine(7)
    assert cold_rows(till) == [("approved", FLOAT - TARGET)]
    till.chain.pay((till.address("bob"), 5_000), token=token)
    till.mine(6)
    for _ in range(3):
        till.pay_all()
        till.mine(7)
    assert till.onchain(token) == {"deposit": 0, "hot": 5_000, "cold": 0}
    till.check()
    till.close()


def test_a_proposal_for_an_address_of_before_gives_way_to_one_for_todays(till: Till) -> None:
    first, newer = proposed(till), till.issue("cold:2", Branch.COLD)
    command = ProposeCold("wd_newer", till.currency, newer.address, newer.script, CEILING, TARGET)
    view = till.do(command)
    assert (view.address, view.amount) == (newer.address, first.amount)
    assert till.status(first.id) == "rejected"
    assert till.decide("wd_newer", "reject").status == "rejected"
    assert till.do(replace(command, id="wd_third")) is None
    assert proposed(till).address == first.address
