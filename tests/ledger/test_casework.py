"""Money that credits nobody: from the case to a credit, a refund or a write-off, through reorgs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from coins.types import Block, BlockRef, Branch, ChainDelta, Receipt
from ledger.commands import (
    ApplyChainDelta,
    AssignCase,
    Idempotency,
    PostTransfer,
    SetCurrencyState,
)
from ledger.errors import (
    ActionNotAllowedError,
    CaseDecidedError,
    CurrencyUnavailableError,
    InvalidClientError,
    NotConfirmedError,
    NotFoundError,
    ReorgTooDeepError,
)
from ledger.operator_access import HoldCurrency
from ledger.verify import verify_file
from ledger.views import CasesReleased
from tests.ledger.books import NOW
from tests.ledger.desk import (
    assign,
    block,
    case_id,
    history,
    key,
    release,
    release_all,
    states,
    unblock,
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


# -- assign ------------------------------------------------------------------------------------------


def test_d21_a_payment_below_the_minimum_is_assigned_and_credited_once(till: Till) -> None:
    till.deposit("alice", 999, blocks=3)
    case = case_id(till)
    view = assign(till, case, "alice")
    assert (view.status, view.client_id, view.actions) == ("assigned", "alice", ())
    assert till.client("alice") == (999, 0, 0, 0)
    assert till.balance("suspense:BTC") == 0
    assert till.deposits() == ["credited"]
    assert till.events()[-4:] == ["case.opened", "deposit.confirming", "deposit.credited", "case.closed"]
    assert history(till, case)[1:] == [("assigned", "olga", "she asked")]
    assert till.rows("SELECT by, action, object_id FROM audit") == [("olga", "assign_case", case)]
    till.mine(3)
    assert till.deposits() == ["final"]
    with pytest.raises(CaseDecidedError):
        assign(till, case, "alice")
    assert till.client("alice") == (999, 0, 0, 0)


def test_the_same_key_assigns_once(till: Till) -> None:
    till.deposit("alice", 999, blocks=3)
    command = AssignCase(case_id(till), "alice", "olga", "she asked", Idempotency("op:olga", "k", "h"))
    first, again = till.do(command), till.do(command)
    assert again.is_replayed
    assert again.value == first.value
    assert till.client("alice")[0] == 999


def test_a_payment_that_is_not_deep_enough_is_not_assigned(till: Till) -> None:
    till.deposit("alice", 999, blocks=2)
    with pytest.raises(NotConfirmedError):
        assign(till, case_id(till), "alice")
    assert till.deposits() == ["parked"]
    till.mine(1)
    assign(till, case_id(till), "alice")


def test_a_parked_payment_goes_to_nobody_but_its_client_or_the_house(till: Till) -> None:
    till.deposit("alice", 999, blocks=3)
    case = case_id(till)
    with pytest.raises(ActionNotAllowedError):
        assign(till, case, "bob")
    with pytest.raises(InvalidClientError):
        assign(till, case, "no such name!")
    with pytest.raises(NotFoundError):
        assign(till, "case_none", "alice")
    with pytest.raises(NotConfirmedError):  # the house can wait until it is final
        assign(till, case, "house")
    till.mine(3)
    assign(till, case, "house")
    assert (till.balance("house:BTC"), till.deposits()) == (999, ["parked"])


def test_nothing_is_assigned_while_the_chain_is_in_doubt(till: Till) -> None:
    till.deposit("alice", 999, blocks=3)
    till.do(SetCurrencyState("BTC", "disagree", "two nodes, two blocks"))
    with pytest.raises(CurrencyUnavailableError):
        assign(till, case_id(till), "alice")


def test_an_assigned_payment_pays_what_its_client_owes_first(till: Till) -> None:
    first = till.deposit("alice", 5_000, blocks=3)
    till.do(
        PostTransfer("tr", "shop", "alice", "bob", "BTC", 5_000, "x1", "bet", "key:shop", key(till))
    )  # fmt: skip
    till.reorg(3, [[till.chain.pay((b"attacker", 1), conflicts=first)]])
    assert till.client("alice") == (0, 0, 0, 5_000)
    till.deposit("alice", 900, blocks=3)
    assign(till, case_id(till), "alice")
    assert till.client("alice") == (0, 0, 0, 4_100)


# -- reorgs --------------------------------------------------------------------------------------------


def test_an_assigned_payment_that_is_undone_is_taken_back_and_credited_once_again(till: Till) -> None:
    tx = till.deposit("alice", 999, blocks=3)
    case = case_id(till)
    assign(till, case, "alice")
    till.chain.reorg(3)
    till.follow()
    assert till.client("alice") == (0, 0, 0, 0)
    assert (till.deposits(), states(till)) == (["reversed"], ["assigned"])
    till.check()
    assert tx.txid in till.chain.mempool
    till.mine(1)
    assert till.client("alice") == (0, 0, 999, 0)  # the decision stands: it waits for its depth, no more
    till.mine(2)
    assert till.client("alice") == (999, 0, 0, 0)
    assert [entry[0] for entry in history(till, case)] == ["opened", "assigned", "vanished", "included"]


def test_d10_an_assigned_payment_that_was_spent_and_undone_is_owed_by_its_client(till: Till) -> None:
    tx = till.deposit("alice", 999, blocks=3)
    assign(till, case_id(till), "alice")
    command = PostTransfer("tr", "shop", "alice", "bob", "BTC", 600, "x1", "bet", "key:shop", key(till))
    till.do(command)
    till.reorg(3, [[till.chain.pay((b"attacker", 1), conflicts=tx)]])
    assert till.client("alice") == (0, 0, 0, 600)
    assert till.balance("suspense:BTC") == 0


def test_a_released_payment_that_is_undone_before_its_depth_leaves_no_trace(till: Till) -> None:
    block(till, "alice")
    tx = till.deposit("alice", 50_000, blocks=1)
    unblock(till, "alice")
    assert till.client("alice") == (0, 0, 50_000, 0)
    till.reorg(1, [[till.chain.pay((b"attacker", 1), conflicts=tx)]])
    assert till.client("alice") == (0, 0, 0, 0)
    assert till.deposits() == ["orphaned"]


def test_a_reorg_never_undoes_a_final_decision(till: Till) -> None:
    till.deposit("alice", 999, blocks=6)
    write_off(till, case_id(till))
    till.chain.reorg(6)
    with pytest.raises(ReorgTooDeepError):
        till.follow()
    assert till.balance("unclaimed:BTC") == 999


# -- release -------------------------------------------------------------------------------------------


def test_d47_a_blocked_clients_deposits_are_parked_and_credited_once_when_unblocked(till: Till) -> None:
    block(till, "alice")
    till.deposit("alice", 50_000)
    till.deposit("bob", 40_000)
    till.mine(3)
    till.deposit("alice", 30_000, blocks=1)
    assert till.client("alice") == (0, 0, 0, 0)
    assert till.client("bob")[0] == 40_000
    assert set(till.rows("SELECT reason FROM deposit WHERE client_id = 'alice'")) == {("client_blocked",)}
    (first, _) = till.rows("SELECT id FROM unclaimed_case ORDER BY ordinal")
    with pytest.raises(ActionNotAllowedError):
        release(till, first[0])
    released = unblock(till, "alice")
    assert (released.released, released.left) == (2, 0)
    assert till.client("alice") == (50_000, 0, 30_000, 0)
    till.mine(2)
    assert till.client("alice") == (80_000, 0, 0, 0)
    assert unblock(till, "alice").released == 0


@pytest.mark.parametrize("how", ["closed", "paused"])
def test_d47_what_came_while_deposits_were_closed_is_credited_once_on_release(till: Till, how: str) -> None:
    if how == "closed":
        till.do(replace(till.coin, deposits="closed"))
    else:
        till.do(HoldCurrency("BTC", "paused", "olga", "the node is moved"))
    till.deposit("alice", 50_000)
    till.deposit("bob", 40_000)
    till.deposit("bob", 999)
    till.mine(6)
    assert till.balance("suspense:BTC") == 90_999
    assert release_all(till, "deposits_closed").released == 0  # still closed
    till.do(till.coin)
    till.do(HoldCurrency("BTC", None, "olga", "it is over"))
    assert release_all(till, "deposits_closed", limit=1).left == 1
    assert till.client("alice") == (50_000, 0, 0, 0)
    assert release_all(till, "deposits_closed") == CasesReleased(1, 0)
    assert till.client("bob") == (40_000, 0, 0, 0)
    assert release_all(till, "deposits_closed").released == 0
    assert till.balance("suspense:BTC") == 999


def test_d47_a_retired_address_of_a_client_still_credits_its_owner(till: Till) -> None:
    """An address is never retired: an old one stays its client's for ever."""
    old = till.address("alice", 0)
    till.address("alice", 1)
    till.mine(20)
    till.chain.pay((old, 50_000))
    till.mine(3)
    assert till.client("alice")[0] == 50_000


