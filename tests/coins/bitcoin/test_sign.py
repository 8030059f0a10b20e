"""The signer's own checks: what it refuses, and what its signatures are."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from coins.bitcoin.address import address_of
from coins.bitcoin.derive import XpubDeriver, network_of
from coins.bitcoin.plan import Terms, check_signed, plan_payout
from coins.bitcoin.select import Limits
from coins.bitcoin.sign import account_xpub, sign_plan
from coins.bitcoin.wire import TxOut, decode_tx, p2wpkh_sighashes
from coins.errors import PlanError, SignerError
from coins.types import AttemptPlan, Branch, Outpoint, OwnScript, Payee, PayoutWork, TxOutput, Utxo
from tests.coins.bitcoin.setup import SEED, coin_settings

SETTINGS = coin_settings("BTC")
DERIVER = XpubDeriver(SETTINGS, account_xpub(SEED, SETTINGS, 0), account_xpub(SEED, SETTINGS, 1))
PAYEES = {
    "p2wpkh": "0014" + "02" * 20,
    "p2wsh": "0020" + "03" * 32,
    "p2tr": "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
    "p2pkh": "76a914" + "04" * 20 + "88ac",
    "p2sh": "a914" + "05" * 20 + "87",
}


def own(branch: Branch, index: int) -> OwnScript:
    return DERIVER.derive_now(branch, index)


def utxos(count: int, amount: int = 100_000) -> tuple[Utxo, ...]:
    branches = (Branch.DEPOSIT, Branch.HOT, Branch.CHANGE)
    return tuple(Utxo(Outpoint(f"{n + 1:064x}", n), amount, own(branches[n % 3], n)) for n in range(count))


def terms(rate: int = 10) -> Terms:
    return Terms(Limits(rate, SETTINGS.dust, SETTINGS.max_tx_fee, 10), SETTINGS.signer_tx_cap, SETTINGS.rbf)


def planned(count: int = 3, amount: int = 250_000, payee: str = "p2wpkh", rate: int = 10) -> AttemptPlan:
    output = TxOutput(bytes.fromhex(PAYEES[payee]), "somebody", amount)
    work = PayoutWork("w1", "payout", "BTC", output, utxos(count), own(Branch.CHANGE, 99))
    return plan_payout(work, terms(rate))


@pytest.mark.parametrize("payee", PAYEES)
@pytest.mark.parametrize("count", [1, 3, 30])
def test_the_signed_bytes_are_the_plan(payee: str, count: int) -> None:
    plan = planned(count, 100_000 * count - 30_000, payee)
    signed = sign_plan(SEED, SETTINGS, plan)
    assert signed == sign_plan(SEED, SETTINGS, plan)
    tx = decode_tx(bytes.fromhex(signed.raw))
    assert tx.txid == signed.txid
    assert [(out.amount, out.script) for out in tx.outputs] == [(o.amount, o.script) for o in plan.outputs]
    assert [txin.outpoint for txin in tx.inputs] == [each.outpoint for each in plan.inputs]
    assert {txin.sequence for txin in tx.inputs} == {0xFFFFFFFD}
    assert SETTINGS.fee_rate.min * tx.vsize <= 10 * tx.vsize <= plan.fee <= 10 * tx.vsize + 5 * count + 600
    p2wpkh_sighashes(tx, [TxOut(each.amount, each.own.script) for each in plan.inputs])


def test_no_replacement_is_announced_where_the_network_knows_none() -> None:
    plan = planned()
    work = PayoutWork("w1", "payout", "BTC", plan.outputs[0], plan.inputs, own(Branch.CHANGE, 99))
    final = plan_payout(work, replace(terms(), is_rbf=False))
    tx = decode_tx(bytes.fromhex(sign_plan(SEED, SETTINGS, final).raw))
    assert {txin.sequence for txin in tx.inputs} == {0xFFFFFFFE}


def other_payee(plan: AttemptPlan) -> AttemptPlan:
    moved = replace(plan.outputs[0], script=bytes.fromhex("0014" + "66" * 20))
    return replace(plan, outputs=(moved, *plan.outputs[1:]))


def foreign_input(plan: AttemptPlan) -> AttemptPlan:
    stranger = replace(plan.inputs[0].own, script=bytes.fromhex("0014" + "77" * 20))
    return rebuilt(plan, inputs=(replace(plan.inputs[0], own=stranger), *plan.inputs[1:]))


def foreign_change(plan: AttemptPlan) -> AttemptPlan:
    return rebuilt(plan, change=replace(own(Branch.CHANGE, 99), index=98))


def rebuilt(
    plan: AttemptPlan,
    inputs: tuple[Utxo, ...] | None = None,
    change: OwnScript | None = None,
    amount: int = 0,
    rate: int = 10,
) -> AttemptPlan:
    """A plan that is consistent in itself but made from other data."""
    output = replace(plan.outputs[0], amount=amount or plan.outputs[0].amount)
    work = PayoutWork("w1", "payout", "BTC", output, inputs or plan.inputs, change or own(Branch.CHANGE, 99))
    return plan_payout(work, Terms(Limits(rate, 546, 10**12, 10), 10**12, SETTINGS.rbf))


TAMPERED: list[tuple[Callable[[AttemptPlan], AttemptPlan], str]] = [
    (other_payee, "payload"),
    (lambda plan: replace(plan, fee=plan.fee + 1), "fee"),
    (lambda plan: replace(plan, fee=-plan.fee), "fee"),
    (lambda plan: replace(plan, payload=plan.payload.replace("250000", "250001")), "payload"),
    (lambda plan: replace(plan, payload="{}"), "payload"),
    (lambda plan: replace(plan, payload=""), "payload"),
    (lambda plan: replace(plan, inputs=()), "payload"),
    (lambda plan: replace(plan, change=None), "outputs instead of"),
    (lambda plan: replace(plan, change=own(Branch.CHANGE, 5)), "not its change"),
    (lambda plan: replace(plan, currency="LTC"), "no payout of LTC"),
    (lambda plan: replace(plan, kind="sweep"), "no sweep"),
    (foreign_input, "not one of this seed"),
    (foreign_change, "not one of this seed"),
    (lambda plan: rebuilt(plan, change=own(Branch.HOT, 3)), "change branch"),
    (lambda plan: rebuilt(plan, rate=0), "below the lowest"),
    (lambda plan: rebuilt(plan, amount=100_000, rate=800), "above the highest"),
    (
        lambda plan: rebuilt(
            plan, inputs=(Utxo(Outpoint("aa" * 32, 0), 10**12, own(Branch.HOT, 1)),), amount=3 * 10**8
        ),
        "signer_tx_cap",
    ),
    (
        lambda plan: rebuilt(
            plan, inputs=(Utxo(Outpoint("aa" * 32, 0), 10**9, own(Branch.HOT, 1)),), amount=10**8, rate=10**4
        ),
        "max_tx_fee",
    ),
]


@pytest.mark.parametrize(("tamper", "reason"), TAMPERED)
def test_the_signer_refuses_what_is_not_right(
    tamper: Callable[[AttemptPlan], AttemptPlan], reason: str
) -> None:
    with pytest.raises(SignerError, match=reason):
        sign_plan(SEED, SETTINGS, tamper(planned()))


COLD_SCRIPT = bytes.fromhex("0020" + "03" * 31 + "04")
WITH_COLD = coin_settings("BTC", cold_address=address_of(COLD_SCRIPT, network_of(SETTINGS)), hot_ceiling="1")


def test_money_for_cold_goes_to_the_signers_own_cold_address_and_nowhere_else() -> None:
    amount = SETTINGS.signer_tx_cap + 1  # nothing leaves the house: its caps do not count it
    inputs = (Utxo(Outpoint("aa" * 32, 0), 2 * amount, own(Branch.HOT, 1)),)
    work = PayoutWork(
        "w1", "cold", "BTC", TxOutput(COLD_SCRIPT, "cold", amount), inputs, own(Branch.CHANGE, 99)
    )
    plan = plan_payout(work, terms())
    signed = decode_tx(bytes.fromhex(sign_plan(SEED, WITH_COLD, plan).raw))
    assert [out.script for out in signed.outputs] == [COLD_SCRIPT, own(Branch.CHANGE, 99).script]
    elsewhere = replace(work, output=TxOutput(bytes.fromhex(PAYEES["p2wpkh"]), "thief", 250_000))
    with pytest.raises(SignerError, match="configured cold_address alone"):
        sign_plan(SEED, WITH_COLD, plan_payout(elsewhere, terms()))
    both = replace(elsewhere, output=work.output, more=(Payee("w2", elsewhere.output),))
    with pytest.raises(SignerError, match="configured cold_address alone"):
        sign_plan(SEED, WITH_COLD, plan_payout(both, replace(terms(), pays_max=10**12)))
    with pytest.raises(SignerError, match="no cold_address"):
        sign_plan(SEED, SETTINGS, plan)
    broken = WITH_COLD.model_copy(update={"cold_address": "1BoatSLRHtKNngkdXEeobR76b53LETtpyT"})
    with pytest.raises(SignerError, match="configured cold_address belongs"):
        sign_plan(SEED, broken, plan)


def test_a_cold_output_has_no_key_here() -> None:
    cold = OwnScript(bytes.fromhex(PAYEES["p2wpkh"]), "cold", Branch.COLD, 0)
    plan = rebuilt(planned(), inputs=(Utxo(Outpoint("aa" * 32, 0), 10**7, cold),), amount=10**6)
    with pytest.raises(SignerError, match="branch cold"):
        sign_plan(SEED, WITH_COLD, plan)


def test_the_same_input_twice_is_refused() -> None:
    double = utxos(1) * 2
    with pytest.raises(SignerError, match="twice"):
        sign_plan(SEED, SETTINGS, rebuilt(planned(), inputs=double, amount=150_000))


def test_another_seed_signs_nothing() -> None:
    with pytest.raises(SignerError, match="not one of this seed"):
        sign_plan(b"\x05" * 64, SETTINGS, planned())


def test_signed_bytes_that_differ_from_the_plan_are_refused() -> None:
    plan = planned()
    signed = sign_plan(SEED, SETTINGS, plan)
    assert check_signed(plan, signed.raw) == signed
    other = sign_plan(SEED, SETTINGS, planned(amount=250_001))
    tx = decode_tx(bytes.fromhex(signed.raw))
    for raw in (
        other.raw,
        tx.serialize(with_witness=False).hex(),
        replace(tx, version=1).serialize().hex(),
        replace(tx, locktime=1).serialize().hex(),
        replace(tx, outputs=tx.outputs[:1]).serialize().hex(),
        signed.raw[:-2],
        signed.raw + "00",
        "xx",
        "",
    ):
        with pytest.raises(SignerError, match="signed"):
            check_signed(plan, raw)


def test_no_file_is_written_into_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    sign_plan(SEED, SETTINGS, planned())
    assert list(tmp_path.iterdir()) == []
    assert Path(os.environ["BCL_DATA_DIR"]).is_dir()


def test_only_payouts_are_planned_and_never_to_ourselves() -> None:
    plan = planned()
    work = PayoutWork("w1", "payout", "BTC", plan.outputs[0], plan.inputs, own(Branch.CHANGE, 99))
    for wrong, reason in (
        (replace(work, kind="sweep"), "sweep"),
        (replace(work, change=None), "no change"),
        (replace(work, change=OwnScript(work.output.script, "x", Branch.CHANGE, 1)), "our own change"),
    ):
        with pytest.raises(PlanError, match=reason):
            plan_payout(wrong, terms())
