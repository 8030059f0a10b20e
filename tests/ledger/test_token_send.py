"""Token units that leave: paid, swept, kept as a fee, answered with false, or gone without us."""

from __future__ import annotations

from pathlib import Path

import pytest

from coins.types import AccountTx, Receipt, TokenSend
from ledger.commands import (
    ApplyChainDelta,
    GetPayoutWork,
    GetUnsettledAttempts,
    RecordSigned,
    SetCurrencyState,
)
from ledger.errors import BlockRefusedError, PayoutsHeldError
from tests.fakes.chain import FakeTx
from tests.fakes.coin import GAS_MAX, signed
from tests.fakes.oracle import check_books
from tests.ledger.desk import write_off
from tests.ledger.till import ETH, Till

GAS = GAS_MAX // 2
STRANGER = b"s" * 20


def open_till(folder: Path) -> tuple[Till, str]:
    """A till of ETH with a token and gas in its hot account."""
    till = Till(folder, ETH)
    token = till.list_token()
    till.chain.pay((till.hot.script, 10**9))
    till.mine(6)
    return till, token


def pay(till: Till, token: str, client_id: str, amount: int) -> str:
    """Open a token withdrawal, send it and mine it."""
    view = till.open(client_id, amount, currency=token)
    till.pay_all()
    till.mine(1)
    return str(view.id)


def sweep(till: Till) -> None:
    """Everything there is to sweep, gas first."""
    for _ in range(4):
        till.pay_all()
        till.mine(7)


def test_a_payout_takes_units_from_hot_and_gas_from_eth(tmp_path: Path) -> None:
    till, token = open_till(tmp_path)
    till.deposit("alice", 10_000, 6, token=token)
    sweep(till)
    assert till.onchain(token) == {"deposit": 0, "hot": 10_000}
    before = till.onchain()["hot"]
    paid = pay(till, token, "alice", 4_000)
    assert (till.status(paid), till.client("alice", token)) == ("broadcast", (6_000, 0, 0, 0))
    assert till.onchain(token) == {"deposit": 0, "hot": 6_000}
    assert till.onchain()["hot"] == before - GAS
    till.mine(6)
    assert till.status(paid) == "final"
    till.check()


def test_w32_e09_a_fee_of_the_token_is_the_payees_in_a_payout_and_ours_in_a_sweep(tmp_path: Path) -> None:
    till, token = open_till(tmp_path)
    till.chain.taxed[token] = 10
    till.deposit("alice", 10_000, 6, token=token)
    sweep(till)
    assert till.onchain(token) == {"deposit": 0, "hot": 9_000}
    assert till.balance(f"token_fee:{token}") == 1_000
    assert till.client("alice", token) == (10_000, 0, 0, 0)
    paid = pay(till, token, "alice", 4_000)
    till.mine(6)
    assert (till.status(paid), till.onchain(token)["hot"]) == ("final", 5_000)
    assert till.balance(f"token_fee:{token}") == 1_000
    till.check()


def test_e06_a_payout_answered_with_false_costs_gas_and_is_refunded_when_final(tmp_path: Path) -> None:
    till, token = open_till(tmp_path)
    till.deposit("alice", 10_000, 6, token=token)
    sweep(till)
    till.chain.silent.add(token)
    before = till.onchain()["hot"]
    paid = pay(till, token, "alice", 4_000)
    assert (till.status(paid), till.attempts()[-1]) == ("broadcast", "reverted")
    assert till.rows("SELECT attention FROM withdrawal") == [(1,)]
    assert (till.client("alice", token), till.onchain()["hot"]) == ((6_000, 4_000, 0, 0), before - GAS)
    till.mine(4)
    assert till.status(paid) == "broadcast"
    till.mine(1)
    assert (till.status(paid), till.client("alice", token)) == ("failed", (10_000, 0, 0, 0))
    till.check()


def test_e18_undone_blocks_take_back_payout_fee_and_sweep(tmp_path: Path) -> None:
    till, token = open_till(tmp_path)
    till.chain.taxed[token] = 10
    till.deposit("alice", 10_000, 6, token=token)
    till.pay_all()
    till.mine(1)
    till.pay_all()
    till.mine(1)
    assert till.onchain(token) == {"deposit": 0, "hot": 9_000}
    till.reorg(2)
    assert till.onchain(token) == {"deposit": 10_000, "hot": 0}
    assert till.balance(f"token_fee:{token}") == 0
    till.check()
    till.mine(7)
    assert till.onchain(token) == {"deposit": 0, "hot": 9_000}
    paid = pay(till, token, "alice", 4_000)
    till.reorg(1)
    assert (till.status(paid), till.client("alice", token)) == ("broadcast", (6_000, 4_000, 0, 0))
    till.check()
    till.mine(6)
    assert till.status(paid) == "final"
    till.check()


