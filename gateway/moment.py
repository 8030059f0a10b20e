"""Times as they are answered. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


@lru_cache(maxsize=1024)
def moment(at: int) -> str:
    """RFC 3339 of unix seconds, e.g. ``2026-01-31T12:00:00Z``."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment_or_none(at: int | None) -> str | None:
    """`moment`, or None for a time that has not come."""
    return None if at is None else moment(at)
