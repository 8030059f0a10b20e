"""Many small outputs become one: only what is final, one at a time, never at the cost of a payout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from coins.types import (
    CONSOLIDATE,
    CPFP,
    AttemptPlan,
    Branch,
    ConsolidationTerms,
    ConsolidationWork,
    Outpoint,
    StuckWork,
    TxOutput,
    Utxo,
    child_intent,
)
from ledger.commands import (
    AbandonAttempt,
    GetConsolidationWork,
    GetPayoutWork,
    GetStuckWork,
    GetUnsettledAttempts,
    Idempotency,
    PostTransfer,
    ReserveAttempt,
    SetCurrencyState,
    SetWaiting,
    WriteOffCase,
)
from ledger.errors import IllegalTransitionError, InputsTakenError, PayoutsHeldError
from ledger.operator_access import CreateOperator
from ledger.stop_command import StopPayouts
from ledger.verify import verify_file
from tests.fakes.chain import FakeTx
from tests.fakes.coin import bump_payment, plan_payment
from tests.ledger.till import Till

SMALL, LARGE, COUNT, FEE, HOUSE = 20_000, 400_000, 8, 640, 50_000
TERMS = ConsolidationTerms(above=500, below=100_000, count=5, inputs_max=50)
AFTER_S = 600
KINDS = (CONSOLIDATE, CPFP, "payout")


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Till]:
    """Eight small final deposits of as many clients, and a large one."""
    made = Till(tmp_path)
    for number in range(COUNT):
        made.deposit(f"small{number}", SMALL)
    made.deposit("alice", LARGE)
    made.mine(6)
    give_house(made, HOUSE)
    yield made
    made.check()
    assert verify_file(made.store.path) == []
    made.close()


def give_house(till: Till, amount: int, source: str = "alice", target: str = "house") -> None:
    """Money of a client becomes the house's own, or the other way round."""
    name = f"tr_{till.number()}"
    key = Idempotency("shop", name, name)
    till.do(PostTransfer(name, "shop", source, target, "BTC", amount, name, "a bet", "key:shop", key))


def find(till: Till, terms: ConsolidationTerms = TERMS) -> ConsolidationWork | None:
    work: ConsolidationWork | None = till.do(GetConsolidationWork("BTC", terms))
    return work


def found(till: Till, terms: ConsolidationTerms = TERMS) -> ConsolidationWork:
    work = find(till, terms)
    assert work is not None
    return replace(work, change=till.issue(f"change:{work.intent_id}", Branch.CHANGE))


def plan_of(work: ConsolidationWork, fee: int = FEE) -> AttemptPlan:
    """The chain tx as the family plans it."""
    own, total = work.change, sum(utxo.amount for utxo in work.utxos)
    assert own is not None
    return AttemptPlan(
        intent_id=work.intent_id,
        kind=CONSOLIDATE,
        currency=work.currency,
        outputs=(TxOutput(own.script, own.address, total - fee),),
        fee=fee,
        payload="{}",
        inputs=work.utxos,
        change=own,
    )


def send(till: Till, name: str = "at_many") -> FakeTx:
    """One consolidation in the mempool."""
    till.do(ReserveAttempt(name, plan_of(found(till))))
    till.resume()
    return FakeTx.decode(till.rows("SELECT raw FROM attempt WHERE id = ?", name)[0][0])


def intents(till: Till) -> list[tuple[str, str]]:
    return till.rows("SELECT id, status FROM intent WHERE kind = 'consolidate' ORDER BY rowid")


def reserved(till: Till) -> int:
    return int(
        till.rows("SELECT count(*) FROM utxo WHERE reserved_by IS NOT NULL AND spent_by IS NULL")[0][0]
    )


