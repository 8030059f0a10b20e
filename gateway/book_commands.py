"""`run.py statement` and `run.py export`: the books on paper and in files, also beside a running server."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from gateway.terminal import (
    PROBLEM,
    USAGE,
    ConfigOption,
    Desk,
    JsonOption,
    fail,
    one_month,
    show,
    wrapped,
    written,
)

if TYPE_CHECKING:
    from actors.messages import JournalView, Query, StatementLine, StatementView
    from config.schema import Settings
    from gateway.statement_text import Tally, Writer

books_app = typer.Typer()
PAGE = 2_000
MISNAMED = ("not_found", "unknown_currency")
JOURNAL_SUFFIXES = (".jsonl", ".csv")
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="File to write, or to write anew; its suffix names the format."),
]


@books_app.command()
def statement(
    context: typer.Context,
    client: Annotated[str, typer.Option(help="A client's id; with --currency.")] = "",
    currency: Annotated[str, typer.Option(help="Which one of the client's, like BTC.")] = "",
    account: Annotated[str, typer.Option(help="An account by its name, like onchain:BTC:hot.")] = "",
    month: Annotated[
        str,
        typer.Option(help="A whole month, like 2026-05, UTC; until it is closed there may be more of it."),
    ] = "",
    since: Annotated[str, typer.Option("--from", help="2026-05, 2026-05-01 or a time with its zone.")] = "",
    until: Annotated[str, typer.Option("--to", help="The same; it is not included.")] = "",
    output: OutputOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Opening + movements = closing, of a client or an account; without a range, all that made its balance.

    Formats of --output: json, csv, html (to print), xlsx.
    """
    from actors.messages import GetStatement, Subject
    from gateway.statement_format import BY_SUFFIX
    from gateway.statement_text import Tally

    if bool(account) == bool(client) or bool(client) != bool(currency):
        raise fail("name an --account, or a --client and a --currency", USAGE)
    for text in (client, currency, account):
        if not text.isascii():
            raise fail(f"nothing in the books is called {text!r}", USAGE)
    subject = Subject(client_id=client, currency=currency, account=account)
    first, last = _range(month, since, until)
    suffix = "json" if output is None else output.suffix.removeprefix(".")
    if suffix not in BY_SUFFIX:
        raise fail(f"{output}: the suffixes are {', '.join(f'.{name}' for name in BY_SUFFIX)}", USAGE)
    desk: Desk = context.obj
    settings = desk.settings_of(config)
    view = _read(desk, settings, GetStatement(subject, first, last))
    if not view.closing_parts and (client or account.startswith("client")):
        raise fail(f"nothing was ever booked for {account or f'client {client} in {currency}'}", PROBLEM)
    if output is None and not as_json:
        tally = Tally(view.opening)
        _print(view, tally, _lines(desk, settings, view, tally))
        return
    writer = BY_SUFFIX[suffix](view)
    tally = _write(desk, settings, view, writer, output)
    if output is not None:
        show(_summary(view, tally, output), as_json)


def _range(month: str, since: str, until: str) -> tuple[int | None, int | None]:
    """The moments that options name; a wrong one ends with a line."""
    from gateway.bodies import month_after, parse_day

    if month and (since or until):
        raise fail("name a --month, or --from and --to", USAGE)
    try:
        if month:
            return parse_day(one_month(month)), parse_day(month_after(month))
        first, last = (parse_day(text) if text else None for text in (since, until))
    except ValueError as error:
        raise fail(f"{since or until}: {error}", USAGE) from None
    if first is not None and last is not None and last < first:
        raise fail("--to is before --from", USAGE)
    return first, last


def _read(desk: Desk, settings: Settings, query: Query[Any]) -> Any:
    """An answer; a refusal is one line."""
    from actors.messages import DomainError

    try:
        return desk.read(settings, query)
    except DomainError as error:
        raise fail(error.detail or error.code, USAGE if error.code in MISNAMED else PROBLEM) from None


def _lines(
    desk: Desk, settings: Settings, view: StatementView, tally: Tally
) -> Iterator[tuple[StatementLine, ...]]:
    """The lines, page by page, added up in ``tally`` and held against the books."""
    from actors.messages import ListStatementLines
    from gateway.statement_text import StatementBrokenError

    after: int | None = view.first_entry
    console = Console(stderr=True)
    try:
        with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
            task = bar.add_task("statement", total=view.last_entry - view.first_entry)
            while after is not None:
                page = _read(desk, settings, ListStatementLines(view.subject, after, view.last_entry, PAGE))
                tally.add(page)
                yield page.lines
                after = page.next_after
                bar.update(task, completed=(after or view.last_entry) - view.first_entry)
        tally.close(view)
    except StatementBrokenError as error:
        raise fail(f"the books do not add up: {error}", PROBLEM) from None


