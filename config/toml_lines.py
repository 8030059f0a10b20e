"""Find the line of every key in a TOML text, which the standard parser does not tell."""

import re

__all__ = ["lines_of"]

Path = tuple[str, ...]

_KEY_PART = re.compile(r"""[ \t]*("(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[A-Za-z0-9_-]+)[ \t]*""")
_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*|[\[\]{}\n]',
    re.DOTALL,
)


def lines_of(text: str) -> dict[Path, int]:
    """Map each key and table of a valid TOML text to its line number, counted from 1.

    A key inside an inline table has the line on which its table begins. Elements of an array of
    tables share the name of the array; the first one counts.
    """
    found: dict[Path, int] = {}
    prefix: Path = ()
    position = 0
    while position < len(text):
        line = text.count("\n", 0, position) + 1
        start = _skip_blanks(text, position)
        first = text[start : start + 1]
        if first in ("", "\n", "#"):
            position = _line_end(text, start)
        elif first == "[":
            prefix, _ = _key(text, start + (2 if text.startswith("[[", start) else 1))
            found.setdefault(prefix, line)
            position = _line_end(text, start)
        else:
            parts, after = _key(text, start)
            for size in range(1, len(parts) + 1):
                found.setdefault(prefix + parts[:size], line)
            position = _value_end(text, after)
    return found


def _key(text: str, position: int) -> tuple[Path, int]:
    """Read a dotted key; gives its parts and the position behind it."""
    parts: list[str] = []
    while match := _KEY_PART.match(text, position):
        part = match[1]
        parts.append(part[1:-1] if part[0] in "\"'" else part)
        position = match.end()
        if not text.startswith(".", position):
            break
        position += 1
    return tuple(parts), position


def _skip_blanks(text: str, position: int) -> int:
    """Give the position of the first character that is no blank."""
    while text[position : position + 1] in (" ", "\t", "\r"):
        position += 1
    return position


def _line_end(text: str, position: int) -> int:
    """Give the start of the next line."""
    end = text.find("\n", position)
    return len(text) if end < 0 else end + 1


def _value_end(text: str, position: int) -> int:
    """Give the start of the line behind a value, whatever strings and brackets it spans."""
    depth = 0
    for token in _TOKEN.finditer(text, position):
        mark = token[0]
        if mark in "[{":
            depth += 1
        elif mark in "]}":
            depth -= 1
        elif mark == "\n" and depth <= 0:
            return token.end()
    return len(text)