def test_what_is_in_doubt_is_parked_and_only_an_operator_credits_it(tmp_path: Path) -> None:
    till = Till(tmp_path, ETH)
    script = till.address("alice")
    receipt = Receipt("ETH", "ab" * 32, "trace:0.1", script, 70_000, doubt="internal")
    till.do(ApplyChainDelta(till.raw_block(receipts=(receipt,))))
    assert till.rows("SELECT reason, status FROM deposit") == [("internal", "parked")]
    for _ in range(2):
        till.do(ApplyChainDelta(till.raw_block()))
    with pytest.raises(ActionNotAllowedError):
        release(till, case_id(till))
    assign(till, case_id(till), "alice")
    assert till.client("alice")[0] == 70_000
    till.close()


def test_what_is_left_of_a_release_is_what_could_be_released(till: Till) -> None:
    for client, amount in (("mallory", 100), ("alice", 900), ("bob", 800), ("bob", 700)):
        till.deposit(client, amount)
    till.mine(3)
    till.do(replace(till.coin, minimum_deposit=500))
    left = [release_all(till, "below_minimum", limit=1) for _ in range(4)]
    assert left == [CasesReleased(*each) for each in ((1, 2), (1, 1), (1, 0), (0, 0))]
    till.do(till.coin)


def test_what_only_an_operator_credits_is_not_left_of_a_release(tmp_path: Path) -> None:
    till = Till(tmp_path, ETH)
    receipt = Receipt("ETH", "ab" * 32, "trace:0.1", till.address("alice"), 70_000, doubt="internal")
    till.do(ApplyChainDelta(till.raw_block(receipts=(receipt,))))
    assert release_all(till, "internal") == CasesReleased(0, 0)
    till.close()


