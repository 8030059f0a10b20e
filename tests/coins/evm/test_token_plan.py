"""A token's transfer from plan to bytes: planned within its gas, signed only as our own settings say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hexbytes import HexBytes

from coins.errors import PlanError, SignerError
from coins.eth_library import Account, TypedTransaction
from coins.evm.calldata import decode_transfer, encode_transfer
from coins.evm.derive import EvmDeriver
from coins.evm.sign import account_xpub, sign_plan
from coins.evm.spender import EvmSpender
from coins.evm.tx import TOP_UP, UnsignedTx, decode_payload, encode_payload
from coins.types import AttemptPlan, Branch, FeeQuote, OwnScript, PayoutWork, TxOutput
from tests.coins.evm.world import SEED, LocalSigner, eth_settings, token_settings

TOKEN = token_settings("0x" + "c0" * 20, gas_limit=90_000)
SETTINGS = eth_settings().model_copy(update={"tokens": (TOKEN,)})
DERIVER = EvmDeriver(SETTINGS, account_xpub(SEED, SETTINGS, 0), account_xpub(SEED, SETTINGS, 1))
HOT = DERIVER.own(Branch.HOT, 0)
DEPOSIT = DERIVER.own(Branch.DEPOSIT, 5)
PAYEE = TxOutput(b"\x77" * 20, "0x" + "77" * 20, 5_000_000)
HOME = TxOutput(HOT.script, HOT.address, 5_000_000)
GWEI = 10**9
QUOTE = FeeQuote(max_fee_wei=21 * GWEI, priority_fee_wei=GWEI, base_fee_wei=10 * GWEI)
GAS = 90_000
SPENDER = EvmSpender(SETTINGS, None, LocalSigner(SETTINGS))  # type: ignore[arg-type]  # no node is asked


def work_of(kind: str = "payout", **changes: Any) -> PayoutWork:
    """Work in the token with enough of everything."""
    source, output = (HOT, PAYEE) if kind == "payout" else (DEPOSIT, HOME)
    values: dict[str, Any] = {
        "balance": 9_000_000,
        "gas_balance": GAS * QUOTE.max_fee_wei,
        "source": source,
        "output": output,
    }
    return PayoutWork("w1", kind, TOKEN.currency, nonce=9, **{**values, **changes})


def plan_of(
    sender: OwnScript = HOT, kind: str = "payout", output: TxOutput = PAYEE, **fields: Any
) -> AttemptPlan:
    """A consistent plan; ``fields`` alter the transaction alone."""
    values: dict[str, Any] = {
        "chain_id": 31337, "nonce": 9, "to": TOKEN.contract_script, "value": 0, "gas": GAS,
        "max_fee_wei": 2 * GWEI, "priority_fee_wei": GWEI,
        "data": encode_transfer(output.script, output.amount),
    }  # fmt: skip
    tx = UnsignedTx(**{**values, **fields})
    return AttemptPlan(
        "w1", kind, TOKEN.currency, (output,), tx.fee, encode_payload(tx), sender=sender, nonce=9
    )


async def test_a_payout_calls_the_contract_and_names_the_payee() -> None:
    plan = SPENDER.plan(work_of(), QUOTE)
    tx = decode_payload(plan.payload)
    assert (tx.to, tx.value, tx.gas, tx.max_fee_wei) == (TOKEN.contract_script, 0, GAS, 21 * GWEI)
    assert decode_transfer(tx.data) == (PAYEE.script, PAYEE.amount)
    assert (plan.outputs, plan.fee, plan.currency) == ((PAYEE,), GAS * 21 * GWEI, "USDT-ETH")
    signed = await SPENDER.sign(plan)
    assert signed == await SPENDER.sign(plan)
    fields = TypedTransaction.from_bytes(HexBytes(bytes.fromhex(signed.raw[2:]))).as_dict()
    assert bytes(fields["data"]) == tx.data
    assert Account.recover_transaction(signed.raw) == HOT.address


async def test_a_sweep_takes_all_units_at_a_price_its_gas_pays() -> None:
    held = GAS * 15 * GWEI
    plan = SPENDER.plan(work_of("sweep", gas_balance=held), QUOTE)
    tx = decode_payload(plan.payload)
    assert decode_transfer(tx.data) == (HOT.script, 9_000_000)
    assert (tx.max_fee_wei, plan.fee) == (15 * GWEI, held)
    await SPENDER.sign(plan)


def test_a_sweep_without_gas_says_how_much_is_missing() -> None:
    with pytest.raises(PlanError) as refusal:
        SPENDER.plan(work_of("sweep", gas_balance=GAS * GWEI), QUOTE)
    assert (refusal.value.waiting_for, refusal.value.gas_missing) == ("gas", GAS * 20 * GWEI)


@pytest.mark.parametrize(
    ("changes", "waiting_for"),
    [
        ({"balance": 4_999_999}, "funds"),
        ({"gas_balance": GAS * 21 * GWEI - 1}, "gas"),
        ({"gas_balance": None}, "gas"),
    ],
)
def test_w33_a_payout_waits_for_units_or_gas(changes: dict[str, Any], waiting_for: str) -> None:
    with pytest.raises(PlanError) as refusal:
        SPENDER.plan(work_of(**changes), QUOTE)
    assert (refusal.value.waiting_for, refusal.value.gas_missing) == (waiting_for, 0)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (plan_of(to=b"\x11" * 20), "no call of the token's contract"),
        (plan_of(value=1), "no call of the token's contract"),
        (plan_of(data=b""), "no transfer"),
        (
            plan_of(data=bytes.fromhex("095ea7b3") + encode_transfer(PAYEE.script, 5_000_000)[4:]),
            "no transfer",
        ),
        (plan_of(data=encode_transfer(PAYEE.script, 5_000_001)), "amount"),
        (plan_of(data=encode_transfer(b"\x78" * 20, 5_000_000)), "recipient"),
        (plan_of(gas=GAS + 1), "outside 21000"),
        (plan_of(max_fee_wei=301 * GWEI), "wei per gas is above"),
        (plan_of(sender=DEPOSIT), "not sent from a deposit account"),
        (plan_of(DEPOSIT, "sweep"), "nowhere else"),
        (plan_of(kind=TOP_UP), "unknown kind"),
        (replace(plan_of(), currency="DAI-ETH"), "not ETH"),
        (replace(plan_of(), currency="ETH"), "amount"),
    ],
)
def test_what_differs_is_refused(plan: AttemptPlan, words: str) -> None:
    with pytest.raises(SignerError, match=words):
        sign_plan(SEED, SETTINGS, plan)


def test_gas_is_sent_from_hot_and_never_more_than_a_sweep_may_cost() -> None:
    most = GAS * SETTINGS.max_fee_wei
    for amount in (most, most + 1):
        output = TxOutput(DEPOSIT.script, DEPOSIT.address, amount)
        tx = UnsignedTx(31337, 9, DEPOSIT.script, amount, 21_000, 2 * GWEI, GWEI)
        plan = AttemptPlan("t1", TOP_UP, "ETH", (output,), tx.fee, encode_payload(tx), sender=HOT, nonce=9)
        if amount == most:
            sign_plan(SEED, SETTINGS, plan)
            with pytest.raises(SignerError, match="may cost"):
                sign_plan(SEED, eth_settings(), plan)
        else:
            with pytest.raises(SignerError, match="may cost"):
                sign_plan(SEED, SETTINGS, plan)


def test_the_payment_link_of_a_token_calls_its_contract() -> None:
    expected = f"ethereum:{TOKEN.contract}@31337/transfer?address={DEPOSIT.address}"
    assert DERIVER.uri(DEPOSIT.address, "USDT-ETH") == expected
    assert DERIVER.uri(DEPOSIT.address, "ETH") == DERIVER.uri(DEPOSIT.address)
