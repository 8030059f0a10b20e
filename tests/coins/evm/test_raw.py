"""What came back from the signer is decoded and compared."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coins.errors import SignerError
from coins.evm.raw import check_signed, decode_raw
from coins.evm.sign import sign_plan
from coins.evm.tx import decode_payload
from coins.types import SignedTx
from tests.coins.evm.test_sign import HOT, PAYEE, SETTINGS, plan_of
from tests.coins.evm.world import SEED

PLAN = plan_of()
TX = decode_payload(PLAN.payload)
SIGNED = sign_plan(SEED, SETTINGS, PLAN)


def test_the_right_bytes_pass() -> None:
    check_signed(SIGNED, TX, HOT.script)
    fields, sender, txid = decode_raw(SIGNED.raw)
    assert (fields["to"], fields["value"], sender, txid) == (PAYEE, TX.value, HOT.script, SIGNED.txid)


@pytest.mark.parametrize(
    "other",
    [
        replace(TX, value=TX.value + 1),
        replace(TX, to=HOT.script),
        replace(TX, nonce=8),
        replace(TX, gas=21_001),
        replace(TX, max_fee_wei=TX.max_fee_wei + 1),
        replace(TX, priority_fee_wei=TX.priority_fee_wei - 1),
        replace(TX, chain_id=1),
    ],
)
def test_any_other_field_is_refused(other: object) -> None:
    assert isinstance(other, type(TX))
    with pytest.raises(SignerError, match="differs from the plan"):
        check_signed(SIGNED, other, HOT.script)


def test_another_sender_or_txid_is_refused() -> None:
    with pytest.raises(SignerError, match="differs from the plan"):
        check_signed(SIGNED, TX, PAYEE)
    with pytest.raises(SignerError, match="another txid"):
        check_signed(replace(SIGNED, txid="0x" + "00" * 32), TX, HOT.script)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "0x",
        "0x02",
        "02f8",
        SIGNED.raw[:-2],
        SIGNED.raw + "00",
        "0x01" + SIGNED.raw[4:],
        "0xzz",
        "0x02" + "ff" * 5000,
    ],
)
def test_no_transaction_at_all(raw: str) -> None:
    with pytest.raises(SignerError, match="type 2"):
        check_signed(SignedTx(SIGNED.txid, raw), TX, HOT.script)