def test_d47_dust_before_it_hides_nothing_from_a_release_of_all(till: Till) -> None:
    for _ in range(12):
        till.deposit("mallory", 100)
    till.deposit("bob", 900)
    till.deposit("alice", 900, blocks=3)
    block(till, "bob")
    till.do(replace(till.coin, minimum_deposit=500))
    assert release_all(till, "below_minimum", limit=1) == CasesReleased(1, 0)
    assert release_all(till, "below_minimum", limit=1) == CasesReleased(0, 0)
    assert (till.client("alice")[0], till.client("bob")[0], till.client("mallory")[0]) == (900, 0, 0)
    till.do(till.coin)


@pytest.mark.parametrize("amount", [9_000_000, 60_000])
def test_a_decision_about_an_amount_does_not_stand_for_another_one(tmp_path: Path, amount: int) -> None:
    till = Till(tmp_path, ETH)
    receipt = Receipt("ETH", "ab" * 32, "trace:0.1", till.address("alice"), 70_000, doubt="internal")
    till.do(ApplyChainDelta(till.raw_block(receipts=(receipt,))))
    for _ in range(2):
        till.do(ApplyChainDelta(till.raw_block()))
    assign(till, case_id(till), "alice")
    other = Block(
        BlockRef(101, "ef" * 32, till.known()[-1].block_hash, NOW),
        receipts=(replace(receipt, amount=amount),),
    )
    till.do(ApplyChainDelta(ChainDelta("ETH", tuple(till.known()[:3]), (other,), till.address_seq)))
    assert (till.client("alice"), till.balance("suspense:ETH")) == ((0, 0, 0, 0), amount)
    assert till.rows("SELECT status, amount FROM unclaimed_case") == [("open", str(amount))]
    for _ in range(2):
        till.do(ApplyChainDelta(till.raw_block()))
    assign(till, case_id(till), "alice")
    assert till.client("alice") == (amount, 0, 0, 0)
    assert verify_file(till.store.path) == []
    till.close()


# -- house, funding, unissued --------------------------------------------------------------------------


def test_an_unannounced_payment_to_the_hot_wallet_is_assigned_to_the_house_or_a_client(till: Till) -> None:
    for amount in (40_000, 50_000):
        till.chain.pay((till.hot.script, amount))
    till.mine(5)
    (ours, bobs) = [row[0] for row in till.rows("SELECT id FROM unclaimed_case ORDER BY amount")]
    with pytest.raises(NotConfirmedError):
        assign(till, ours, "house")
    with pytest.raises(ActionNotAllowedError):
        release(till, ours)
    till.mine(1)
    assign(till, ours, "house")
    assign(till, bobs, "bob")
    assert (till.balance("house:BTC"), till.client("bob")[0]) == (40_000, 50_000)
    assert till.balance("suspense:BTC") == 0


def test_d44_money_to_an_address_never_given_out_is_a_case_and_may_be_spent_once_decided(till: Till) -> None:
    lost = till.issue("client:alice:0", Branch.DEPOSIT)
    till.chain.pay((lost.script, 50_000))
    till.mine(6)
    assert till.rows("SELECT kind, reason FROM unclaimed_case") == [("funding", "unissued_address")]
    assert till.client("alice") == (0, 0, 0, 0)
    assign(till, case_id(till), "alice")
    view = till.open("alice", 20_000)
    till.pay_all()
    till.mine(3)
    assert till.status(view.id) == "confirmed"