def test_gas_that_comes_from_the_house_is_no_deposit(tmp_path: Path) -> None:
    till, token = open_till(tmp_path)
    till.deposit("alice", 10_000, 6, token=token)
    till.pay_all()
    till.look()
    assert till.deposits() == ["final"]
    till.mine(1)
    assert till.onchain()["deposit"] == GAS_MAX
    assert till.client("alice") == (0, 0, 0, 0)
    till.check()


def test_the_gas_is_not_swept_away_before_the_token(tmp_path: Path) -> None:
    till, token = open_till(tmp_path)
    till.deposit("alice", 10_000, 6, token=token)
    till.chain.pay((till.address("alice"), 45_000))
    till.mine(6)
    sweep(till)
    assert till.onchain(token) == {"deposit": 0, "hot": 10_000}
    till.check()


def test_units_that_leave_without_us_are_unexplained_and_hold_the_tokens_payouts(tmp_path: Path) -> None:
    till, token = open_till(tmp_path)
    till.deposit("alice", 10_000, 6, token=token)
    script = till.address("alice")
    gone = TokenSend(token, "aa" * 32, "log:3", script, STRANGER, 300)
    delta = till.raw_block(token_sends=(gone,))
    till.do(ApplyChainDelta(delta))
    assert till.balance(f"unexplained:{token}") == 300
    assert till.rows("SELECT kind, currency, amount, position FROM unclaimed_case") == [
        ("funding", "ETH", "1000000000", "native"),
        ("unexplained", token, "300", "log:3"),
    ]
    assert till.client("alice", token) == (10_000, 0, 0, 0)
    assert [work.currency for work in till.work()] == []
    till.store.close()


def test_more_than_was_seen_coming_is_booked_to_suspense_first(tmp_path: Path) -> None:
    till, token = open_till(tmp_path)
    gone = TokenSend(token, "aa" * 32, "log:0", till.address("alice"), STRANGER, 300)
    till.do(ApplyChainDelta(till.raw_block(token_sends=(gone,))))
    assert (till.balance(f"suspense:{token}"), till.balance(f"unexplained:{token}")) == (300, 300)
    till.close()


def test_e12_events_of_nothing_leave_no_rows(tmp_path: Path) -> None:
    till, token = open_till(tmp_path)
    script = till.address("alice")
    sends = tuple(TokenSend(token, "aa" * 32, f"log:{n}", script, STRANGER, 0) for n in range(1_000))
    before = till.rows("SELECT count(*) FROM chain_movement")
    till.do(ApplyChainDelta(till.raw_block(token_sends=sends)))
    assert till.rows("SELECT count(*) FROM chain_movement") == before
    till.close()


def test_a_client_paid_by_another_of_our_accounts_keeps_the_credit(tmp_path: Path) -> None:
    till, token = open_till(tmp_path)
    till.deposit("alice", 10_000, 6, token=token)
    source, target = till.address("alice"), till.address("bob")
    send = TokenSend(token, "aa" * 32, "log:0", source, target, 3_000)
    receipt = Receipt(token, "aa" * 32, "log:0", target, 3_000, source)
    till.do(ApplyChainDelta(till.raw_block(receipts=(receipt,), token_sends=(send,))))
    assert till.client("bob", token)[2] == 3_000
    assert till.balance(f"unexplained:{token}") == 3_000
    till.close()


@pytest.mark.parametrize("paid", [3_999, 4_001])
def test_another_amount_than_signed_is_a_failure_and_what_left_is_unexplained(
    tmp_path: Path, paid: int
) -> None:
    till, token = open_till(tmp_path)
    till.deposit("alice", 10_000, 6, token=token)
    sweep(till)
    till.open("alice", 4_000, currency=token)
    till.pay_all()
    (tx,) = till.chain.mempool.values()
    payee = tx.outputs[0][0]
    sent = AccountTx(tx.txid, till.hot.script, tx.nonce or 0, b"c" * 20, 0, GAS, True)
    send = TokenSend(token, tx.txid, "log:0", till.hot.script, payee, paid)
    till.do(ApplyChainDelta(till.raw_block(sent=(sent,), token_sends=(send,))))
    assert till.attempts()[-1] == "reverted"
    assert till.balance(f"unexplained:{token}") == paid
    till.close()


