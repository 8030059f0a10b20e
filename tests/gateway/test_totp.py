"""One-time codes: the vectors of RFC 6238, the window, and what an app is given."""

from __future__ import annotations

import base64
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from gateway import totp
from gateway.secret import totp_secret

SEED = base64.b32encode(b"12345678901234567890").decode()
SECRET = bytes(range(32))


@pytest.mark.parametrize(
    ("now_s", "code"),
    [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ],
)
def test_the_vectors_of_rfc_6238(now_s: int, code: str) -> None:
    assert totp.step_of(SEED, code, now_s) == now_s // 30


def test_a_code_tells_its_step_within_one_step_of_now() -> None:
    step = 1_111_111_109 // 30
    found = [totp.step_of(SEED, "081804", (step + drift) * 30) for drift in (-2, -1, 0, 1, 2)]
    assert found == [None, step, step, step, None]


def test_each_operator_and_each_salt_has_a_secret_of_its_own() -> None:
    made = {totp_secret(SECRET, who, salt) for who in ("op_1", "op_2") for salt in ("aa", "bb")}
    assert len(made) == 4
    assert {len(base64.b32decode(text)) for text in made} == {20}


def test_an_app_is_given_what_it_needs() -> None:
    parts = urlsplit(totp.otpauth_uri(SECRET, "op_1", "ann", "aa"))
    assert (parts.scheme, parts.netloc, unquote(parts.path)) == ("otpauth", "totp", "/Crypto cashier:ann")
    assert parse_qs(parts.query)["secret"] == [totp_secret(SECRET, "op_1", "aa")]
    assert parse_qs(parts.query)["issuer"] == ["Crypto cashier"]
