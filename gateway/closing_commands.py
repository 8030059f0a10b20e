"""`run.py close`: a month is over, and books and chain say the same. Also beside the running server."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from gateway.moment import moment
from gateway.terminal import PROBLEM, USAGE, ConfigOption, Desk, JsonOption, fail

BY = "cli"
closing_app = typer.Typer()


@closing_app.command("close")
def close(
    context: typer.Context,
    month: Annotated[str, typer.Argument(help="The month, like 2026-01 (UTC).")],
    currency: Annotated[
        str | None, typer.Option(help="The one chain to close, like BTC; without it all that are enabled.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Close a month of each chain and its tokens: the chain is asked what it held at the month's last block.

    A month that is closed already is shown as it is. Where one chain cannot be closed the others are; the
    reason is said, and the exit code is 1.
    """
    desk: Desk = context.obj
    settings = desk.settings_of(config)
    chains = list(settings.enabled_coins)
    if currency is not None and currency not in chains:
        raise fail(f"{currency} is no enabled chain: one of {', '.join(chains) or 'none'}", USAGE)
    closed: list[Any] = []
    refused = 0
    for chain in chains if currency is None else [currency]:
        try:
            closed += desk.close(settings, chain, month, BY).periods
        except typer.Exit as exit_:  # the reason is on stderr by now
            refused = max(refused, exit_.exit_code)
    if as_json:
        typer.echo(json.dumps([_plain(period) for period in closed], indent=2))
    elif closed:
        _table(closed)
    if refused:
        raise typer.Exit(refused)
    if not closed:
        raise fail("no currency is enabled: there is nothing to close", PROBLEM)


def _plain(period: Any) -> dict[str, Any]:
    """A closed month for scripts."""
    return {
        "month": period.month,
        "currency": period.currency,
        "height": period.height,
        "block_hash": period.block_hash,
        "digest": period.digest,
        "closed_at": moment(period.closed_at),
        "closed_by": period.closed_by,
        "report": period.report,
    }


def _table(periods: list[Any]) -> None:
    """The totals that must agree, per currency, in base units: the chain's, the books', and what is owed."""
    table = Table("currency", "month", "block", "chain", "books", "owed to clients", "journal hash")
    for period in periods:
        chain = sum(int(line["chain"]) for line in period.report["chain"])
        books = sum(int(line["books"]) for line in period.report["chain"])
        owed, journal = period.report["owed"]["total"], period.report["journal_hash"][:16]
        table.add_row(
            period.currency, period.month, str(period.height), str(chain), str(books), owed, f"{journal}…"
        )
    Console().print(table)