def test_a_payout_in_a_token_that_nobody_watches_any_more_is_not_taken_as_failed(tmp_path: Path) -> None:
    till, token = open_till(tmp_path)
    till.deposit("alice", 10_000, 6, token=token)
    sweep(till)
    view = till.open("alice", 4_000, currency=token)
    till.pay_all()
    (tx,) = till.chain.mempool.values()
    till.do(SetCurrencyState(token, "disabled", "not in the configuration"))
    sent = AccountTx(tx.txid, till.hot.script, tx.nonce or 0, b"c" * 20, 0, GAS, True)
    till.do(ApplyChainDelta(till.raw_block(sent=(sent,))))
    assert (till.attempts()[-1], till.onchain(token)["hot"]) == ("mined", 6_000)
    assert till.status(view.id) == "broadcast"
    till.close()


def test_a_malformed_send_refuses_the_block(tmp_path: Path) -> None:
    till, token = open_till(tmp_path)
    script = till.address("alice")
    good = TokenSend(token, "aa" * 32, "log:0", script, STRANGER, 1)
    for sends in (
        (good, good),
        (TokenSend(token, "aa" * 32, "native", script, STRANGER, -1),),
        (TokenSend(token, "aa" * 32, "plan", script, STRANGER, 1),),
        (TokenSend("DAI-ETH", "aa" * 32, "log:0", script, STRANGER, 1),),
        (TokenSend(token, "aa" * 32, "log:0", STRANGER, script, 1),),
    ):
        with pytest.raises(BlockRefusedError):
            till.do(ApplyChainDelta(till.raw_block(token_sends=sends)))
    till.close()


def test_a_native_payment_of_a_token_attempt_is_not_believed(tmp_path: Path) -> None:
    till, token = open_till(tmp_path)
    till.deposit("alice", 10_000, 6, token=token)
    sweep(till)
    till.open("alice", 4_000, currency=token)
    till.pay_all()
    (tx,) = till.chain.mempool.values()
    assert isinstance(tx, FakeTx)
    sent = AccountTx(tx.txid, till.hot.script, tx.nonce or 0, b"c" * 20, 5, GAS, True)
    with pytest.raises(BlockRefusedError, match="we signed 0"):
        till.do(ApplyChainDelta(till.raw_block(sent=(sent,))))
    till.close()


def test_what_was_signed_in_a_token_that_is_out_is_still_sent_and_what_was_not_is_given_up(
    tmp_path: Path,
) -> None:
    till, token = open_till(tmp_path)
    till.deposit("alice", 10_000, 6, token=token)
    sweep(till)
    till.open("alice", 4_000, currency=token)
    till.pay_all()
    till.open("alice", 1_000, currency=token)
    till.reserve(till.work()[0])
    till.do(SetCurrencyState(token, "disabled", "not in the configuration"))
    assert till.attempts()[-2:] == ["broadcast", "abandoned"]
    (left,) = till.do(GetUnsettledAttempts("ETH"))
    assert (left.state, left.plan.currency) == ("broadcast", token)
    till.close()


def test_e07_each_send_that_nobody_saw_coming_is_a_case_of_its_own(tmp_path: Path) -> None:
    till, token = open_till(tmp_path)
    alice, bob = till.address("alice"), till.address("bob")
    told = [(alice, 100), (bob, 70), (alice, 5)]
    sends = tuple(
        TokenSend(token, "f" * 64, f"log:{place}", sender, STRANGER, amount)
        for place, (sender, amount) in enumerate(told)
    )
    till.do(ApplyChainDelta(till.raw_block(token_sends=sends)))
    sql = "SELECT amount FROM unclaimed_case WHERE kind = ? AND status = 'open' ORDER BY ordinal"
    assert till.rows(sql, "unseen") == [("100",), ("70",), ("5",)]
    assert till.rows(sql, "unexplained") == [("100",), ("70",), ("5",)]
    assert (till.balance(f"suspense:{token}"), till.balance(f"unexplained:{token}")) == (175, 175)
    for _ in range(6):
        till.do(ApplyChainDelta(till.raw_block()))
    left = []
    for (case,) in till.rows("SELECT id FROM unclaimed_case WHERE kind = 'unexplained' ORDER BY ordinal"):
        write_off(till, case)
        left.append(till.balance(f"unexplained:{token}"))
    assert left == [75, 5, 0]
    for (case,) in till.rows("SELECT id FROM unclaimed_case WHERE kind = 'unseen'"):
        write_off(till, case)
    assert (till.balance(f"suspense:{token}"), till.balance(f"unclaimed:{token}")) == (0, 175)
    assert check_books(till.store.path) == []


