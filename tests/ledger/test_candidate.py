"""Attempts: nothing is reserved twice, nothing can be paid twice, bytes are never forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from coins.types import AttemptPlan, BroadcastOutcome, BroadcastResult, Outpoint, TxOutput, Utxo
from ledger.commands import SetCurrencyState
from ledger.errors import IllegalTransitionError, InputsTakenError, NotFoundError, PayoutsHeldError
from ledger.payout_command import (
    AbandonAttempt,
    GetPayoutWork,
    GetUnsettledAttempts,
    RecordBroadcast,
    RecordSigned,
    ReserveAttempt,
    StartNonceLane,
)
from tests.fakes.coin import plan_payment, signed
from tests.ledger.till import ETH, Till


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    made = Till(tmp_path)
    made.deposit("alice", 100_000, blocks=1)
    made.deposit("alice", 80_000, blocks=6)
    yield made
    made.check()
    made.close()


def a_plan(till: Till) -> AttemptPlan:
    till.open("alice", 60_000)
    return plan_payment(till.work()[0])


def test_reserving_is_idempotent_and_hides_what_is_reserved(till: Till) -> None:
    plan = a_plan(till)
    first = till.do(ReserveAttempt("at_a", plan))
    assert till.do(ReserveAttempt("at_a", plan)) == first
    assert (first.state, first.signed) == ("prepared", None)
    with pytest.raises(IllegalTransitionError):
        till.do(ReserveAttempt("at_a", replace(plan, fee=plan.fee + 1)))
    assert till.work() == []
    till.open("alice", 60_000)
    offered = {u.outpoint for u in till.work()[0].utxos}
    assert offered
    assert not offered & {u.outpoint for u in plan.inputs}


def test_w48_reserved_inputs_survive_a_restart_of_everything(till: Till) -> None:
    plan = a_plan(till)
    till.do(ReserveAttempt("at_a", plan))
    till.reopen()
    till.open("alice", 60_000)
    offered = {u.outpoint for u in till.work()[0].utxos}
    assert offered
    assert not offered & {u.outpoint for u in plan.inputs}
    with pytest.raises(InputsTakenError):
        till.do(ReserveAttempt("at_b", replace(plan_payment(till.work()[0]), inputs=plan.inputs)))


def test_w41_two_payers_are_one_claim(till: Till) -> None:
    """Whoever plans the same payout with other inputs at the same time can reserve nothing."""
    till.open("alice", 50_000)
    (work,) = till.work()
    plan = plan_payment(work)
    rest = tuple(utxo for utxo in work.utxos if utxo not in plan.inputs)
    assert rest
    till.do(ReserveAttempt("at_a", plan))
    with pytest.raises(IllegalTransitionError, match="could both be mined"):
        till.do(ReserveAttempt("at_b", replace(plan_payment(replace(work, utxos=rest)))))
    assert till.attempts() == ["prepared"]


def test_inputs_of_another_intent_are_taken(till: Till) -> None:
    plan = a_plan(till)
    till.open("alice", 50_000)
    till.do(ReserveAttempt("at_a", plan))
    second = plan_payment(till.work()[0])
    stolen = replace(second, inputs=plan.inputs)
    with pytest.raises(InputsTakenError):
        till.do(ReserveAttempt("at_b", stolen))
    gone = replace(second.inputs[0], amount=5)
    with pytest.raises(InputsTakenError):
        till.do(ReserveAttempt("at_b", replace(second, inputs=(gone,))))


def test_w05_a_second_attempt_must_conflict_with_every_earlier_one(till: Till) -> None:
    till.open("alice", 60_000)
    work = till.work()[0]
    by_amount = sorted(work.utxos, key=lambda u: u.amount)
    first = plan_payment(replace(work, utxos=(by_amount[0],)))
    other = plan_payment(replace(work, utxos=(by_amount[1],)))
    attempt = till.do(ReserveAttempt("at_a", first))
    bytes_ = signed(attempt.plan)
    till.do(RecordSigned("at_a", bytes_.txid, bytes_.raw))
    with pytest.raises(IllegalTransitionError):
        till.do(ReserveAttempt("at_b", other))
    bump = replace(first, inputs=(*first.inputs, *other.inputs), outputs=first.outputs[:1], fee=120_000)
    till.do(ReserveAttempt("at_b", replace(bump, change=None)))
    assert till.attempts() == ["signed", "prepared"]


def test_w08_the_mined_one_of_two_attempts_settles_and_frees_the_other(till: Till) -> None:
    view_plan = a_plan(till)
    till.do(ReserveAttempt("at_a", view_plan))
    (extra,) = [u for u in _outputs(till) if u not in view_plan.inputs]
    change = view_plan.outputs[1]
    more = TxOutput(change.script, change.address, change.amount + extra.amount - 500)
    bump = replace(
        view_plan,
        inputs=(*view_plan.inputs, extra),
        outputs=(view_plan.outputs[0], more),
        fee=view_plan.fee + 500,
    )
    till.do(ReserveAttempt("at_b", bump))
    till.resume()
    assert till.attempts() == ["broadcast", "unknown"]
    till.mine(6)
    assert till.attempts() == ["mined", "replaced"]
    assert till.rows("SELECT count(*) FROM utxo WHERE reserved_by IS NOT NULL AND spent_by IS NULL") == [(0,)]
    assert till.client("alice") == (119_500, 0, 0, 0)


def _outputs(till: Till) -> list[Utxo]:
    rows = till.rows("SELECT txid, output_index, amount FROM utxo WHERE spent_by IS NULL")
    own = till.scripts["client:alice:0"]
    return [Utxo(Outpoint(txid, index), int(amount), own) for txid, index, amount in rows]


def test_a_plan_that_pays_something_else_is_refused(till: Till) -> None:
    plan = a_plan(till)
    payee = plan.outputs[0]
    for wrong in (
        replace(plan, outputs=(replace(payee, amount=payee.amount + 1), *plan.outputs[1:])),
        replace(plan, outputs=(replace(payee, script=b"thief"), *plan.outputs[1:])),
        replace(plan, kind="sweep"),
        replace(plan, intent_id="pay_none"),
        replace(plan, inputs=()),
        replace(plan, inputs=(*plan.inputs, plan.inputs[0])),
        replace(plan, outputs=()),
    ):
        with pytest.raises(IllegalTransitionError):
            till.do(ReserveAttempt("at_a", wrong))
    assert till.attempts() == []


def test_signed_bytes_are_kept_and_never_changed_or_abandoned(till: Till) -> None:
    plan = a_plan(till)
    till.do(ReserveAttempt("at_a", plan))
    with pytest.raises(IllegalTransitionError):
        till.do(RecordBroadcast("at_a", BroadcastResult(BroadcastOutcome.ACCEPTED)))
    bytes_ = signed(plan)
    first = till.do(RecordSigned("at_a", bytes_.txid, bytes_.raw))
    assert till.do(RecordSigned("at_a", bytes_.txid, bytes_.raw)) == first
    assert first.signed == bytes_
    with pytest.raises(IllegalTransitionError):
        till.do(RecordSigned("at_a", "ff" * 32, bytes_.raw))
    with pytest.raises(IllegalTransitionError):
        till.do(AbandonAttempt("at_a", "no"))
    till.reopen()
    (work,) = till.do(GetUnsettledAttempts("BTC"))
    assert (work.signed, work.plan, work.state) == (bytes_, plan, "signed")
    with pytest.raises(NotFoundError):
        till.do(AbandonAttempt("at_none", "no"))


@pytest.mark.parametrize("state", ["behind", "stalled", "disagree", "down", "halted", "paused"])
def test_in_doubt_nothing_is_given_out_to_be_signed_and_what_is_signed_stays_in_flight(
    till: Till, state: str
) -> None:
    plan = a_plan(till)
    till.do(ReserveAttempt("at_a", plan))
    till.do(SetCurrencyState("BTC", state, "in doubt"))
    assert till.do(GetUnsettledAttempts("BTC")) == ()
    till.do(SetCurrencyState("BTC", "open", ""))
    (work,) = till.do(GetUnsettledAttempts("BTC"))
    assert (work.attempt_id, work.state) == ("at_a", "prepared")
    bytes_ = signed(plan)
    till.do(RecordSigned("at_a", bytes_.txid, bytes_.raw))
    till.do(SetCurrencyState("BTC", state, "in doubt"))
    (work,) = till.do(GetUnsettledAttempts("BTC"))
    assert (work.state, work.signed) == ("signed", bytes_)


def test_w50_an_unknown_answer_is_attention_and_releases_nothing(till: Till) -> None:
    plan = a_plan(till)
    till.do(ReserveAttempt("at_a", plan))
    bytes_ = signed(plan)
    till.do(RecordSigned("at_a", bytes_.txid, bytes_.raw))
    for outcome in (BroadcastOutcome.UNKNOWN, BroadcastOutcome.REJECTED):
        till.do(RecordBroadcast("at_a", BroadcastResult(outcome, "no answer")))
        assert till.attempts() == ["unknown"]
        assert till.rows("SELECT status, attention FROM withdrawal") == [("signed", 1)]
    assert till.events().count("withdrawal.attention") == 1
    assert till.work() == []
    till.do(RecordBroadcast("at_a", BroadcastResult(BroadcastOutcome.KNOWN)))
    assert till.rows("SELECT status, attention FROM withdrawal") == [("broadcast", 0)]
    till.do(RecordBroadcast("at_a", BroadcastResult(BroadcastOutcome.ACCEPTED)))
    assert till.events().count("withdrawal.broadcast") == 1


def test_an_abandoned_attempt_frees_its_inputs(till: Till) -> None:
    plan = a_plan(till)
    till.do(ReserveAttempt("at_a", plan))
    till.do(AbandonAttempt("at_a", "the signer refused"))
    till.do(AbandonAttempt("at_a", "the signer refused"))
    assert plan_payment(till.work()[0]).inputs == plan.inputs
    with pytest.raises(IllegalTransitionError):
        till.do(RecordSigned("at_a", "aa" * 32, "00"))


@pytest.mark.parametrize("state", ["behind", "stalled", "down", "disagree", "halted", "paused", "disabled"])
def test_nothing_is_given_out_while_in_doubt(till: Till, state: str) -> None:
    till.open("alice", 60_000)
    till.do(SetCurrencyState("BTC", state, "test"))
    with pytest.raises(PayoutsHeldError) as held:
        till.do(GetPayoutWork("BTC"))
    assert held.value.waiting_for == "node"
    till.do(till.coin)  # a disabled currency comes back by being configured again, and only so
    till.do(SetCurrencyState("BTC", "draining", "test"))
    assert len(till.work()) == 1


def test_nonces_are_handed_out_in_order_and_given_back(tmp_path: Path) -> None:
    till = Till(tmp_path, ETH)
    till.chain.pay((till.hot.script, 10**6))
    till.deposit("alice", 10**6, blocks=6)
    for _ in range(3):
        till.open("alice", 10_000)
    first = till.reserve(till.work()[0])
    second = till.reserve(till.work()[0])
    assert (first.plan.nonce, second.plan.nonce) == (0, 1)
    stale = replace(plan_payment(till.work()[0]), nonce=1)
    with pytest.raises(InputsTakenError):
        till.do(ReserveAttempt("at_x", stale))
    till.do(AbandonAttempt(first.attempt_id, "the signer refused"))
    again = till.reserve(till.work()[0])
    assert again.plan.nonce == 0
    foreign_sender = replace(again.plan, sender=replace(till.hot, script=b"x" * 20), intent_id="pay_wd_3")
    with pytest.raises(IllegalTransitionError):
        till.do(ReserveAttempt("at_y", foreign_sender))
    till.check()
    till.close()


def test_a_lane_starts_where_the_chain_stands_and_only_before_our_own_first(tmp_path: Path) -> None:
    till = Till(tmp_path, ETH)
    till.deposit("alice", 10**18, blocks=6)
    (work,) = till.work()
    assert work.source is not None
    for number, expected in ((3, 3), (2, 3), (5, 5)):
        till.do(StartNonceLane("ETH", work.source.script, number))
        assert till.work()[0].nonce == expected
    till.reserve(till.work()[0])
    till.do(StartNonceLane("ETH", work.source.script, 9))
    assert till.rows("SELECT next_nonce FROM nonce_lane") == [(5,)]
    till.close()
