"""What the commands on a terminal share: options, exit codes, one line for a trouble, and the doors that
lead to the configuration and the books, handed in by `run.py`.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Protocol, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress, TaskID

from coins.amounts import format_amount

if TYPE_CHECKING:
    from actors.messages import Command, Query
    from config.schema import Settings

R = TypeVar("R")
OK, PROBLEM, USAGE, UNREACHABLE = 0, 1, 2, 3
NOT_WRITABLE = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)
"""Nobody can write where the user has named; other troubles of a file are the disk's."""
WIDTH = 78
"""Columns of the narrowest terminal, less the indent."""


def _own_or_before(context: typer.Context, config: Path | None) -> Path | None:
    """`run.py --config FILE check` means the same as `run.py check --config FILE`."""
    return config or context.find_root().params.get("config")


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", help="Configuration file; default config/cashier.toml.", callback=_own_or_before
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


class Administer(Protocol):
    """Carries out a command on keys or operators, also beside a running server."""

    def __call__(self, settings: Settings, command: Command[R]) -> R:
        """Its reply; a refusal ends the program with one line."""


class Read(Protocol):
    """Asks the books."""

    def __call__(self, settings: Settings, query: Query[R]) -> R:
        """Its reply; a database that is not there ends the program with one line."""


class SettingsOf(Protocol):
    """Reads the configuration."""

    def __call__(self, path: Path | None) -> Settings:
        """The configuration in force; a wrong one ends the program with one line per problem."""


class Work(Protocol):
    """Work with the books that takes a while (``actors.rescan``, ``verification``, ``closing``)."""

    def __call__(self, settings: Settings, *arguments: Any, **options: Any) -> Any:
        """Its result; a refusal, or trouble of a node or the database ends the program with one line."""


@dataclass(frozen=True, slots=True)
class Desk:
    """The doors of a command; ``context.obj`` of every one."""

    settings_of: SettingsOf
    administer: Administer
    read: Read
    rescan: Work
    verify: Work
    compare: Work
    close: Work
    back_up: Work


def fail(message: str, code: int) -> typer.Exit:
    """Say it on stderr and give the exception that ends with ``code``."""
    typer.echo(message, err=True)
    return typer.Exit(code)


@contextmanager
def written(output: Path | None) -> Iterator[BinaryIO]:
    """The file to write, which has its name only when it is whole and on the disk; or the terminal.

    It is for its owner alone, and nothing that lies beside it is written over.
    """
    if output is None:
        try:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        except BrokenPipeError:  # whoever reads has enough, as `head` does
            raise
        except OSError as error:
            raise fail(f"cannot write: {error.strerror}", UNREACHABLE) from None
        return
    try:
        number, part = tempfile.mkstemp(".part", ".", output.parent)
        try:
            with open(number, "wb") as file:
                yield file
                file.flush()
                os.fsync(number)
            os.replace(part, output)
        finally:
            Path(part).unlink(missing_ok=True)
    except OSError as error:
        code = USAGE if isinstance(error, NOT_WRITABLE) else UNREACHABLE
        raise fail(f"cannot write {output}: {error.strerror}", code) from None


@contextmanager
def progress(as_json: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Gives what is to be told ``(what, done, total)``; draws bars on a terminal, nothing elsewhere."""
    console = Console(stderr=True)
    with Progress(console=console, disable=as_json or not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield tell


def one_month(text: str) -> str:
    """What is a month, as it is; what is none ends the program with one line."""
    from gateway.api import PATH_PATTERNS

    if re.fullmatch(PATH_PATTERNS["month"], text) is None:
        raise fail(f"a month is written YYYY-MM, not {text[:20]!r}", USAGE)
    return text


def wrapped(words: Sequence[str]) -> list[str]:
    """Lines of a narrow terminal; no word (an amount with its name) is torn."""
    lines = [""]
    for word in words:
        longer = f"{lines[-1]}   {word}" if lines[-1] else word
        if len(longer) <= WIDTH or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return [line for line in lines if line]


def equation(left: Mapping[str, int], right: Mapping[str, int], decimals: int | None) -> list[str]:
    """Lines that say both sides of the books in whole units; parts of 0 are left out, but for the first."""
    words: list[str] = []
    for sign, parts in (("", left), ("= ", right)):
        kept = [(name, amount) for name, amount in parts.items() if amount] or list(parts.items())[:1]
        told = [f"{name} {shown_amount(amount, decimals)}" for name, amount in kept]
        words += [f"{sign}{told[0]}", *(f"+ {text}" for text in told[1:])]
    return wrapped(words)


def shown_amount(amount: int, decimals: int | None) -> str:
    """An amount in whole units; in base units for a currency that is not configured any more."""
    return f"{amount} base units" if decimals is None else format_amount(amount, decimals)


def need_db(settings: Settings) -> None:
    """A database that is not there yet ends the program with one line."""
    path = settings.ledger.path
    if not path.exists():
        text = f"there is no database {path} yet: `keys create`, `operators add` or `serve` makes it"
        raise fail(text, UNREACHABLE)


def show(values: dict[str, Any], as_json: bool) -> None:
    """One object, as JSON or one line per member."""
    if as_json:
        typer.echo(json.dumps(values))
        return
    width = max(len(name) for name in values)
    for name, value in values.items():
        typer.echo(f"{name.ljust(width)}  {' '.join(value) if isinstance(value, list) else value}")