def test_small_outputs_become_one_and_the_house_bears_the_fee(till: Till) -> None:
    before = [till.client(f"small{number}") for number in range(COUNT)]
    tx = send(till)
    assert len(tx.inputs) == COUNT
    assert till.attempts() == ["broadcast"]
    till.mine(1)
    till.check()
    assert till.balance("network_fee:BTC") == FEE
    assert till.onchain() == {"deposit": LARGE, "hot": COUNT * SMALL - FEE}
    kinds = till.rows("SELECT kind, count(*) FROM journal WHERE ref_id = 'at_many' GROUP BY kind")
    assert kinds == [("consolidate", 1)]
    till.mine(6)
    assert intents(till) == [("consolidate_BTC_1", "settled")]
    assert [till.client(f"small{number}") for number in range(COUNT)] == before
    assert till.rows("SELECT count(*) FROM unclaimed_case") == [(0,)]
    till.open("alice", 10_000)
    (work,) = till.do(GetPayoutWork("BTC"))
    assert Outpoint(tx.txid, 0) in {utxo.outpoint for utxo in work.utxos}
    assert find(till) is None


def test_no_more_than_the_configured_count_is_left_alone(till: Till) -> None:
    assert find(till, replace(TERMS, count=COUNT)) is None
    assert intents(till) == []
    assert len(found(till, replace(TERMS, count=COUNT - 1)).utxos) == COUNT


def test_only_small_ones_worth_their_fee_are_taken_and_no_more_than_fit(till: Till) -> None:
    assert find(till, replace(TERMS, above=SMALL)) is None
    assert find(till, replace(TERMS, below=SMALL)) is None
    taken = found(till, replace(TERMS, above=SMALL - 1, below=None, inputs_max=6)).utxos
    assert [utxo.amount for utxo in taken] == [SMALL] * 6


def test_half_of_what_can_be_spent_stays_for_payouts(till: Till) -> None:
    till.open("alice", LARGE - HOUSE - 10_500)
    till.pay_all()
    # The large one is under way: eight of 20 000 are all there is.
    assert len(found(till).utxos) == COUNT // 2


def test_twice_what_is_asked_for_stays(till: Till) -> None:
    till.open("alice", 200_000)
    total = LARGE + COUNT * SMALL
    assert len(found(till).utxos) == (total - 2 * 200_000) // SMALL == COUNT
    till.open("alice", 60_000)
    assert len(found(till).utxos) == (total - 2 * 260_000) // SMALL == 2
    till.open("alice", 20_000)
    assert find(till) is None


def test_the_fee_comes_out_of_the_houses_money_never_out_of_the_clients(till: Till) -> None:
    assert found(till).fee_max == HOUSE
    give_house(till, HOUSE, "house", "alice")
    assert find(till) is None
    give_house(till, FEE - 1)
    assert found(till).fee_max == FEE - 1


def test_w13_nothing_is_tied_up_while_a_payout_waits_for_funds(till: Till) -> None:
    till.open("alice", 10_000)
    till.do(SetWaiting("BTC", "funds"))
    assert find(till) is None
    till.do(SetWaiting("BTC", None))
    assert find(till) is not None


def test_only_final_deposits_and_confirmed_change_are_taken(till: Till) -> None:
    for number in range(COUNT):
        till.deposit(f"young{number}", SMALL)
    till.mine(5)
    assert len(found(till).utxos) == COUNT
    till.mine(1)
    assert len(found(till).utxos) == 2 * COUNT


def test_one_at_a_time_until_no_reorg_undoes_it(till: Till) -> None:
    send(till)
    for number in range(COUNT):
        till.deposit(f"later{number}", SMALL)
    for _ in range(6):
        assert find(till) is None
        till.mine(1)
    assert found(till).intent_id == "consolidate_BTC_2"


def test_a_stop_of_all_payouts_and_a_pause_hold_it(till: Till) -> None:
    work = found(till)
    till.do(CreateOperator("op_ann", "ann", "hash", "salt", ("payments",), "test"))
    till.do(StopPayouts("operator:op_ann", "panic", Idempotency("op", "stop", "stop")))
    assert find(till) is None
    with pytest.raises(PayoutsHeldError):
        till.do(ReserveAttempt("at_many", plan_of(work)))
    assert till.attempts() == []


