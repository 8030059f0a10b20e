"""Which of several formats a caller prefers, by its ``Accept`` header (RFC 9110, section 12.5.1). Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

_QUALITY = re.compile(r"(0(\.[0-9]{0,3})?|1(\.0{0,3})?)", re.ASCII)


def preferred(accept: Sequence[str], offered: Sequence[str]) -> str | None:
    """The offered media type the caller likes best, the first of equals; None when none is acceptable.

    ``accept`` are the values of its headers; without any, everything is acceptable.
    """
    ranges = [found for value in accept for part in value.split(",") if (found := _range(part)) is not None]
    if not ranges:
        return offered[0]
    best, best_quality = None, 0
    for media_type in offered:
        quality = _quality(media_type, ranges)
        if quality > best_quality:
            best, best_quality = media_type, quality
    return best


def _range(text: str) -> tuple[str, int] | None:
    """A media range and its quality in thousandths; None for what is no range."""
    name, *parameters = (part.strip().lower() for part in text.split(";"))
    if not name:
        return None
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            value = value.strip()
            if not _QUALITY.fullmatch(value):
                return None
            whole, _, fraction = value.partition(".")
            return name, int(whole) * 1_000 + int(fraction.ljust(3, "0"))
    return name, 1_000


def _quality(media_type: str, ranges: Sequence[tuple[str, int]]) -> int:
    """How much a media type is liked; the most exact range that fits it says so."""
    for wanted in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        fitting = [quality for name, quality in ranges if name == wanted]
        if fitting:
            return max(fitting)
    return 0
