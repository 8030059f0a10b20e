"""The table of all messages in `actors/README.md`, made from the messages themselves.

python -m tests.actors.message_table     writes it anew
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from actors import childspec, messages
from ledger import commands, queries
from ledger.request import Request

README = Path(__file__).resolve().parents[2] / "actors" / "README.md"
BEGIN, END = "<!-- message table: begin -->", "<!-- message table: end -->"
PER_CURRENCY = {"address", "watcher", "withdrawal"}


def all_messages() -> list[type[Request[Any]]]:
    """Every message class, by receiver in the order of the layers, then as defined."""
    found: dict[type[Request[Any]], None] = {}
    for module in (messages, queries, commands, childspec):
        for value in vars(module).values():
            is_message = isinstance(value, type) and issubclass(value, Request)
            if is_message and value not in (Request, commands.Command, queries.Query):
                found[value] = None
    return sorted(found, key=lambda cls: cls.receiver)


def reply_of(cls: type[Request[Any]]) -> str:
    """Name of the reply's type, as the class itself declares it."""
    base = next(base for base in cls.__orig_bases__ if hasattr(base, "__args__"))  # type: ignore[attr-defined]
    text = re.sub(r"\b(?:[a-z_]+\.)+", "", str(base.__args__[0]))
    text = re.sub(r"<class '(\w+)'>", r"\1", text)
    return "–" if text in ("None", "NoneType") else text.replace("|", "\\|")


def render() -> str:
    """The table as Markdown."""
    rows = ["| Receiver | Message | Reply | What it does |", "|---|---|---|---|"]
    for cls in all_messages():
        receiver = cls.receiver + (":*currency*" if cls.receiver in PER_CURRENCY else "")
        text = " ".join((cls.__doc__ or "").split("\n\n")[0].split()).replace("``", "`").replace("|", "\\|")
        rows.append(f"| {receiver} | `{cls.__name__}` | {reply_of(cls)} | {text} |")
    return "\n".join(rows)


def with_table(readme: str) -> str:
    """``readme`` with the table between its marks."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{render()}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
