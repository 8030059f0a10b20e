"""`run.py verify` and `run.py rescan`: the books beside themselves and the chain. Neither posts."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated

import typer

from gateway.terminal import PROBLEM, UNREACHABLE, USAGE, ConfigOption, Desk, JsonOption, fail, progress

audit_app = typer.Typer()


@audit_app.command()
def verify(
    context: typer.Context,
    chain: Annotated[
        bool,
        typer.Option("--chain", help="Also read every enabled chain again, from the first booked block."),
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Audit the books, also while the server runs: every hash, every balance, every derived table and every
    closed month once more from the journal. The first bad row of each kind is named."""
    desk: Desk = context.obj
    settings = desk.settings_of(config)
    if chain and not settings.enabled_coins:
        raise fail("no currency is enabled: there is no chain to read again", USAGE)
    with progress(as_json) as tell:
        done = desk.verify(settings, with_chains=chain, on_step=tell)
    if as_json:
        typer.echo(json.dumps({"is_well": done.is_well} | dataclasses.asdict(done), indent=2))
    else:
        typer.echo("\n".join(done.lines()))
    if not done.is_well:
        raise typer.Exit(PROBLEM)
    if done.unread:
        raise typer.Exit(UNREACHABLE)


@audit_app.command()
def rescan(
    context: typer.Context,
    currency: Annotated[
        str, typer.Option(help="Whose chain to read again, like BTC; a token's is its parent's.")
    ],
    from_height: Annotated[int, typer.Option(min=0, help="The first block to read.")],
    gap: Annotated[int, typer.Option(min=0, max=100_000, help="Unissued indices to search as well.")] = 0,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read a chain again and compare every receipt and spend with the books; the server must be stopped.

    Posts nothing. Indices that --gap finds paid are set aside: no client is given them anew.
    """
    desk: Desk = context.obj
    settings = desk.settings_of(config)
    if currency not in settings.currencies:
        raise fail(f"{currency} is not enabled: one of {', '.join(settings.currencies) or 'none'}", USAGE)
    with progress(as_json) as tell:

        def on_block(height: int, first: int, last: int) -> None:
            tell(currency, height - first + 1, last - first + 1)

        done = desk.rescan(settings, currency, from_height, on_block=on_block, gap=gap, config=config)
    if as_json:
        typer.echo(json.dumps({"currency": currency} | dataclasses.asdict(done), indent=2))
    else:
        typer.echo("\n".join(done.lines(currency)))
    if done.differences or done.unissued:
        raise typer.Exit(PROBLEM)