def test_e07_sends_that_nobody_saw_coming_are_undone_with_their_block(tmp_path: Path) -> None:
    till, token = open_till(tmp_path)
    alice = till.address("alice")
    sends = tuple(TokenSend(token, "f" * 64, f"log:{n}", alice, STRANGER, 100 + n) for n in range(3))
    delta = till.raw_block(token_sends=sends)
    till.do(ApplyChainDelta(delta))
    till.mine(1)
    assert till.known()[0].height == delta.connected[0].ref.height
    sql = "SELECT DISTINCT status FROM unclaimed_case WHERE currency = ?"
    assert till.rows(sql, token) == [("closed",)]
    assert (till.balance(f"suspense:{token}"), till.balance(f"unexplained:{token}")) == (0, 0)
    till.check()


def test_w26_an_event_of_our_payment_without_our_payment_is_not_believed(tmp_path: Path) -> None:
    """The node shows the event of what we signed, and says that somebody else sent it."""
    till, token = open_till(tmp_path)
    till.deposit("alice", 10_000, 6, token=token)
    sweep(till)
    view = till.open("alice", 4_000, currency=token)
    till.pay_all()
    (txid,) = till.rows("SELECT txid FROM attempt ORDER BY rowid DESC LIMIT 1")[0]
    (script,) = till.rows("SELECT script FROM withdrawal WHERE id = ?", view.id)[0]
    held = till.client("alice", token)
    send = TokenSend(token, txid, "log:0", till.hot.script, script, 4_000)
    with pytest.raises(BlockRefusedError, match="another sender"):
        till.do(ApplyChainDelta(till.raw_block(token_sends=(send,))))
    assert (till.client("alice", token), till.status(view.id)) == (held, "broadcast")
    till.check()


@pytest.mark.parametrize(("more", "is_fee"), [(4_000, True), (4_001, False), (900_000, False)])
def test_e07_what_leaves_with_a_payout_beyond_its_amount_is_no_fee(
    tmp_path: Path, more: int, is_fee: bool
) -> None:
    till, token = open_till(tmp_path)
    till.deposit("alice", 1_000_000, 6, token=token)
    sweep(till)
    paid, waiting = (till.open("alice", 4_000, currency=token) for _ in range(2))
    (work,) = till.do(GetPayoutWork(token))
    attempt = till.reserve(work)
    bytes_ = signed(attempt.plan)
    till.do(RecordSigned(attempt.attempt_id, bytes_.txid, bytes_.raw))
    to = {"log:0": (work.output.script, 4_000), "log:1": (STRANGER, more)}
    sends = [TokenSend(token, bytes_.txid, place, till.hot.script, *sent) for place, sent in to.items()]
    nonce = attempt.plan.nonce or 0
    mined = AccountTx(
        txid=bytes_.txid, sender=till.hot.script, nonce=nonce, gas_fee=9, is_success=True,
        recipient=STRANGER, amount=0,
    )  # fmt: skip
    till.do(ApplyChainDelta(till.raw_block(sent=(mined,), token_sends=tuple(sends))))
    assert (till.balance(f"token_fee:{token}"), till.balance(f"unexplained:{token}")) == (
        (more, 0) if is_fee else (0, more)
    )
    cases = till.rows("SELECT amount FROM unclaimed_case WHERE kind = 'unexplained' AND currency = ?", token)
    assert cases == ([] if is_fee else [(str(more),)])
    assert (till.status(paid.id), till.client("alice", token)[1]) == ("broadcast", 4_000)
    if not is_fee:
        with pytest.raises(PayoutsHeldError):
            till.do(GetPayoutWork(token))
    assert till.status(waiting.id) == "approved"
    assert check_books(till.store.path) == []
    till.close()
