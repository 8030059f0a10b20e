"""`run.py close`: a month is over, and books and chain say the same. Also beside the running server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coins.amounts import format_amount
from gateway.moment import moment
from gateway.terminal import PROBLEM, USAGE, ConfigOption, Desk, JsonOption, fail, one_month

if TYPE_CHECKING:
    from config.schema import Settings

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
    one_month(month)
    chains = [*settings.enabled_coins, *_held_elsewhere(desk, settings)]
    if currency is not None and currency not in chains:
        raise fail(f"{currency} is no chain of these books: one of {', '.join(chains) or 'none'}", USAGE)
    closed: list[Any] = []
    refused = 0
    for chain in chains if currency is None else [currency]:
        try:
            closed += desk.close(settings, chain, month, BY).periods
        except typer.Exit as exit_:  # the reason is on stderr by now
            refused = max(refused, exit_.exit_code)
    if as_json:
        typer.echo(json.dumps([_plain(period) for period in closed], indent=2))
    else:
        for period in closed:
            coin = settings.currencies.get(period.currency)
            typer.echo(_told(period, coin.decimals if coin else None))
    if refused:
        raise typer.Exit(refused)
    if not closed:
        raise fail("no currency is enabled: there is nothing to close", PROBLEM)


def _held_elsewhere(desk: Desk, settings: Settings) -> list[str]:
    """Chains that are not enabled any more, and of which the books hold something."""
    from actors.messages import GetBooks, ListCurrencies

    held: dict[str, None] = {}
    for view in desk.read(settings, ListCurrencies()):
        if view.chain in settings.enabled_coins:
            continue
        if any(desk.read(settings, GetBooks(view.currency)).onchain.values()):
            held[view.chain] = None
    return list(held)


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


def _told(period: Any, decimals: int | None) -> str:
    """The totals that must agree, and what stands for the month: its block and the journal's hash there."""
    report = period.report
    chain = sum(int(line["chain"]) for line in report["chain"])
    books = sum(int(line["books"]) for line in report["chain"])
    lines = {
        "on the chain": _shown(chain, decimals),
        "in the books": _shown(books, decimals),
        "owed to clients": _shown(int(report["owed"]["total"]), decimals),
        "last block": f"{period.height} {period.block_hash}",
        "journal": f"up to entry {period.cut}, hash {report['journal_hash']}",
        "report": f"sha256 {period.digest}",
    }
    told = "\n".join(f"  {name.ljust(16)} {text}" for name, text in lines.items())
    for part in report.get("differences", ()):
        amount = _shown(int(part["amount"]), decimals)
        told += (
            f"\n  {'differs by'.ljust(16)} {amount} at {part['location']} since block {part['height']}:"
            f" {part['case']} ({part['kind']}), {part['reason']}"
        )
    return f"{period.currency} {period.month} is closed\n{told}"


def _shown(amount: int, decimals: int | None) -> str:
    """An amount in whole coins; in base units for a currency that is not configured any more."""
    return f"{amount} base units" if decimals is None else format_amount(amount, decimals)
