"""Keep secrets and forged lines out of the log."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["MASK", "Redactor", "escape"]

MASK = "********"

_SECRET_KEY = re.compile(
    r"passw|passphrase|secret|authori[sz]ation|(^|[_-])(token|cookie|seed|mnemonic|key|signature|totp|otp)$"
    r"|api[_-]?key|priv(ate)?[_-]?key|signing[_-]?key|xprv|credential",
    re.IGNORECASE,
)
_PUBLIC_KEY = re.compile(r"(^|[_-])(idempotency|public|xpub)[_-]?key$", re.IGNORECASE)
_SECRET_VALUE = re.compile(
    r"(?i:bearer|basic)\s+[A-Za-z0-9+/=._~-]{8,}"
    r"|\b(?:ck|cs|whsec)_[A-Za-z0-9+/=_.-]{8,}"
    r"|\b[xtyzuv]prv[1-9A-HJ-NP-Za-km-z]{90,}"
    r"|(?i:AGE-SECRET-KEY-1[0-9A-Z]{20,})"
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"
)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")
_SHORTEST = 6
_DEPTH = 8


def escape(text: str) -> str:
    r"""Write control characters, line separators and direction marks as \xNN or \uNNNN."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


class Redactor:
    """Masks secrets by the name of their key, by their look, and by the values it was told."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        """Start with the secrets known now."""
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.register(values)

    def register(self, values: Iterable[str]) -> None:
        """Add secrets that must never appear; shorter than 6 characters are left to the key rule."""
        self._values |= {value for value in values if len(value) >= _SHORTEST}
        longest_first = sorted(self._values, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def text(self, text: str) -> str:
        """Mask known secrets and what looks like one inside a text."""
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        return _SECRET_VALUE.sub(MASK, text)

    def value(self, value: Any, depth: int = 0) -> Any:
        """Give a value of JSON's types with secrets masked; other objects become their text."""
        if value is None or isinstance(value, bool | int | float):
            return value
        if depth >= _DEPTH:
            return "…"
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.entry(str(key), item, depth) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(item, depth + 1) for item in value]
        return self.text(value if isinstance(value, str) else str(value))

    def entry(self, key: str, value: Any, depth: int = 0) -> Any:
        """Mask a value by its key, else by its content."""
        if value is not None and _SECRET_KEY.search(key) and not _PUBLIC_KEY.search(key):
            return MASK
        return self.value(value, depth + 1)
