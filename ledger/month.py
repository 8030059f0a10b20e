"""Calendar months in UTC, written ``YYYY-MM``. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_MONTH = re.compile(r"(2[0-9]{3})-(0[1-9]|1[0-2])", re.ASCII)


def end_of(month: str) -> int:
    """The first second after a month, unix time. Raises ValueError for what is no month of 2000 to 2999."""
    match = _MONTH.fullmatch(month)
    if match is None:
        raise ValueError(f"a month is written YYYY-MM, not {month[:20]!r}")
    year, number = int(match[1]), int(match[2])
    following = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)
    return int(following.timestamp())


def next_month(month: str) -> str:
    """The month after ``month``. Raises ValueError as :func:`end_of`."""
    return month_of(end_of(month))


def month_of(at: int) -> str:
    """The month in which a unix second lies."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m")
