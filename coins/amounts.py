"""Base-unit integers to and from decimal strings, exactly. Pure.

The contract of the API: whole units, no exponent, no sign, no more decimals than the currency
has, never rounded.
"""

from __future__ import annotations

import re

_DECIMAL = re.compile(r"(0|[1-9][0-9]{0,77})(?:\.([0-9]{1,77}))?", re.ASCII)

AMOUNT_MAX = 2**256 - 1


class AmountError(ValueError):
    """A text that is no amount of this currency; says why."""


def parse_amount(text: object, decimals: int) -> int:
    """Base units of a decimal string of whole units, e.g. ``("0.0015", 8)`` gives ``150000``.

    Raises AmountError for anything but a plain decimal string in 0 … 2^256-1 base units.
    """
    if not isinstance(text, str):
        raise AmountError("must be a decimal string")
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise AmountError("must be a plain decimal string without sign, exponent or spaces")
    whole, fraction = match.group(1), match.group(2) or ""
    if len(fraction) > decimals:
        raise AmountError(f"has more than {decimals} decimals")
    amount: int = int(whole) * 10**decimals + int(fraction.ljust(decimals, "0") or "0")
    if amount > AMOUNT_MAX:
        raise AmountError("is too large")
    return amount


def format_amount(amount: int, decimals: int) -> str:
    """Decimal string of whole units with all decimals shown, e.g. ``(150000, 8)`` gives ``0.00150000``."""
    sign = "-" if amount < 0 else ""
    digits = str(abs(amount)).rjust(decimals + 1, "0")
    if decimals == 0:
        return sign + digits
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}"
