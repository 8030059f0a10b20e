"""A table of rates as a file or an address gives it: hostile until parsed, whole or not at all. Pure.

JSON: ``{"at": "2026-05-01T12:00:00Z", "quote": "EUR", "rates": {"BTC": "61234.50", "ETH": 3000.12}}``; ``at``
and ``quote`` may be left out. CSV: a line ``currency,rate`` and one for each currency. Numbers of either are
taken as they are written, never through a float.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NoReturn

CURRENCY = re.compile(r"[A-Z][A-Z0-9]{1,11}(-[A-Z0-9]{2,12})?", re.ASCII)
RATE = re.compile(r"(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?", re.ASCII)
RATES_MAX = 1_000
FUTURE_S = 300
"""How far the time of a table may be ahead of our clock."""


class RateTableError(ValueError):
    """A table that cannot be used; says what is wrong, and where."""


@dataclass(frozen=True, slots=True)
class RateTable:
    """Rates by currency: one whole unit in ``quote``, as decimal text. ``quoted_at`` is unix seconds."""

    quote: str
    quoted_at: int
    rates: Mapping[str, str]


def parse_table(data: bytes, quote: str, now_s: int) -> RateTable:
    """The table of a JSON or CSV text, in ``quote``; without a time of its own it is of now.

    Raises RateTableError for anything that is not wholly a table: another quote, a time to come, a repeated
    currency, a rate that is no plain positive number.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise RateTableError("is not UTF-8") from None
    if text.lstrip()[:1] in ("{", "["):
        pairs, at, given = _from_json(text)
        given = quote if given is None else given
    else:
        pairs, at, given = _from_csv(text), None, quote
    if given != quote:
        raise RateTableError(f"`quote` must be {quote}")
    quoted_at = now_s if at is None else _moment(at)
    if quoted_at > now_s + FUTURE_S:
        raise RateTableError("`at` is in the future")
    if not pairs:
        raise RateTableError("holds no rate")
    if len(pairs) > RATES_MAX:
        raise RateTableError(f"holds more than {RATES_MAX} rates")
    rates: dict[str, str] = {}
    for currency, rate in pairs:
        if not CURRENCY.fullmatch(currency):
            raise RateTableError(f"{currency[:30]!r} is not a currency")
        if currency in rates:
            raise RateTableError(f"{currency} is there twice")
        if not RATE.fullmatch(rate) or not Decimal(rate):
            raise RateTableError(f"the rate of {currency} is not a plain positive number")
        rates[currency] = rate
    return RateTable(quote, quoted_at, rates)


def _from_json(text: str) -> tuple[list[tuple[str, str]], object, object]:
    """The pairs of the member ``rates``, and the members ``at`` and ``quote``."""
    try:
        found = json.loads(
            text,
            parse_float=_Written,
            parse_int=_Written,
            parse_constant=_refuse_constant,
            object_pairs_hook=_Pairs,
        )
    except (ValueError, RecursionError) as error:
        if isinstance(error, RateTableError):
            raise
        raise RateTableError("is neither JSON nor CSV") from None
    if not isinstance(found, _Pairs):
        raise RateTableError("must be an object with the member `rates`")
    members = found.once()
    unknown = sorted(set(members) - {"at", "quote", "rates"})
    if unknown:
        raise RateTableError(f"the member {unknown[0][:30]!r} is not known")
    rates = members.get("rates")
    if not isinstance(rates, _Pairs):
        raise RateTableError("`rates` must be an object of currencies and rates")
    for currency, rate in rates.pairs:
        if not isinstance(rate, str):
            raise RateTableError(f"the rate of {currency[:30]!r} must be a number or a text of one")
    return [(currency, str(rate)) for currency, rate in rates.pairs], members.get("at"), members.get("quote")


class _Written(str):
    """A number of the JSON as it is written."""


class _Pairs:
    """An object of the JSON with its members in order, repeated ones too."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs

    def once(self) -> dict[str, Any]:
        """The members by name. Raises RateTableError when one is repeated."""
        if len({name for name, _ in self.pairs}) != len(self.pairs):
            raise RateTableError("a member is repeated")
        return dict(self.pairs)


def _refuse_constant(text: str) -> NoReturn:
    raise RateTableError(f"{text} is not a number")


def _from_csv(text: str) -> list[tuple[str, str]]:
    try:
        lines = [line for line in csv.reader(io.StringIO(text), strict=True) if line]
    except csv.Error:
        raise RateTableError("is neither JSON nor CSV") from None
    if not lines or [cell.strip() for cell in lines[0]] != ["currency", "rate"]:
        raise RateTableError("the first line must be `currency,rate`")
    for number, line in enumerate(lines[1:], 2):
        if len(line) != 2:
            raise RateTableError(f"line {number} must have two cells")
    return [(currency.strip(), rate.strip()) for currency, rate in lines[1:]]


def _moment(at: object) -> int:
    """Unix seconds of an RFC 3339 text with its zone."""
    try:
        if type(at) is not str or len(at) > 40:
            raise ValueError
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise ValueError
        return int(moment.timestamp())
    except (ValueError, OverflowError):
        raise RateTableError("`at` must be a time like 2026-05-01T12:00:00Z") from None
