"""Payouts of outputs: entries at the block, change, conflicts, money that left without us."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from coins.types import Branch, Location, Outpoint, OwnScript
from ledger.commands import GetPayoutWork, RecordScript, RecordSigned, ReserveScript
from ledger.errors import PayoutsHeldError
from tests.fakes.chain import FakeTx
from tests.fakes.coin import foreign, signed
from tests.ledger.till import Till


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    made = Till(tmp_path)
    yield made
    made.check()
    made.close()


def books(till: Till) -> dict[str, int]:
    """Every account of the currency that is not zero."""
    return {name: int(b) for name, b in till.rows("SELECT name, balance FROM account WHERE balance <> '0'")}


def test_d19_every_account_after_each_step_of_deposit_and_payout(till: Till) -> None:
    tx = till.deposit("alice", 100_000, blocks=1)
    assert books(till) == {"onchain:BTC:deposit": 100_000, "client:alice:BTC:pending": 100_000}
    till.mine(2)
    assert books(till) == {"onchain:BTC:deposit": 100_000, "client:alice:BTC:available": 100_000}
    till.mine(3)
    till.open("alice", 60_000)
    reserved = {
        "onchain:BTC:deposit": 100_000,
        "client:alice:BTC:available": 39_500,
        "client:alice:BTC:reserved": 60_500,
    }
    assert books(till) == reserved
    assert till.pay_all() == 1
    assert books(till) == reserved
    till.mine(1)
    paid = {
        "onchain:BTC:hot": 39_900,
        "client:alice:BTC:available": 39_500,
        "withdrawal_fee:BTC": 500,
        "network_fee:BTC": 100,
    }
    assert books(till) == paid
    assert till.deposits("txid") == [tx.txid]
    entry = till.rows(
        "SELECT d.name, c.name, p.amount FROM posting p JOIN account d ON d.id = p.debit_id"
        " JOIN account c ON c.id = p.credit_id JOIN journal j ON j.id = p.journal_id"
        " WHERE j.kind = 'payout' ORDER BY p.id"
    )
    assert entry == [
        ("chain_tx:BTC", "onchain:BTC:deposit", "100000"),
        ("onchain:BTC:hot", "chain_tx:BTC", "39900"),
        ("client:alice:BTC:reserved", "chain_tx:BTC", "60000"),
        ("client:alice:BTC:reserved", "withdrawal_fee:BTC", "500"),
        ("network_fee:BTC", "chain_tx:BTC", "100"),
    ]
    till.check()
    till.reorg(1)
    assert books(till) == reserved
    till.mine(6)
    assert books(till) == paid


def test_a_payout_goes_through_its_states_once_each(till: Till) -> None:
    till.deposit("alice", 100_000, blocks=6)
    view = till.open("alice", 60_000)
    till.pay_all()
    states = [till.status(view.id)]
    for _ in range(7):
        till.mine()
        states.append(till.status(view.id))
        till.check()
    assert states == ["broadcast"] * 3 + ["confirmed"] * 3 + ["final"] * 2
    assert [e for e in till.events() if e.startswith("withdrawal")] == [
        "withdrawal.approved",
        "withdrawal.signed",
        "withdrawal.broadcast",
        "withdrawal.confirmed",
        "withdrawal.final",
    ]
    assert till.rows("SELECT status FROM intent") == [("settled",)]


def test_change_is_spent_at_n_and_deposits_when_final(till: Till) -> None:
    till.deposit("alice", 100_000, blocks=5)
    till.open("alice", 10_000)
    till.open("alice", 10_000)
    assert [w.utxos for w in till.work()] == [()]
    till.mine(1)
    assert till.pay_all() == 1
    till.mine(2)
    assert till.pay_all() == 0
    till.mine(1)
    assert till.pay_all() == 1
    till.mine(6)
    assert till.client("alice") == (79_000, 0, 0, 0)
    assert till.onchain() == {"deposit": 0, "hot": 79_800}


def test_w13_an_empty_wallet_pays_in_order_once_funded(till: Till) -> None:
    till.deposit("alice", 20_000, blocks=6)
    till.deposit("alice", 480_000, blocks=3)
    ids = [till.open("alice", 90_000).id for _ in range(5)]
    assert till.pay_all() == 0
    assert {till.status(i) for i in ids} == {"approved"}
    assert [w.intent_id for w in till.work()] == [f"pay_{ids[0]}"]
    till.mine(3)
    for _ in range(5):
        till.pay_all()
        till.mine(3)
    till.mine(6)
    assert [till.status(i) for i in ids] == ["final"] * 5
    assert [till.chain.tip.state.txids.issuperset(r) for r in till.rows("SELECT txid FROM withdrawal")] == [
        True
    ] * 5
    assert till.client("alice") == (47_500, 0, 0, 0)


def test_the_sent_bytes_are_settled_even_if_their_broadcast_was_never_recorded(till: Till) -> None:
    till.deposit("alice", 100_000, blocks=6)
    view = till.open("alice", 60_000)
    attempt = till.reserve(till.work()[0])
    bytes_ = signed(attempt.plan)
    till.do(RecordSigned(attempt.attempt_id, bytes_.txid, bytes_.raw))
    till.chain.send(FakeTx.decode(bytes_.raw))
    till.reopen()
    till.mine(1)
    assert till.status(view.id) == "broadcast"
    assert till.attempts() == ["mined"]
    till.send(attempt.attempt_id, bytes_.raw)
    assert till.attempts() == ["mined"]


def steal(till: Till, outpoint: Outpoint, amount: int) -> FakeTx:
    """Somebody else spends an output of ours."""
    return FakeTx(outputs=((foreign("thief").script, amount),), inputs=(outpoint,))


def test_money_gone_without_us_is_unexplained_and_never_refunded(till: Till) -> None:
    tx = till.deposit("alice", 100_000, blocks=6)
    view = till.open("alice", 60_000)
    till.pay_all()
    theft = steal(till, Outpoint(tx.txid, 0), 99_000)
    till.chain.mempool.clear()
    till.mine(1, [theft])
    assert books(till) == {
        "unexplained:BTC": 100_000,
        "client:alice:BTC:available": 39_500,
        "client:alice:BTC:reserved": 60_500,
    }
    assert till.attempts() == ["conflicted"]
    assert till.rows("SELECT attention, status FROM withdrawal") == [(1, "broadcast")]
    assert "withdrawal.attention" in till.events()
    assert till.rows("SELECT kind, amount, status FROM unclaimed_case") == [("unexplained", "100000", "open")]
    till.mine(10)
    assert till.status(view.id) == "broadcast"
    assert till.work() == []
    till.check()


def test_a_payout_robbed_twice_stays_conflicted_until_both_are_undone(till: Till) -> None:
    deposits = [till.deposit("alice", 100_000, blocks=blocks) for blocks in (1, 6)]
    till.open("alice", 150_000)
    till.pay_all()
    payout = next(iter(till.chain.mempool.values()))
    till.chain.mempool.clear()
    for tx in deposits:
        till.mine(1, [steal(till, Outpoint(tx.txid, 0), 99_000)])
    assert till.attempts() == ["conflicted"]
    till.reorg(1, [[], []])
    assert till.attempts() == ["conflicted"]
    till.reorg(3, [[payout], [], [], []])
    assert till.attempts() == ["mined"]


def test_w34_nothing_more_is_paid_while_money_is_gone_without_explanation(till: Till) -> None:
    stolen = till.deposit("alice", 100_000, blocks=3)
    till.deposit("bob", 100_000, blocks=6)
    till.open("bob", 60_000)
    till.mine(1, [steal(till, Outpoint(stolen.txid, 0), 99_000)])
    with pytest.raises(PayoutsHeldError) as held:
        till.do(GetPayoutWork("BTC"))
    assert held.value.waiting_for == "funds"
    till.reorg(1, [[], []])
    assert len(till.work()) == 1


def test_a_restored_copy_of_the_books_does_not_pay_again(till: Till) -> None:
    """The copy knows an approved withdrawal; its chain tx, mined since, is not one of the copy's attempts."""
    tx = till.deposit("alice", 100_000, blocks=6)
    view = till.open("alice", 60_000)
    paid_before = steal(till, Outpoint(tx.txid, 0), 60_000)
    till.mine(1, [paid_before])
    till.deposit("bob", 100_000, blocks=6)
    with pytest.raises(PayoutsHeldError):
        till.do(GetPayoutWork("BTC"))
    assert till.status(view.id) == "approved"


