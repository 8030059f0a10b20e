"""Plans as text."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coins.codec import decode_own, decode_plan, encode_own, encode_plan
from coins.types import AttemptPlan, Branch, Outpoint, OwnScript, TxOutput, Utxo

BYTES = st.binary(max_size=40)
AMOUNTS = st.integers(0, 2**256 - 1)
OWN = st.builds(OwnScript, BYTES, st.text(max_size=20), st.sampled_from(Branch), st.integers(0, 2**31 - 1))
TXIDS = st.binary(min_size=32, max_size=32).map(bytes.hex)
UTXOS = st.builds(Utxo, st.builds(Outpoint, TXIDS, st.integers(0, 2**32 - 1)), AMOUNTS, OWN)
PLANS = st.builds(
    AttemptPlan,
    intent_id=st.text(max_size=20),
    kind=st.sampled_from(["payout", "sweep"]),
    currency=st.sampled_from(["BTC", "ETH"]),
    outputs=st.lists(st.builds(TxOutput, BYTES, st.text(max_size=20), AMOUNTS), max_size=3).map(tuple),
    fee=AMOUNTS,
    payload=st.text(max_size=50),
    inputs=st.lists(UTXOS, max_size=3).map(tuple),
    change=st.none() | OWN,
    sender=st.none() | OWN,
    nonce=st.none() | st.integers(0, 2**63),
)


@given(PLANS)
def test_every_plan_comes_back_from_one_text(plan: AttemptPlan) -> None:
    text = encode_plan(plan)
    assert decode_plan(text) == plan
    assert encode_plan(decode_plan(text)) == text


@given(OWN)
def test_own_scripts_come_back(own: OwnScript) -> None:
    assert decode_own(json.loads(json.dumps(encode_own(own)))) == own


def test_amounts_are_texts_and_the_order_of_keys_is_fixed() -> None:
    plan = AttemptPlan("w1", "payout", "ETH", (TxOutput(b"\x01", "a", 2**255),), 2**70, "{}")
    text = encode_plan(plan)
    assert f'"{2**255}"' in text
    assert f'"{2**70}"' in text
    assert list(json.loads(text)) == sorted(json.loads(text))
    assert " " not in text


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "1", '{"intent_id": 1}', '{"outputs": 1}'])
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        decode_plan(text)


def test_further_payees_come_back_and_a_plan_without_them_has_the_text_of_ever() -> None:
    output = TxOutput(b"\x01", "somebody", 5)
    plan = AttemptPlan("w1", "payout", "BTC", (output, output), 7, "{}", more=("w2",))
    assert decode_plan(encode_plan(plan)) == plan
    alone = replace(plan, outputs=(output,), more=())
    assert '"more"' not in encode_plan(alone)
    assert decode_plan(encode_plan(alone)) == alone
