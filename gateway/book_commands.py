"""`run.py statement`, `trial-balance` and `export`: the books on paper and in files, also beside a server."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

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
    from actors.messages import JournalView, Query, StatementPage, StatementView, TrialPage, TrialView
    from config.schema import Settings
    from gateway.statement_text import Paper, StatementPaper
    from gateway.trial_format import TrialPaper

P = TypeVar("P", "StatementPage", "TrialPage")

books_app = typer.Typer()
PAGE = 2_000
MISNAMED = ("not_found", "unknown_currency")
TRIAL_PAGE = 500
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
    from actors.messages import GetStatement, ListStatementLines, Subject
    from gateway.statement_format import BY_SUFFIX
    from gateway.statement_text import StatementPaper

    if bool(account) == bool(client) or bool(client) != bool(currency):
        raise fail("name an --account, or a --client and a --currency", USAGE)
    for text in (client, currency, account):
        if not text.isascii():
            raise fail(f"nothing in the books is called {text!r}", USAGE)
    subject = Subject(client_id=client, currency=currency, account=account)
    first, last = _range(month, since, until)
    suffix = _suffix(output, BY_SUFFIX)
    desk: Desk = context.obj
    settings = desk.settings_of(config)
    view = _read(desk, settings, GetStatement(subject, first, last))
    if not view.closing_parts and (client or account.startswith("client")):
        raise fail(f"nothing was ever booked for {account or f'client {client} in {currency}'}", PROBLEM)
    paper = StatementPaper(view, BY_SUFFIX[suffix](view))

    def turn(after: int | None) -> StatementPage:
        first = view.first_entry if after is None else after
        page: StatementPage = _read(desk, settings, ListStatementLines(subject, first, view.last_entry, PAGE))
        return page

    pages = _turned(turn, range(view.first_entry, view.last_entry))
    if output is None and not as_json:
        _print(paper, pages)
        return
    _write(paper, pages, output)
    if output is not None:
        show(_summary(paper, output), as_json)


@books_app.command("trial-balance")
def trial_balance(
    context: typer.Context,
    currency: Annotated[str, typer.Option(help="Which one, like BTC.")],
    month: Annotated[str, typer.Option(help="A whole month, like 2026-05, UTC.")] = "",
    since: Annotated[str, typer.Option("--from", help="2026-05, 2026-05-01 or a time with its zone.")] = "",
    until: Annotated[str, typer.Option("--to", help="The same; it is not included.")] = "",
    output: OutputOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Every account of a currency: opening, debits, credits, closing. Ends with 1 unless both sides agree.

    Formats of --output: json, csv, html (to print), xlsx.
    """
    from actors.messages import GetTrialBalance, ListTrialLines
    from gateway.trial_format import TRIAL_BY_SUFFIX, TrialPaper, head_of, totals_of

    first, last = _range(month, since, until)
    suffix = _suffix(output, TRIAL_BY_SUFFIX)
    desk: Desk = context.obj
    settings = desk.settings_of(config)
    view = _read(desk, settings, GetTrialBalance(currency, first, last))
    paper = TrialPaper(view, TRIAL_BY_SUFFIX[suffix](view))

    def turn(after: str | None) -> TrialPage:
        page: TrialPage = _read(desk, settings, ListTrialLines(view, after or "", TRIAL_PAGE))
        return page

    if output is None and not as_json:
        _print_trial(paper, _turned(turn))
        return
    _write(paper, _turned(turn), output)
    if output is not None:
        told = {"file": str(output), "accounts": paper.tally.accounts, **totals_of(view, paper.tally)}
        show(told | head_of(view), as_json)


def _suffix(output: Path | None, known: Collection[str]) -> str:
    """The format that a file's name asks for; JSON on the terminal."""
    suffix = "json" if output is None else output.suffix.removeprefix(".")
    if suffix not in known:
        raise fail(f"{output}: the suffixes are {', '.join(f'.{name}' for name in known)}", USAGE)
    return suffix


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


def _turned(turn: Callable[[Any], P], entries: range | None = None) -> Iterator[P]:
    """Page after page, with a sign of how far it is in ``entries``, where pages go by these."""
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("reading", total=None if entries is None else len(entries))
        page = turn(None)
        yield page
        while page.next_after is not None:
            if entries is not None:
                bar.update(task, completed=int(page.next_after) - entries.start)
            page = turn(page.next_after)
            yield page


@contextmanager
def _adding_up() -> Iterator[None]:
    """What does not add up ends with a line."""
    from gateway.statement_text import StatementBrokenError

    try:
        yield
    except StatementBrokenError as error:
        raise fail(f"the books do not add up: {error}", PROBLEM) from None


def _write(paper: Paper[P], pages: Iterator[P], output: Path | None) -> None:
    """Write page by page to a file, or to the terminal."""
    from gateway.statement_sheet import StatementTooLongError

    try:
        with _adding_up(), written(output) as file:
            file.write(paper.head())
            for page in pages:
                file.write(paper.add(page))
            file.write(paper.tail())
            if output is None:
                file.write(b"\n")
    except StatementTooLongError as error:
        raise fail(f"{output}: {error}", USAGE) from None


def _summary(paper: StatementPaper, output: Path) -> dict[str, Any]:
    from gateway.statement_text import head_of, sums_of

    view, tally, head = paper.view, paper.tally, head_of(paper.view)
    balances = {name: head[name]["balance"] for name in ("opening", "closing")}
    places = {name: head[name] for name in ("first_entry", "last_entry", "hash")}
    places["is_final"] = view.is_final
    return {"file": str(output), "lines": tally.lines, **balances, **sums_of(view, tally), **places}


def _print(paper: StatementPaper, pages: Iterator[StatementPage]) -> None:
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

    view = paper.view
    typer.echo(f"Statement of {view.subject.account or f'client {view.subject.client_id}, {view.currency}'}")
    tell("opening", frame_cells(view, "opening"), ())
    with _adding_up():
        for page in pages:
            paper.add(page)
            for line in page.lines:
                title = f"{kind_of(line)}  (entry {line.entry})"
                tell(title, cells(view, line), ("counterpart", "txid", "reason"))
        paper.tail()
    tell(f"closing  (entry {view.last_entry})", frame_cells(view, "closing", paper.tally), ())
    _print_end(view)


def _print_end(view: StatementView | TrialView) -> None:
    typer.echo(f"journal hash {view.hash or 'none'}")
    if not view.is_final:
        typer.echo("not closed: there may be more")


def _print_trial(paper: TrialPaper, pages: Iterator[TrialPage]) -> None:
    """Account by account on the terminal, the sums last."""
    from gateway.trial_format import COLUMNS, cells, total_cells

    def tell(row: tuple[str, ...]) -> None:
        cell = dict(zip(COLUMNS, row, strict=True))
        typer.echo(f"{cell['account']}  ({', '.join(filter(None, (cell['class'], cell['side'])))})")
        names = ("opening", "debits", "credits", "closing")
        for text in wrapped([f"{name} {cell[name]}" for name in names if cell[name]]):
            typer.echo(f"  {text}")

    typer.echo(f"Trial balance of {paper.view.currency}")
    with _adding_up():
        for page in pages:
            paper.add(page)
            for line in page.lines:
                tell(cells(paper.view, line))
        paper.tail()
    for row in total_cells(paper.view, paper.tally):
        tell(row)
    _print_end(paper.view)


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
