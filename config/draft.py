"""A configuration while it is being put together: values, where each was written, and what is wrong."""

import re
import tomllib
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from config.errors import Problem
from config.fields import kind
from config.toml_lines import lines_of

__all__ = ["Draft", "Keys", "nearest", "read_toml"]

Keys = tuple[str, ...]

_FILE_LIMIT = 262_144
_AT_LINE = re.compile(r" \(at line (\d+), column \d+\)$")
_AT_END = " (at end of document)"


@dataclass(slots=True)
class Draft:
    """Values by name, the origin of each path, and the problems so far."""

    tree: dict[str, Any] = field(default_factory=dict)
    origins: dict[Keys, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add(self, origin: str, key: str, reason: str, hint: str | None = None) -> None:
        """Note a problem."""
        self.problems.append(Problem(origin, key, reason, hint))

    def origin(self, path: Keys) -> str:
        """Give where a setting was written; for a missing one, where its table is."""
        while path and path not in self.origins:
            path = path[:-1]
        return self.origins.get(path, "configuration")

    def put(self, path: Keys, value: Any, origin: str) -> None:
        """Set one value, making the tables above it; a value in the place of a table is a problem."""
        table = self.tree
        for depth, name in enumerate(path[:-1], start=1):
            above = table.setdefault(name, {})
            if not isinstance(above, dict):
                place = path[:depth]
                self.add(self.origin(place), ".".join(place), f"expected a table, not {kind(above)}")
                above = table[name] = {}
            table = above
        table[path[-1]] = value
        self.origins[path] = origin


def nearest(word: str, words: list[str]) -> str | None:
    """Give the most similar known word, if one is similar."""
    return next(iter(get_close_matches(word, words, n=1, cutoff=0.6)), None)


def read_toml(draft: Draft, file: Path, prefix: Keys) -> dict[str, Any] | None:
    """Read one TOML file and note the lines of its keys below `prefix`; None when it cannot be used."""
    name = str(file)
    try:
        with file.open("rb") as stream:
            raw = stream.read(_FILE_LIMIT + 1)
    except OSError as error:
        draft.add(name, "", f"cannot be read: {error.strerror}")
        return None
    if len(raw) > _FILE_LIMIT:
        draft.add(name, "", f"is larger than {_FILE_LIMIT} bytes")
        return None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        draft.add(f"{name}:{line}", "", "is not UTF-8 text")
        return None
    if not text.strip():
        draft.add(f"{name}:1", "", "the file is empty")
        return None
    try:
        tree = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        line, reason = _syntax_error(str(error), text)
        draft.add(f"{name}:{line}", "", f"not valid TOML: {reason}")
        return None
    draft.origins[prefix] = f"{name}:1"
    for keys, line in lines_of(text).items():
        draft.origins[prefix + keys] = f"{name}:{line}"
    return tree


def _syntax_error(message: str, text: str) -> tuple[int, str]:
    """Take the line out of the parser's message."""
    found = _AT_LINE.search(message)
    if found:
        return int(found[1]), message[: found.start()]
    return text.rstrip("\n").count("\n") + 1, message.removesuffix(_AT_END)
