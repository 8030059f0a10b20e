"""``Cashier-Signature``: the proof that a money-moving request is the website's own and new."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass

from gateway.problem import ProblemError

HEADER = "Cashier-Signature"
_FORM = re.compile(r"t=([0-9]{1,12}),n=([A-Za-z0-9_-]{8,64}),v1=([0-9a-f]{64})", re.ASCII)
CLOCK_SLACK_S = 60
"""How much longer than the window a nonce is remembered, for clocks that are not quite the same."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that fits: its time and nonce."""

    signed_at: int
    nonce: str


def sign(key: str, *, signed_at: int, nonce: str, method: str, target: str, body: bytes) -> str:
    """The header's value for a request; ``target`` is the path with its query exactly as sent."""
    text = f"{signed_at}.{nonce}.{method}.{target}.{hashlib.sha256(body).hexdigest()}"
    digest = hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()
    return f"t={signed_at},n={nonce},v1={digest}"


def verify(
    header: str | None, key: str, *, now: int, window_s: int, method: str, target: str, body: bytes
) -> Signed:
    """Check the header of a request. Raises ProblemError ``signature_required|invalid|expired``.

    The time is judged after the signature, so that only the key's owner learns anything from the answer.
    Whether the nonce is new is decided by the ledger, in the same commit as the request itself.
    """
    if header is None:
        raise ProblemError("signature_required", f"Send the {HEADER} header.")
    match = _FORM.fullmatch(header)
    if match is None:
        raise ProblemError(
            "signature_invalid", "The header must be t=<unix>,n=<8-64 chars>,v1=<64 hex digits>."
        )
    signed_at, nonce = int(match[1]), match[2]
    expected = sign(key, signed_at=signed_at, nonce=nonce, method=method, target=target, body=body)
    if not hmac.compare_digest(expected, f"t={signed_at},n={nonce},v1={match[3]}"):
        raise ProblemError("signature_invalid")
    if abs(now - signed_at) > window_s:
        raise ProblemError("signature_expired", f"Sign within {window_s} seconds of sending.")
    return Signed(signed_at, nonce)
