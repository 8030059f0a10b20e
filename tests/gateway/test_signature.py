"""The signature: every part of the request is bound, and time is limited."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.problem import ProblemError
from gateway.signature import sign, verify

KEY = "5f" * 32
REQUEST: dict[str, Any] = {
    "signed_at": 1_760_000_000,
    "nonce": "nonce-0001",
    "method": "POST",
    "target": "/v1/transfers?a=1",
    "body": b'{"amount":"1"}',
}


def check(header: str | None, key: str = KEY, now: int = 1_760_000_000, **changes: Any) -> Any:
    parts = {name: value for name, value in REQUEST.items() if name not in ("signed_at", "nonce")} | changes
    return verify(header, key, now=now, window_s=300, **parts)


def refusal(*args: Any, **options: Any) -> str:
    with pytest.raises(ProblemError) as caught:
        check(*args, **options)
    return caught.value.code


def test_the_documented_text_is_signed() -> None:
    text = (
        b"1760000000.nonce-0001.POST./v1/transfers?a=1."
        + hashlib.sha256(REQUEST["body"]).hexdigest().encode()
    )
    digest = hmac.new(KEY.encode(), text, hashlib.sha256).hexdigest()
    assert sign(KEY, **REQUEST) == f"t=1760000000,n=nonce-0001,v1={digest}"


def test_a_good_signature_gives_time_and_nonce() -> None:
    signed = check(sign(KEY, **REQUEST))
    assert (signed.signed_at, signed.nonce) == (1_760_000_000, "nonce-0001")


@pytest.mark.parametrize("jump", [-3_600, 86_400, -1_760_000_000])
def test_l19_a_clock_that_jumps_refuses_what_was_signed_and_takes_what_is_signed_by_it(jump: int) -> None:
    header = sign(KEY, **REQUEST)
    assert refusal(header, now=1_760_000_000 + jump) == "signature_expired"
    now = 1_760_000_000 + jump
    assert check(sign(KEY, **REQUEST | {"signed_at": now}), now=now).signed_at == now
    assert check(header).nonce == "nonce-0001"


@pytest.mark.parametrize(
    "changes",
    [
        {"signed_at": 1_760_000_001},
        {"nonce": "nonce-0002"},
        {"method": "DELETE"},
        {"target": "/v1/transfers?a=2"},
        {"target": "/v1/transfers"},
        {"target": "/v1/withdrawals?a=1"},
        {"body": b'{"amount":"2"}'},
        {"body": b'{"amount":"1"} '},
        {"body": b""},
    ],
)
def test_any_changed_part_is_refused(changes: dict[str, Any]) -> None:
    genuine, other = sign(KEY, **REQUEST), sign(KEY, **{**REQUEST, **changes})
    forged = genuine.rpartition("=")[0] + "=" + other.rpartition("=")[2]
    assert refusal(forged) == "signature_invalid"


def test_another_key_is_refused() -> None:
    assert refusal(sign("60" * 32, **REQUEST)) == "signature_invalid"


@pytest.mark.parametrize(
    ("skew", "code"), [(-301, "signature_expired"), (301, "signature_expired"), (86_400, "signature_expired")]
)
def test_a_signature_of_another_time_is_expired(skew: int, code: str) -> None:
    assert refusal(sign(KEY, **REQUEST), now=REQUEST["signed_at"] + skew) == code


@pytest.mark.parametrize("skew", [-300, -1, 0, 1, 300])
def test_the_window_is_inclusive(skew: int) -> None:
    assert check(sign(KEY, **REQUEST), now=REQUEST["signed_at"] + skew).nonce == "nonce-0001"


def test_no_signature_is_told_apart() -> None:
    assert refusal(None) == "signature_required"


@given(st.text(max_size=200))
def test_any_other_text_is_refused(text: str) -> None:
    assert refusal(text) == "signature_invalid"
