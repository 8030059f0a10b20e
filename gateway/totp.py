"""One-time codes of operators (RFC 6238: six digits, 30 s, SHA-1, as every authenticator app has them).

The secret is derived from the gateway's own and a salt, so the database holds nothing that makes codes.
"""

from __future__ import annotations

import hmac

import pyotp

from gateway.secret import totp_secret

PERIOD_S = 30
DRIFT_STEPS = 1
"""Steps before and after now that are taken: the clock of a phone is seldom exact."""
ISSUER = "Crypto cashier"


def step_of(secret: str, code: str, now_s: int) -> int | None:
    """The step ``code`` is right for, None when it is wrong; takes as long for every code.

    Who asks must see to it that no step is used twice (RFC 6238, 5.2).
    """
    totp = pyotp.TOTP(secret)
    now = now_s // PERIOD_S
    found = None
    for step in range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1):
        if hmac.compare_digest(totp.generate_otp(step).encode(), code.encode()):
            found = step
    return found


def otpauth_uri(gateway_secret: bytes, operator_id: str, name: str, salt: str) -> str:
    """What an authenticator app scans: shown once, to the operator alone."""
    secret = totp_secret(gateway_secret, operator_id, salt)
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)