def test_a_currency_that_does_not_pay_brings_nothing_together(till: Till) -> None:
    till.do(SetCurrencyState("BTC", "behind", "blocks are missing"))
    assert find(till) is None


def test_what_the_signer_refused_frees_its_inputs_and_keeps_its_intent(till: Till) -> None:
    till.do(ReserveAttempt("at_many", plan_of(found(till))))
    assert reserved(till) == COUNT
    till.do(AbandonAttempt("at_many", "no"))
    assert reserved(till) == 0
    assert found(till).intent_id == "consolidate_BTC_1"
    send(till, "at_again")
    till.mine(6)
    assert intents(till) == [("consolidate_BTC_1", "settled")]


def test_w01_after_a_crash_the_same_bytes_leave_once(till: Till) -> None:
    till.do(ReserveAttempt("at_many", plan_of(found(till))))
    till.reopen()
    assert find(till) is None
    (work,) = till.do(GetUnsettledAttempts("BTC"))
    assert (work.plan.kind, work.signed) == (CONSOLIDATE, None)
    till.resume()
    till.reopen()
    till.resume()
    assert len(till.chain.mempool) == 1
    till.mine(6)
    assert till.attempts() == ["mined"]


def test_w11_a_reorg_returns_it_and_it_is_mined_again(till: Till) -> None:
    tx = send(till)
    till.mine(2)
    till.reorg(2)
    assert till.attempts() == ["broadcast"]
    assert till.balance("network_fee:BTC") == 0
    assert till.onchain() == {"deposit": LARGE + COUNT * SMALL, "hot": 0}
    till.check()
    assert reserved(till) == COUNT
    assert find(till) is None
    till.mine(1, [tx])
    till.mine(6)
    assert (till.attempts(), till.balance("network_fee:BTC")) == (["mined"], FEE)


def test_a_reorg_of_the_deposits_below_it_takes_nothing_from_a_client_twice(till: Till) -> None:
    tx = send(till)
    till.mine(5)
    till.reorg(5)
    till.check()
    till.chain.mempool.pop(tx.txid, None)
    till.mine(1)
    till.resume()
    till.mine(7)
    assert till.attempts() == ["mined"]


def test_w09_what_lost_an_input_for_good_ends_and_frees_the_others_whoever_waits(till: Till) -> None:
    tx = send(till)
    till.chain.mempool.clear()
    theft = FakeTx(outputs=((b"\x66" * 20, SMALL - 100),), inputs=tx.inputs[:1])
    till.mine(1, [theft])
    till.open("alice", 10_000)
    till.do(SetWaiting("BTC", "funds"))
    till.mine(4)
    assert find(till) is None  # unexplained money holds everything
    assert (till.attempts(), reserved(till)) == (["conflicted"], COUNT - 1)
    till.mine(1)  # nobody asks for more to bring together while a payout waits
    assert (till.attempts(), reserved(till)) == (["replaced"], 0)
    assert intents(till) == [("consolidate_BTC_1", "closed")]
    (case_id,) = till.rows("SELECT id FROM unclaimed_case")[0]
    till.do(WriteOffCase(case_id, "operator:op_ann", "stolen", Idempotency("op", "off", "off")))
    till.do(SetWaiting("BTC", None))
    work = found(till)
    assert (work.intent_id, len(work.utxos)) == ("consolidate_BTC_2", COUNT - 1)


def stuck(till: Till) -> tuple[StuckWork, ...]:
    works: tuple[StuckWork, ...] = till.do(GetStuckWork("BTC", AFTER_S, KINDS))
    return works


