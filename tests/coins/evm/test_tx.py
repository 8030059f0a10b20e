"""The payload of a plan: one spelling, and no difference to the plan."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coins.errors import SignerError
from coins.evm.tx import UnsignedTx, check_plan, decode_payload, encode_payload
from coins.types import AttemptPlan, Branch, Outpoint, OwnScript, TxOutput, Utxo

WORDS = st.integers(0, 2**256 - 1)
TX = UnsignedTx(31337, 3, b"\x11" * 20, 10**18, 21_000, 2 * 10**9, 10**9)
SENDER = OwnScript(b"\x22" * 20, "0x" + "22" * 20, Branch.HOT, 0)
PLAN = AttemptPlan(
    "w1", "payout", "ETH", (TxOutput(TX.to, "0x" + "11" * 20, TX.value),), TX.fee, encode_payload(TX),
    sender=SENDER, nonce=3,
)  # fmt: skip


@given(
    st.builds(
        UnsignedTx,
        chain_id=st.integers(0, 2**63 - 1),
        nonce=st.integers(0, 2**64 - 2),
        to=st.binary(min_size=20, max_size=20),
        value=WORDS,
        gas=st.integers(0, 2**63 - 1),
        max_fee_wei=WORDS,
        priority_fee_wei=WORDS,
    )
)
def test_round_trip(tx: UnsignedTx) -> None:
    assert decode_payload(encode_payload(tx)) == tx


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body | {"value": 5},
        lambda body: body | {"value": "5.0"},
        lambda body: body | {"value": "-5"},
        lambda body: body | {"value": "05"},
        lambda body: body | {"value": str(2**256)},
        lambda body: body | {"nonce": str(2**64 - 1)},
        lambda body: body | {"to": "0x" + "11" * 20},
        lambda body: body | {"to": "1" * 39},
        lambda body: body | {"data": "aa"},
        lambda body: {name: value for name, value in body.items() if name != "gas"},
    ],
)
def test_another_form_is_refused(change: Callable[[dict[str, object]], dict[str, object]]) -> None:
    body = change(json.loads(encode_payload(TX)))
    with pytest.raises(SignerError):
        decode_payload(json.dumps(body, sort_keys=True, separators=(",", ":")))


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{", "[" * 5_000, json.dumps(json.loads(encode_payload(TX)), indent=1)]
)
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(SignerError):
        decode_payload(text)


def test_the_right_plan_passes() -> None:
    assert check_plan(PLAN, "ETH", 31337) == TX


@pytest.mark.parametrize(
    ("altered", "word"),
    [
        (replace(PLAN, outputs=(replace(PLAN.outputs[0], amount=TX.value + 1),)), "amount"),
        (replace(PLAN, outputs=(replace(PLAN.outputs[0], script=b"\x33" * 20),)), "recipient"),
        (replace(PLAN, nonce=4), "nonce"),
        (replace(PLAN, nonce=None), "nonce"),
        (replace(PLAN, fee=TX.fee - 1), "fee"),
        (replace(PLAN, payload=encode_payload(replace(TX, chain_id=1))), "chain id"),
        (replace(PLAN, payload=encode_payload(replace(TX, priority_fee_wei=3 * 10**9))), "priority fee"),
        (replace(PLAN, kind="topup"), "kind"),
        (replace(PLAN, currency="BTC"), "BTC"),
        (replace(PLAN, outputs=PLAN.outputs * 2), "form"),
        (replace(PLAN, outputs=()), "form"),
        (replace(PLAN, change=SENDER), "form"),
        (replace(PLAN, sender=None), "form"),
        (replace(PLAN, inputs=(Utxo(Outpoint("00" * 32, 0), 1, SENDER),)), "form"),
    ],
)
def test_an_altered_plan_is_refused(altered: AttemptPlan, word: str) -> None:
    with pytest.raises(SignerError, match=word):
        check_plan(altered, "ETH", 31337)
