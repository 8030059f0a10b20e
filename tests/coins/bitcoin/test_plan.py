"""One chain tx for many payouts: in order, as many as there is enough for, and exactly as planned."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coins.bitcoin.plan import Terms, check_signed, plan_payout, unsigned_tx
from coins.bitcoin.select import Limits
from coins.bitcoin.sign import sign_plan
from coins.bitcoin.wire import decode_tx
from coins.errors import PayeeRefusedError, PlanError, SignerError
from coins.types import Branch, Outpoint, Payee, PayoutWork, TxOutput, Utxo
from tests.coins.bitcoin.setup import SEED
from tests.coins.bitcoin.test_sign import SETTINGS, own, terms, utxos


def payee(number: int, amount: int = 20_000) -> Payee:
    script = bytes.fromhex("0014") + number.to_bytes(20, "big")
    return Payee(f"w{number}", TxOutput(script, f"address {number}", amount))


def work(amounts: list[int], inputs: tuple[Utxo, ...]) -> PayoutWork:
    payees = [payee(number, amount) for number, amount in enumerate(amounts, 1)]
    change = own(Branch.CHANGE, 99)
    return PayoutWork("w1", "payout", "BTC", payees[0].output, inputs, change, more=tuple(payees[1:]))


@pytest.mark.parametrize("count", [2, 3, 50])
def test_many_payouts_are_one_chain_tx_signed_as_planned(count: int) -> None:
    wanted = work([20_000 + number for number in range(count)], utxos(40))
    plan = plan_payout(wanted, terms())
    assert plan.more == tuple(f"w{number}" for number in range(2, count + 1))
    signed = sign_plan(SEED, SETTINGS, plan)
    tx = decode_tx(bytes.fromhex(signed.raw))
    payees = [wanted.output, *(each.output for each in wanted.more)]
    paid = [(out.amount, out.script) for out in tx.outputs]
    assert paid[:count] == [(each.amount, each.script) for each in payees]
    assert len(paid) == count + (plan.change is not None)
    spent = sum(utxo.amount for utxo in plan.inputs)
    assert spent - sum(amount for amount, _ in paid) == plan.fee
    assert plan_payout(wanted, terms()) == plan


def test_payouts_that_share_a_chain_tx_cost_less_than_half_each() -> None:
    wanted = work([20_000] * 50, utxos(60, 2_000_000))
    together = plan_payout(wanted, terms())
    alone = plan_payout(replace(wanted, more=()), terms())
    assert len(together.more) == 49
    assert together.fee * 2 < alone.fee * 50


def test_w13_what_there_is_not_enough_for_waits_and_nobody_is_passed() -> None:
    wanted = work([50_000, 100_000, 900_000, 1_000], utxos(3))
    plan = plan_payout(wanted, terms())
    assert (plan.intent_id, plan.more) == ("w1", ("w2",))
    with pytest.raises(PlanError) as lacking:
        plan_payout(work([900_000, 1_000], utxos(3)), terms())
    assert lacking.value.waiting_for == "funds"


def test_a_batch_pays_out_no_more_than_the_signer_signs() -> None:
    rich = (Utxo(Outpoint("aa" * 32, 0), 10**9, own(Branch.HOT, 1)),)
    plan = plan_payout(work([150_000_000, 50_000_000, 1_000, 1_000], rich), terms())
    assert plan.more == ("w2",)
    sign_plan(SEED, SETTINGS, plan)
    above = plan_payout(work([150_000_000, 50_000_000, 1_000], rich), replace(terms(), pays_max=10**9))
    with pytest.raises(SignerError, match="signer_tx_cap"):
        sign_plan(SEED, SETTINGS, above)


def test_w24_a_batch_stays_below_the_highest_fee_of_a_chain_tx() -> None:
    dear = Terms(Limits(10, 546, 6_000, 10), 10**9, True)
    plan = plan_payout(work([20_000] * 50, utxos(60, 90_000)), dear)
    assert plan.fee <= 6_000
    assert 0 < len(plan.more) < 49


def test_w49_payees_that_nodes_do_not_relay_are_named_before_anything_is_signed() -> None:
    wanted = work([20_000, 545, 20_000, 1], utxos(3))
    with pytest.raises(PayeeRefusedError) as refused:
        plan_payout(wanted, terms())
    assert set(refused.value.reasons) == {"w2", "w4"}
    change = own(Branch.CHANGE, 99)
    mine = Payee("w7", TxOutput(change.script, change.address, 20_000))
    with pytest.raises(PayeeRefusedError, match="w7: the payee is our own change"):
        plan_payout(replace(work([20_000], utxos(3)), more=(mine,)), terms())


def test_the_signer_signs_no_payout_twice_and_no_more_than_configured() -> None:
    plan = plan_payout(work([20_000] * 3, utxos(3)), terms())
    for wrong in (("w2", "w2"), ("w1", "w2"), ("w2",), ("w2", "w3", "w4")):
        with pytest.raises(SignerError):
            unsigned_tx(replace(plan, more=wrong))
    few = SETTINGS.model_copy(update={"batch_max": 2})
    with pytest.raises(SignerError, match="batch_max"):
        sign_plan(SEED, few, plan)
    raw = sign_plan(SEED, SETTINGS, plan).raw
    other = plan_payout(work([20_000, 20_001, 20_000], utxos(3)), terms())
    with pytest.raises(SignerError, match="differs"):
        check_signed(other, raw)
