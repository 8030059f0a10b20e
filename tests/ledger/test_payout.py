"""Withdrawals: what is taken, what is refused, what comes back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.commands import CreateSession, DecideWithdrawal, Idempotency, SetCurrencyState, SetWaiting
from ledger.errors import (
    AboveMaximumError,
    BelowMinimumError,
    CurrencyClosedError,
    CurrencyUnavailableError,
    DomainError,
    ExternalIdUsedError,
    ForbiddenAddressError,
    IdempotencyKeyReusedError,
    IllegalTransitionError,
    InsufficientFundsError,
    LimitExceededError,
    NotCancellableError,
    NotFoundError,
    NotHeldError,
    UnknownCurrencyError,
)
from ledger.withdrawal_row import read_withdrawals, to_view
from tests.ledger.till import Till


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    made = Till(tmp_path, approval_above=50_000)
    made.deposit("alice", 100_000, blocks=6)
    yield made
    made.check()
    made.close()


def test_a_withdrawal_reserves_amount_and_fee(till: Till) -> None:
    view = till.open("alice", 40_000)
    assert (view.status, view.amount, view.fee, view.waiting_for) == ("approved", 40_000, 500, None)
    assert [(h.status, h.by) for h in view.history] == [("approved", "key:shop")]
    assert till.client("alice") == (59_500, 40_500, 0, 0)
    assert till.events()[-1] == "withdrawal.approved"


@pytest.mark.parametrize("amount", [40_000, 50_001])
def test_the_answer_is_what_is_read_afterwards(till: Till, amount: int) -> None:
    view = till.open("alice", amount)
    db = till.store._db
    assert db is not None
    (row,) = read_withdrawals(db, "w.id = ?", (view.id,))
    assert view == to_view(db, row, view.confirmations_required, None)


def test_above_the_limit_it_is_held_until_an_operator_decides(till: Till) -> None:
    first, second = till.open("alice", 50_001), till.open("alice", 30_000)
    assert (first.status, first.waiting_for, second.status) == ("held", "approval", "approved")
    assert [w.output.amount for w in till.work()] == [30_000]
    assert till.decide(first.id, "approve").status == "approved"
    with pytest.raises(NotHeldError):
        till.decide(first.id, "approve")
    with pytest.raises(NotHeldError):
        till.decide(second.id, "reject")


def test_rejected_and_cancelled_money_comes_back(till: Till) -> None:
    first, second = till.open("alice", 50_001), till.open("alice", 30_000)
    assert till.decide(first.id, "reject").status == "rejected"
    assert till.decide(second.id, "cancel").status == "cancelled"
    assert till.client("alice") == (100_000, 0, 0, 0)
    assert till.work() == []
    with pytest.raises(NotCancellableError):
        till.decide(second.id, "cancel")
    with pytest.raises(IllegalTransitionError):
        till.decide(second.id, "explode")


def test_cancel_abandons_what_is_prepared_and_stops_at_what_is_signed(till: Till) -> None:
    first = till.open("alice", 30_000)
    till.reserve(till.work()[0])
    assert till.decide(first.id, "cancel").status == "cancelled"
    assert till.attempts() == ["abandoned"]
    assert till.rows("SELECT count(*) FROM utxo WHERE reserved_by IS NOT NULL") == [(0,)]
    second = till.open("alice", 30_000)
    till.pay_all()
    with pytest.raises(NotCancellableError):
        till.decide(second.id, "cancel")


def test_another_website_or_client_does_not_find_it(till: Till) -> None:
    view = till.open("alice", 30_000)
    for website, client_id in (("other", None), (None, "bob")):
        with pytest.raises(NotFoundError):
            till.do(DecideWithdrawal(view.id, "cancel", "x", website, client_id))
    with pytest.raises(NotFoundError):
        till.decide("wd_none", "cancel")


def test_w14_a_full_balance_leaves_exactly_nothing(till: Till) -> None:
    with pytest.raises(InsufficientFundsError):
        till.open("alice", 100_000)
    with pytest.raises(InsufficientFundsError):
        till.open("alice", 99_501)
    view = till.open("alice", 100_000, is_fee_included=True)
    assert (view.amount, view.fee) == (99_500, 500)
    assert till.client("alice") == (0, 100_000, 0, 0)


def test_w15_of_two_hundred_parallel_withdrawals_one_is_accepted(till: Till) -> None:
    commands = [till.opening("alice", 99_500, number) for number in range(200)]
    results = till.store.apply_batch(commands[:100], till.now_s) + till.store.apply_batch(
        commands[100:], till.now_s
    )
    assert [r.error is None for r in results].count(True) == 1
    assert {type(r.error) for r in results if r.error} == {InsufficientFundsError}
    assert till.client("alice") == (0, 100_000, 0, 0)


def test_w16_the_same_key_is_answered_the_same_also_after_a_restart(till: Till) -> None:
    command = till.opening("alice", 10_000, 7)
    first = till.do(command)
    again = [till.do(command) for _ in range(50)]
    till.reopen()
    again.append(till.do(replace(command, id="wd_other")))
    assert {outcome.value for outcome in again} == {first.value}
    assert [first.is_replayed, *{o.is_replayed for o in again}] == [False, True]
    assert till.rows("SELECT count(*) FROM withdrawal") == [(1,)]


def test_w17_the_same_key_with_another_body_is_refused(till: Till) -> None:
    till.do(till.opening("alice", 10_000, 7))
    key = Idempotency("key:shop", "key-7", "another")
    with pytest.raises(IdempotencyKeyReusedError):
        till.do(till.opening("alice", 20_000, 7, idempotency=key))
    with pytest.raises(ExternalIdUsedError) as refused:
        till.do(till.opening("alice", 10_000, 7, idempotency=replace(key, key="key-8")))
    assert refused.value.existing_id == "wd_7"
    assert till.client("alice") == (89_500, 10_500, 0, 0)


@pytest.mark.parametrize("amount", [-1, 0, 999, 10**30, 10**12 + 501, True, 1.5])
@pytest.mark.parametrize("is_fee_included", [False, True])
def test_w22_bad_amounts_make_no_rows(till: Till, amount: int, is_fee_included: bool) -> None:
    with pytest.raises((BelowMinimumError, AboveMaximumError)):
        till.open("alice", amount, is_fee_included=is_fee_included)
    assert till.rows("SELECT count(*) FROM withdrawal") == [(0,)]
    assert till.client("alice") == (100_000, 0, 0, 0)


def test_a_limit_is_told_in_whole_units(till: Till) -> None:
    with pytest.raises(BelowMinimumError, match=r"less than 0\.00001000 BTC"):
        till.open("alice", 999)
    with pytest.raises(AboveMaximumError, match=r"more than [0-9]+\.[0-9]{8} BTC"):
        till.open("alice", 10**30)


def test_dust_is_below_the_minimum(tmp_path: Path) -> None:
    till = Till(tmp_path, minimum_withdrawal=1, dust=546)
    till.deposit("alice", 100_000, blocks=3)
    with pytest.raises(BelowMinimumError):
        till.open("alice", 545)
    assert till.open("alice", 546).amount == 546
    till.close()


def test_own_addresses_are_never_paid_by_a_chain_tx(till: Till) -> None:
    for script in (till.address("bob"), till.hot.script):
        with pytest.raises(ForbiddenAddressError):
            till.open("alice", 10_000, script=script)


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("draining", CurrencyClosedError),
        ("paused", CurrencyClosedError),
        ("disabled", CurrencyClosedError),
        ("halted", CurrencyUnavailableError),
        ("down", None),
        ("behind", None),
    ],
)
def test_states_that_refuse_and_states_that_queue(
    till: Till, state: str, error: type[DomainError] | None
) -> None:
    till.do(SetCurrencyState("BTC", state, "test"))
    if error is None:
        assert till.open("alice", 10_000).status == "approved"
        assert till.work() == []
        till.do(SetCurrencyState("BTC", "open", ""))
        assert len(till.work()) == 1
    else:
        with pytest.raises(error):
            till.open("alice", 10_000)


def test_w19_a_key_that_was_forgotten_pays_nothing_again(till: Till) -> None:
    """Idempotency keys are kept for a time, an external_id for ever."""
    request = till.opening("alice", 10_000, 1)
    first = till.do(request).value
    till.now_s += 400 * 86_400
    till.open("alice", 10_000)  # a batch in which what is old is pruned
    assert till.rows("SELECT 1 FROM idempotency WHERE key = 'key-1'") == []
    with pytest.raises(ExternalIdUsedError) as refused:
        till.do(replace(request, id="wd_other"))
    assert refused.value.existing_id == first.id


def test_an_unknown_currency_is_refused(till: Till) -> None:
    with pytest.raises(UnknownCurrencyError):
        till.open("alice", 10_000, currency="XYZ")


@pytest.mark.parametrize(("limit", "cap", "allowed"), [(None, 30_000, 30_000), ("0.0002", 90_000, 20_000)])
def test_a_session_is_limited_over_all_its_withdrawals(
    tmp_path: Path, limit: str | None, cap: int, allowed: int
) -> None:
    till = Till(tmp_path, session_withdrawal_cap=cap)
    till.deposit("alice", 100_000, blocks=3)
    key = Idempotency("key:shop", "session", "h")
    session = CreateSession(
        "se_1", "shop", "alice", ("withdraw",), None, 900, 60, "code", None, None, limit, key
    )
    till.do(session)
    first = till.open("alice", allowed - 5_000, session_id="se_1")
    with pytest.raises(LimitExceededError):
        till.open("alice", 5_001, session_id="se_1")
    till.open("alice", 5_000, session_id="se_1")
    with pytest.raises(LimitExceededError):
        till.open("alice", 1_000, session_id="se_1")
    till.decide(first.id, "cancel")
    till.open("alice", 1_000, session_id="se_1")
    till.close()


def test_what_withdrawals_wait_for_is_shown(till: Till) -> None:
    view = till.open("alice", 10_000)
    till.do(SetWaiting("BTC", "funds"))
    assert till.rows("SELECT waiting_for FROM withdrawal WHERE id = ?", view.id) == [("funds",)]
    till.do(SetWaiting("BTC", None))
    assert till.rows("SELECT waiting_for FROM withdrawal WHERE id = ?", view.id) == [(None,)]