def test_w07_it_is_paid_more_for_only_while_a_payout_waits_for_funds(till: Till) -> None:
    send(till)
    till.now_s += AFTER_S
    assert stuck(till) == ()
    till.open("alice", 10_000)
    till.do(SetWaiting("BTC", "funds"))
    (work,) = stuck(till)
    assert (work.plan.kind, work.utxos, work.txid != "") == (CONSOLIDATE, (), True)
    till.do(ReserveAttempt("at_dear", bump_payment(work)))
    till.resume()
    assert till.attempts() == ["broadcast", "broadcast"]
    (raw,) = till.rows("SELECT raw FROM attempt WHERE id = 'at_dear'")[0]
    till.chain.mempool.clear()
    till.mine(1, [FakeTx.decode(raw)])
    till.mine(6)
    assert till.attempts() == ["replaced", "mined"]
    assert till.balance("network_fee:BTC") == 2 * FEE
    assert intents(till) == [("consolidate_BTC_1", "settled")]


def test_w07_where_nothing_is_replaced_a_child_pays_for_it(till: Till) -> None:
    tx = send(till)
    till.now_s += AFTER_S
    till.open("alice", 10_000)
    till.do(SetWaiting("BTC", "funds"))
    (work,) = stuck(till)
    own, output = work.plan.change, work.plan.outputs[0]
    assert own is not None
    child = AttemptPlan(
        intent_id=child_intent(tx.txid),
        kind=CPFP,
        currency="BTC",
        outputs=(replace(output, amount=output.amount - 900),),
        fee=900,
        payload="{}",
        inputs=(Utxo(Outpoint(tx.txid, 0), output.amount, own),),
    )
    till.do(ReserveAttempt("at_child", child))
    till.resume()
    assert till.attempts() == ["broadcast", "broadcast"]
    till.mine(7)
    assert till.attempts() == ["mined", "mined"]
    assert till.balance("network_fee:BTC") == FEE + 900


def test_an_input_that_a_payout_took_meanwhile_is_refused(till: Till) -> None:
    plan = plan_of(found(till))
    till.open("alice", SMALL // 2)
    (work,) = till.work()
    till.do(ReserveAttempt("at_payout", plan_payment(replace(work, utxos=plan.inputs[:1]))))
    with pytest.raises(InputsTakenError):
        till.do(ReserveAttempt("at_many", plan))
    assert reserved(till) == 1
    assert len(found(till).utxos) == COUNT - 1


def other_script(plan: AttemptPlan) -> AttemptPlan:
    return replace(plan, outputs=(replace(plan.outputs[0], script=b"\x66" * 20),))


def less_back(plan: AttemptPlan) -> AttemptPlan:
    return replace(plan, outputs=(replace(plan.outputs[0], amount=plan.outputs[0].amount - 1),))


def no_change(plan: AttemptPlan) -> AttemptPlan:
    return replace(plan, change=None)


def a_payee(plan: AttemptPlan) -> AttemptPlan:
    half = plan.outputs[0].amount // 2
    thief = TxOutput(b"\x66" * 20, "thief", half)
    return replace(plan, outputs=(thief, replace(plan.outputs[0], amount=plan.outputs[0].amount - half)))


def with_more(plan: AttemptPlan) -> AttemptPlan:
    return replace(plan, more=("pay_wd_2",))


def other_intent(plan: AttemptPlan) -> AttemptPlan:
    return replace(plan, intent_id="consolidate_BTC_7")


def an_input_twice(plan: AttemptPlan) -> AttemptPlan:
    total = plan.outputs[0].amount + plan.inputs[0].amount
    return replace(
        plan, inputs=(*plan.inputs, plan.inputs[0]), outputs=(replace(plan.outputs[0], amount=total),)
    )


HOSTILE = (other_script, less_back, no_change, a_payee, with_more, other_intent, an_input_twice)


@pytest.mark.parametrize("change", HOSTILE, ids=lambda change: change.__name__)
def test_a_plan_that_pays_anybody_else_is_refused(till: Till, change: object) -> None:
    assert callable(change)
    plan = plan_of(found(till))
    with pytest.raises(IllegalTransitionError):
        till.do(ReserveAttempt("at_bad", change(plan)))
    assert (till.attempts(), reserved(till)) == ([], 0)