def test_a_conflict_that_is_undone_lets_the_payout_go_on(till: Till) -> None:
    tx = till.deposit("alice", 100_000, blocks=6)
    view = till.open("alice", 60_000)
    till.pay_all()
    payout = next(iter(till.chain.mempool.values()))
    till.chain.mempool.clear()
    till.mine(1, [steal(till, Outpoint(tx.txid, 0), 99_000)])
    till.chain.reorg(1, [[payout], []])
    till.follow()
    assert till.attempts() == ["mined"]
    assert till.rows("SELECT attention FROM withdrawal WHERE id = ?", view.id) == [(0,)]
    assert till.balance("unexplained:BTC") == 0
    till.mine(6)
    assert till.status(view.id) == "final"


def test_a_prepared_attempt_that_lost_its_input_is_planned_again(till: Till) -> None:
    tx = till.deposit("alice", 100_000, blocks=6)
    till.deposit("bob", 90_000, blocks=6)
    till.open("alice", 60_000)
    till.reserve(till.work()[0])
    till.mine(1, [steal(till, Outpoint(tx.txid, 0), 99_000)])
    assert till.attempts() == ["abandoned"]
    assert till.pay_all() == 0  # held: nobody has explained the theft
    till.reorg(1, [[], []])
    till.chain.mempool.clear()
    assert till.pay_all() == 1
    till.mine(6)
    assert till.client("alice") == (39_500, 0, 0, 0)


def test_a_payout_to_a_clients_address_credits_that_client(till: Till) -> None:
    till.deposit("alice", 100_000, blocks=6)
    view = till.open("alice", 60_000)
    till.do(_own_later(till, view.id))
    till.pay_all()
    till.mine(6)
    assert till.status(view.id) == "final"
    assert till.client("alice") == (39_500, 0, 0, 0)
    assert till.client("carol") == (60_000, 0, 0, 0)


def _own_later(till: Till, withdrawal_id: str) -> RecordScript:
    """Make the payee's script a client's after the withdrawal was opened."""
    index = till.do(ReserveScript("BTC", Branch.DEPOSIT, "client:carol:0"))
    ((script, address),) = till.rows("SELECT script, address FROM withdrawal WHERE id = ?", withdrawal_id)
    own = OwnScript(script, address, Branch.DEPOSIT, index)
    till.index.add_script(script)
    till.scripts["carol"] = own
    till.address_seq += 1
    return RecordScript("BTC", "client:carol:0", own, Location.DEPOSIT, "carol")