def _write(desk: Desk, settings: Settings, view: StatementView, writer: Writer, output: Path | None) -> Tally:
    """Write the statement to a file, or to the terminal."""
    from gateway.statement_sheet import StatementTooLongError
    from gateway.statement_text import Tally

    tally = Tally(view.opening)
    try:
        with written(output) as file:
            file.write(writer.head())
            for lines in _lines(desk, settings, view, tally):
                file.write(writer.lines(lines))
            file.write(writer.tail(tally))
            if output is None:
                file.write(b"\n")
    except StatementTooLongError as error:
        raise fail(f"{output}: {error}", USAGE) from None
    return tally


def _summary(view: StatementView, tally: Tally, output: Path) -> dict[str, Any]:
    from gateway.statement_text import head_of, sums_of

    head = head_of(view)
    balances = {name: head[name]["balance"] for name in ("opening", "closing")}
    places = {name: head[name] for name in ("first_entry", "last_entry", "hash")}
    is_final = {"is_final": view.is_final}
    return {
        "file": str(output),
        "lines": tally.lines,
        **balances,
        **sums_of(view, tally),
        **places,
        **is_final,
    }


def _print(view: StatementView, tally: Tally, pages: Iterator[tuple[StatementLine, ...]]) -> None:
    """Movement by movement on the terminal; nothing is cut short, however narrow it is."""
    from gateway.statement_text import COLUMNS, cells, frame_cells, kind_of

    def tell(title: str, row: tuple[str, ...], notes: tuple[str, ...]) -> None:
        cell = dict(zip(COLUMNS, row, strict=True))
        typer.echo(f"{cell['at']}  {title}".lstrip())
        amounts = [f"{name} {cell[name]}" for name in ("debit", "credit", "fee", "balance") if cell[name]]
        for text in (*wrapped(amounts), *(f"{name} {cell[name]}" for name in notes if cell[name])):
            typer.echo(f"  {text}")
        if cell["value"]:
            typer.echo(f"  worth {cell['value']} {cell['value_currency']}")

    typer.echo(f"Statement of {view.subject.account or f'client {view.subject.client_id}, {view.currency}'}")
    tell("opening", frame_cells(view, "opening"), ())
    for lines in pages:
        for line in lines:
            tell(
                f"{kind_of(line)}  (entry {line.entry})", cells(view, line), ("counterpart", "txid", "reason")
            )
    tell(f"closing  (entry {view.last_entry})", frame_cells(view, "closing", tally), ())
    typer.echo(f"journal hash {view.hash or 'none'}")
    if not view.is_final:
        typer.echo("not closed: there may be more")


@books_app.command()
def export(
    context: typer.Context,
    output: OutputOption = None,
    after: Annotated[int, typer.Option(min=0, max=2**53, help="Begin behind this entry.")] = 0,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the journal with its hashes, as JSON lines (.jsonl) or CSV (.csv); each hash is computed again.

    Without --output JSON lines go to the terminal.
    """
    from actors.messages import GetJournalPart
    from gateway import journal_text

    if output is not None and output.suffix not in JOURNAL_SUFFIXES:
        raise fail(f"{output}: the suffixes are {', '.join(JOURNAL_SUFFIXES)}", USAGE)
    desk: Desk = context.obj
    settings = desk.settings_of(config)
    is_csv = output is not None and output.suffix == ".csv"
    count, newest = 0, _entry(desk, settings, after)
    console = Console(stderr=True)
    with written(output) as file, Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("journal", total=None)
        if is_csv:
            file.write(journal_text.csv_head())
        while part := _read(desk, settings, GetJournalPart(after, limit=PAGE)):
            _check(part, newest)
            file.write(journal_text.csv_rows(part) if is_csv else journal_text.json_lines(part))
            count, newest, after = count + len(part), part[-1], part[-1].entry
            bar.update(task, completed=count)
    if output is not None:
        last = {"last_entry": after, "hash": newest.hash if newest else "none"}
        show({"file": str(output), "entries": count, **last}, as_json)


def _entry(desk: Desk, settings: Settings, number: int) -> JournalView | None:
    """The entry that an export begins behind; None at the very beginning. One that is not there is told."""
    from actors.messages import GetJournalPart

    found = _read(desk, settings, GetJournalPart(number - 1, limit=1)) if number else ()
    if number and not found:
        raise fail(f"there is no entry {number} in the journal", USAGE)
    return found[0] if found else None


def _check(part: tuple[JournalView, ...], before: JournalView | None) -> None:
    """Compute the chain again; the first entry that does not follow ends the export with its name."""
    from gateway.journal_text import hashed

    for view in part:
        follows = before is None or (view.entry, view.prev_hash) == (before.entry + 1, before.hash)
        body = json.dumps(hashed(view), separators=(",", ":")).encode()
        if not follows or hashlib.sha256(bytes.fromhex(view.prev_hash) + body).hexdigest() != view.hash:
            raise fail(f"the journal was changed: entry {view.entry} is not what was hashed", PROBLEM)
        before = view
