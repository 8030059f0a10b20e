"""What the signer signs and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from coins.errors import SignerError
from coins.eth_library import Account
from coins.evm.derive import EvmDeriver
from coins.evm.sign import account_xpub, sign_plan
from coins.evm.tx import UnsignedTx, encode_payload
from coins.types import AttemptPlan, Branch, OwnScript, TxOutput
from tests.coins.evm.world import ETHER, SEED, eth_settings, token_settings

SETTINGS = eth_settings()
DERIVER = EvmDeriver(SETTINGS, account_xpub(SEED, SETTINGS, 0), account_xpub(SEED, SETTINGS, 1))
HOT = DERIVER.own(Branch.HOT, 0)
DEPOSIT = DERIVER.own(Branch.DEPOSIT, 5)
PAYEE = b"\x77" * 20


def plan_of(
    sender: OwnScript = HOT, kind: str = "payout", output: TxOutput | None = None, **fields: Any
) -> AttemptPlan:
    """A consistent plan; ``fields`` alter the transaction and the plan alike."""
    to = output or TxOutput(PAYEE, "0x" + PAYEE.hex(), ETHER)
    values = {
        "chain_id": 31337, "nonce": 9, "to": to.script, "value": to.amount, "gas": 21_000,
        "max_fee_wei": 2 * 10**9, "priority_fee_wei": 10**9,
    }  # fmt: skip
    tx = UnsignedTx(**{**values, **fields})
    return AttemptPlan("w1", kind, "ETH", (to,), tx.fee, encode_payload(tx), sender=sender, nonce=tx.nonce)


def test_same_plan_same_bytes_from_the_right_account() -> None:
    signed = sign_plan(SEED, SETTINGS, plan_of())
    assert sign_plan(SEED, SETTINGS, plan_of()) == signed
    assert Account.recover_transaction(signed.raw) == HOT.address


def test_a_sweep_goes_to_the_hot_account_only() -> None:
    home = TxOutput(HOT.script, HOT.address, ETHER)
    signed = sign_plan(SEED, SETTINGS, plan_of(DEPOSIT, "sweep", home))
    assert Account.recover_transaction(signed.raw) == DEPOSIT.address
    with pytest.raises(SignerError, match="nowhere else"):
        sign_plan(SEED, SETTINGS, plan_of(DEPOSIT, "sweep"))


COLD = TxOutput(b"\x79" * 19 + b"\x01", "0x" + "79" * 19 + "01", ETHER)
WITH_COLD = eth_settings(cold_address=COLD.address, hot_ceiling="1")


def test_money_for_cold_goes_to_the_signers_own_cold_address_and_nowhere_else() -> None:
    signed = sign_plan(SEED, WITH_COLD, plan_of(kind="cold", output=COLD))
    assert Account.recover_transaction(signed.raw) == HOT.address
    for plan, settings, words in (
        (plan_of(kind="cold"), WITH_COLD, "not go to the configured cold_address"),
        (plan_of(DEPOSIT, "cold", COLD), WITH_COLD, "not sent from a deposit account"),
        (plan_of(kind="cold", output=COLD), SETTINGS, "no cold_address"),
        (
            plan_of(kind="cold", output=COLD),
            WITH_COLD.model_copy(update={"cold_address": "bc1qelsewhere"}),
            "configured cold_address is",
        ),
    ):
        with pytest.raises(SignerError, match=words):
            sign_plan(SEED, settings, plan)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (plan_of(sender=DEPOSIT), "not sent from a deposit account"),
        (plan_of(kind="sweep"), "not sent from a hot account"),
        (plan_of(sender=replace(HOT, script=PAYEE)), "not an account of this seed"),
        (plan_of(sender=replace(HOT, address=DEPOSIT.address)), "not an account of this seed"),
        (plan_of(sender=replace(HOT, index=1)), "not an account of this seed"),
        (plan_of(sender=replace(HOT, index=2**31)), "not an account of this seed"),
        (plan_of(sender=replace(HOT, index=-1)), "index is wrong"),
        (plan_of(max_fee_wei=301 * 10**9), "wei per gas is above"),
        (plan_of(gas=20_999), "outside 21000"),
        (plan_of(gas=100_001), "outside 21000"),
        (plan_of(chain_id=1), "chain id"),
        (plan_of(value=ETHER + 1), "amount"),
        (plan_of(to=b"\x78" * 20), "recipient"),
        (replace(plan_of(), nonce=10), "nonce"),
        (replace(plan_of(), fee=1), "fee"),
    ],
)
def test_what_differs_or_is_out_of_bounds_is_refused(plan: AttemptPlan, words: str) -> None:
    with pytest.raises(SignerError, match=words) as refusal:
        sign_plan(SEED, SETTINGS, plan)
    assert SEED.hex() not in str(refusal.value)


def test_another_seed_is_another_house() -> None:
    with pytest.raises(SignerError, match="not an account of this seed"):
        sign_plan(SEED[::-1], SETTINGS, plan_of())


def cancel_of(**fields: Any) -> AttemptPlan:
    """A plan that uses up a nonce."""
    return plan_of(HOT, "cancel", TxOutput(HOT.script, HOT.address, 0), **fields)


def test_a_cancel_pays_nothing_to_the_hot_account_itself() -> None:
    signed = sign_plan(SEED, SETTINGS, cancel_of())
    assert Account.recover_transaction(signed.raw).lower() == HOT.address.lower()
    token = replace(cancel_of(), currency="USDT-ETH")
    assert sign_plan(SEED, eth_settings(tokens=(token_settings("0x" + "44" * 20),)), token) == signed


@pytest.mark.parametrize(
    "plan",
    [
        plan_of(HOT, "cancel", TxOutput(HOT.script, HOT.address, 1)),
        plan_of(HOT, "cancel", TxOutput(PAYEE, "0x" + PAYEE.hex(), 0)),
        plan_of(HOT, "payout", TxOutput(HOT.script, HOT.address, 0)),
        plan_of(DEPOSIT, "cancel", TxOutput(DEPOSIT.script, DEPOSIT.address, 0)),
        cancel_of(max_fee_wei=SETTINGS.max_fee_wei + 1),
        cancel_of(gas=SETTINGS.payout_gas_limit_max + 1),
        replace(cancel_of(), nonce=8),
    ],
)
def test_a_cancel_that_pays_anybody_or_too_much_is_refused(plan: AttemptPlan) -> None:
    with pytest.raises(SignerError):
        sign_plan(SEED, SETTINGS, plan)
