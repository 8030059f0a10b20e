"""What is under way adds up: when all of it is mined the books hold what was told, to the last unit."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from coins.types import Branch
from ledger.commands import AnnounceHouseFunding, GetStuckWork, ProposeCold, ReserveAttempt, StopWithdrawal
from ledger.connection import connect
from ledger.errors import UnknownCurrencyError
from ledger.in_flight_view import GetInFlight, InFlightView, LocationLine, MovementView, Span
from ledger.reader_in_flight import get_in_flight
from ledger.snapshot import Snapshot
from tests.fakes.chain import FakeTx
from tests.fakes.coin import bump_payment, foreign, mempool_view
from tests.ledger import desk
from tests.ledger.life import STEPS, Life
from tests.ledger.test_child import child_of
from tests.ledger.till import ETH, Till

KINDS = ("cancel", "consolidate", "payout", "sweep", "top_up")


def ask(till: Till, currency: str = "", *, is_node_asked: bool = True) -> InFlightView:
    """What is under way by the books, and by what the node holds now."""
    view = mempool_view(till.chain, till.index) if is_node_asked else None
    db = connect(till.store.path, read_only=True)
    try:
        query = GetInFlight(currency or till.currency, view, till.chain.tip.ref.block_hash)
        return get_in_flight(Snapshot(db, till.now_s), query)
    finally:
        db.close()


def line(view: InFlightView, location: str) -> LocationLine:
    (found,) = [each for each in view.locations if each.location == location]
    return found


def only(view: InFlightView) -> MovementView:
    (movement,) = view.movements
    return movement


def owed(till: Till, currency: str = "") -> int:
    """What clients are owed by the books."""
    name = currency or till.currency
    total = 0
    for account, balance in till.rows("SELECT name, balance FROM account WHERE currency = ?", name):
        kind = account.partition(":")[0]
        total += {"client": 1, "client_deficit": -1}.get(kind, 0) * int(balance)
    return total


def mine_all(till: Till, currency: str = "") -> tuple[InFlightView, bool]:
    """Mine all that the node holds: the books are what was told; answers whether all of it was mined."""
    view = ask(till, currency)
    held = dict(till.chain.mempool)
    till.mine(1)
    after = {"cold": 0} | till.onchain(currency)
    mined = {tx.txid: tx for tx in till.chain.tip.txs if tx.txid in held}
    moved: Counter[str] = Counter()
    paid, is_whole = 0, True
    for movement in view.movements:
        won = [each for each in movement.candidates if each.txid in mined]
        assert len(won) <= 1, "candidates of one movement exclude each other"
        for each in won:
            assert each.is_counted
            assert each.is_held
            paid += each.paid
            for location, span in each.change.items():
                # the span of an account that sends is its gas; everywhere else there is one answer only
                gas = mined[each.txid].gas_fee if span.low != span.high else 0
                assert each.sender is not None or gas == 0
                moved[location] += span.high - gas
        counted = [each for each in movement.candidates if each.is_counted]
        is_whole = is_whole and (bool(won) or not counted)
    for told in view.locations:
        rest = told.onchain + told.incoming - told.foreign
        assert after[told.location] == rest + moved[told.location], told
        if is_whole:
            assert told.expected.low <= after[told.location] <= told.expected.high, told
    line_ = view.clients
    assert owed(till, currency) == (
        line_.available + line_.reserved + line_.pending - line_.deficit + line_.credits - paid
    )
    till.check()
    return view, is_whole


# -- outputs -------------------------------------------------------------------------------------


def test_a_deposit_and_a_payout_in_flight_add_up_to_what_is_mined(tmp_path: Path) -> None:
    till = Till(tmp_path)
    till.deposit("alice", 100_000, blocks=6)
    payout = till.open("alice", 30_000)
    till.pay_all()
    tx = till.deposit("bob", 5_000)
    till.look()
    view = ask(till)
    movement = only(view)
    (candidate,) = movement.candidates
    assert (movement.kind, candidate.state, candidate.withdrawals) == ("payout", "broadcast", (payout.id,))
    assert (candidate.leaves, candidate.fee) == (30_000, Span(100, 100))
    assert candidate.returns == 100_000 - 30_000 - 100
    assert [(i.location, i.amount) for i in candidate.inputs] == [("deposit", 100_000)]
    assert candidate.is_held
    assert candidate.paid == 30_000 + payout.fee
    (deposit,) = view.incoming
    assert (deposit.txid, deposit.position, deposit.client_id) == (tx.txid, "0", "bob")
    assert (deposit.amount, deposit.reason, deposit.is_own) == (5_000, None, False)
    assert line(view, "deposit") == LocationLine(
        "deposit", 100_000, 5_000, 0, Span(-100_000, -100_000), Span(5_000, 5_000)
    )
    assert line(view, "hot").expected == Span(69_900, 69_900)
    assert view.clients.expected == Span(105_000 - candidate.paid, 105_000 - candidate.paid)
    assert mine_all(till)[1]
    assert till.onchain() == {"deposit": 5_000, "hot": 69_900}
    assert ask(till).movements == () == ask(till).incoming
    till.close()


def test_candidates_of_one_payout_are_alternatives_with_a_range(tmp_path: Path) -> None:
    till = Till(tmp_path)
    till.deposit("alice", 100_000, blocks=6)
    till.open("alice", 30_000)
    till.pay_all()
    till.now_s += 600
    (work,) = till.do(GetStuckWork("BTC", 600, KINDS))
    till.do(ReserveAttempt("at_bump", bump_payment(work)))
    assert len(only(ask(till)).candidates) == 1, "what is not signed is not under way"
    till.resume()
    view = ask(till)
    movement = only(view)
    assert [each.fee.low for each in movement.candidates] == [100, 200]
    assert [each.is_held for each in movement.candidates] == [False, True]
    assert movement.change == {"deposit": Span(-100_000, -100_000), "hot": Span(69_800, 69_900)}
    assert line(view, "hot").expected == Span(69_800, 69_900)
    assert mine_all(till)[1]
    assert till.onchain()["hot"] == 69_800
    assert ask(till).movements == (), "the other candidate can be mined no more"
    till.close()


def test_a_child_counts_with_its_parent_and_alone_when_that_is_mined(tmp_path: Path) -> None:
    till = Till(tmp_path)
    till.deposit("alice", 100_000, blocks=6)
    till.open("alice", 30_000)
    till.pay_all()
    till.now_s += 600
    (work,) = till.do(GetStuckWork("BTC", 600, KINDS))
    till.do(ReserveAttempt("at_child", child_of(work)))
    till.resume()
    view = ask(till)
    assert [each.kind for each in view.movements] == ["payout", "cpfp"]
    parent, child = (each.candidates[0] for each in view.movements)
    assert child.parents == (parent.txid,)
    assert child.change == {"hot": Span(-777, -777)}
    assert line(view, "hot").expected == Span(69_900 - 777, 69_900 - 777)
    parent_tx = till.chain.mempool[parent.txid]
    till.mine(1, [parent_tx])
    assert only(ask(till)).kind == "cpfp"
    assert only(ask(till)).candidates[0].parents == ()
    assert mine_all(till)[1]
    till.close()


def test_what_would_be_parked_and_what_the_node_alone_knows_is_told(tmp_path: Path) -> None:
    till = Till(tmp_path)
    till.deposit("alice", 100_000, blocks=6)
    till.deposit("alice", till.coin.minimum_deposit - 1)
    desk.block(till, "bob")
    till.deposit("bob", 5_000)
    told = till.chain.pay((till.hot.script, 70_000))
    till.do(AnnounceHouseFunding("BTC", told.txid, "op", "float"))
    till.chain.pay((till.hot.script, 9))
    till.look()
    view = ask(till)
    assert [(each.amount, each.reason) for each in view.incoming] == [
        (till.coin.minimum_deposit - 1, "below_minimum"),
        (5_000, "client_blocked"),
        (70_000, None),
        (9, "unannounced"),
    ]
    assert [each.is_announced for each in view.incoming] == [False, False, True, False]
    assert view.clients.credits == 0
    assert line(view, "hot").incoming == 70_009
    books_alone = ask(till, is_node_asked=False)
    assert not books_alone.is_node_known
    assert len(books_alone.incoming) == 2
    assert mine_all(till)[1]
    till.close()


def test_a_spend_in_the_mempool_that_is_not_ours_is_told_and_beats_our_candidate(tmp_path: Path) -> None:
    till = Till(tmp_path)
    till.deposit("alice", 100_000, blocks=6)
    till.deposit("bob", 40_000, blocks=6)
    till.open("alice", 30_000)
    till.pay_all()
    candidate = only(ask(till)).candidates[0]
    (stolen,) = [each.outpoint for each in candidate.inputs]
    thief = FakeTx(((foreign("thief").script, 99_000),), (stolen,))
    till.chain.mempool.clear()
    till.chain.send(thief)
    till.look()
    view = ask(till)
    (theft,) = view.foreign
    assert (theft.txid, theft.outpoint, theft.location, theft.amount) == (
        thief.txid,
        stolen,
        "deposit",
        100_000,
    )
    lost = only(view).candidates[0]
    assert (lost.is_counted, lost.lost_to, lost.is_held) == (False, thief.txid, False)
    assert line(view, "deposit").expected == Span(40_000, 40_000)
    assert line(view, "hot").expected == Span()
    mine_all(till)
    till.close()


def test_a_node_at_another_block_than_the_books_is_not_believed(tmp_path: Path) -> None:
    till = Till(tmp_path)
    till.chain.pay((till.hot.script, 70_000))
    assert ask(till).incoming
    assert ask(till).is_node_known
    till.chain.mine(1, [])
    assert not ask(till).is_node_known
    assert ask(till).incoming == ()
    assert ask(till).at == till.known()[0]
    till.close()


def test_a_payout_on_top_of_one_that_a_reorg_undid_builds_on_it(tmp_path: Path) -> None:
    till = Till(tmp_path)
    till.deposit("alice", 100_000, blocks=6)
    till.open("alice", 30_000)
    till.pay_all()
    till.mine(4)
    till.open("alice", 20_000)
    till.pay_all()
    till.reorg(4)
    first, second = (each.candidates[0] for each in ask(till).movements)
    assert (first.parents, second.parents) == ((), (first.txid,))
    assert line(ask(till), "hot").expected == Span(49_800, 49_800)
    till.now_s += 600
    works = till.do(GetStuckWork("BTC", 600, KINDS))
    (work,) = [
        each for each in works if len(each.plan.outputs) == 2 and each.plan.outputs[0].amount == 30_000
    ]
    till.do(ReserveAttempt("at_bump", bump_payment(work)))
    till.resume()
    second_movement = ask(till).movements[1]
    assert second_movement.change["hot"] == Span(-20_100, 0), "the first may be mined as its other candidate"
    till.close()


def test_money_for_cold_storage_moves_between_locations(tmp_path: Path) -> None:
    till = Till(tmp_path)
    cold = till.issue("cold:1", Branch.COLD)
    tx = till.chain.pay((till.hot.script, 5_000_000))
    till.do(AnnounceHouseFunding("BTC", tx.txid, "op", "float"))
    till.mine(6)
    till.do(ProposeCold("wd_cold", "BTC", cold.address, cold.script, 3_000_000, 2_000_000))
    till.decide("wd_cold", "approve")
    till.pay_all()
    view = ask(till)
    candidate = only(view).candidates[0]
    assert (only(view).kind, candidate.leaves, candidate.paid) == ("cold", 0, 0)
    assert line(view, "cold").expected.low > 2_000_000
    assert mine_all(till)[1]
    till.close()


# -- accounts ------------------------------------------------------------------------------------


def test_an_account_pays_gas_up_to_what_was_signed(tmp_path: Path) -> None:
    till = Till(tmp_path, ETH)
    till.chain.pay((till.hot.script, 900_000))
    till.deposit("alice", 200_000, blocks=6)
    till.open("alice", 30_000)
    till.pay_all()
    view = ask(till)
    kinds = {each.kind: each.candidates[0] for each in view.movements}
    assert set(kinds) == {"payout", "sweep"}
    assert (kinds["payout"].nonce, kinds["payout"].leaves) == (0, 30_000)
    assert kinds["payout"].fee == Span(0, 42_000)
    assert kinds["payout"].change == {"hot": Span(-72_000, -30_000)}
    assert kinds["sweep"].change == {"deposit": Span(-200_000, -158_000), "hot": Span(158_000, 158_000)}
    assert mine_all(till)[1]
    till.close()


def test_a_stopped_payment_may_pay_or_not(tmp_path: Path) -> None:
    till = Till(tmp_path, ETH)
    till.chain.pay((till.hot.script, 900_000))
    till.deposit("alice", 40_000, blocks=6)
    payout = till.open("alice", 30_000)
    till.pay_all()
    till.do(StopWithdrawal(payout.id, "op:ann", "the client asked for it"))
    works = till.do(GetStuckWork("ETH", 0, KINDS))
    (work,) = [each for each in works if each.is_stopped]
    till.do(ReserveAttempt("at_cancel", bump_payment(work)))
    till.resume()
    movement = only(ask(till))
    assert [each.kind for each in movement.candidates] == ["payout", "cancel"]
    paid = 30_000 + payout.fee
    assert movement.paid == Span(0, paid)
    assert movement.change == {"hot": Span(-84_000, 0)}
    assert mine_all(till)[1]
    till.close()


def test_a_token_moves_units_and_its_chain_pays_the_gas(tmp_path: Path) -> None:
    till = Till(tmp_path, ETH)
    token = till.list_token()
    till.chain.pay((till.hot.script, 900_000))
    till.deposit("alice", 2_000, blocks=6, token=token)
    till.pay_all()
    till.mine(6)
    till.pay_all()
    till.mine(6)
    till.open("alice", 1_200, currency=token)
    till.deposit("bob", 1_500, token=token)
    till.pay_all()
    till.look()
    units, gas = ask(till, token), ask(till)
    assert units.fee_currency == "ETH"
    assert only(units).candidates[0].leaves == 1_200
    assert only(units).candidates[0].change == {"hot": Span(-1_200, -1_200)}
    assert [each.amount for each in units.incoming] == [1_500]
    assert gas.incoming == ()
    assert only(gas).currency == token
    assert only(gas).candidates[0].leaves == 0
    assert only(gas).candidates[0].change == {"hot": Span(-42_000, 0)}
    assert mine_all(till, token)[1]
    till.close()


def test_an_unknown_currency_is_refused(tmp_path: Path) -> None:
    till = Till(tmp_path)
    with pytest.raises(UnknownCurrencyError):
        ask(till, "XYZ")
    till.close()


# -- stories -------------------------------------------------------------------------------------


@pytest.mark.parametrize("currency", ["BTC", "ETH"])
@pytest.mark.parametrize("seed", range(4))
def test_in_a_seeded_story_the_books_come_out_as_told(tmp_path: Path, currency: str, seed: int) -> None:
    """Whatever happened before: what was told of "now" is what the books hold after the next block."""
    chance = random.Random(seed)
    life = Life(tmp_path, currency)
    # what left an account without us is known when it is mined: a node shows no spends of accounts
    steps = [step for step in STEPS if currency == "BTC" or step != "steal"]
    whole = moving = 0
    for number in range(120):
        getattr(life, chance.choice(steps))(chance.choice)
        if number % 8 == 7:
            life.till.resume()
            life.till.look()
            view, is_whole = mine_all(life.till)
            whole += is_whole
            moving += len(view.movements) + len(view.incoming)
    assert whole >= 8
    assert moving >= 4
    life.check()
    life.close()
