"""`run.py close`: a month is over, and books and chain say the same. Also beside the running server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.moment import moment
from gateway.terminal import (
    PROBLEM,
    USAGE,
    ConfigOption,
    Desk,
    JsonOption,
    equation,
    fail,
    one_month,
    shown_amount,
)

if TYPE_CHECKING:
    from config.schema import Settings

BY = "cli"
LEFT, RIGHT = ("asset", "expense"), ("liability", "revenue", "equity")
"""The classes of accounts on the two sides of the books; ``clearing`` is empty after each entry."""
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

    A month that is closed already is shown as it is. Where one chain cannot be closed the others are, and the
    reason is said; the exit code is 1 then, or 3 when its node does not answer.
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
    """The totals that must agree, what they consist of, and what stands for the month elsewhere."""
    report = period.report
    chain = sum(int(line["chain"]) for line in report["chain"])
    books = sum(int(line["books"]) for line in report["chain"])
    clients = "1 client" if report["owed"]["clients"] == 1 else f"{report['owed']['clients']} clients"
    lines = {
        "on the chain": shown_amount(chain, decimals),
        "in the books": shown_amount(books, decimals),
        "owed to clients": shown_amount(int(report["owed"]["total"]), decimals),
        "last block": f"{period.height}\n    {period.block_hash}",
        "journal": f"up to entry {period.cut}, whose hash is\n    {report['journal_hash']}",
        "proof": f"root of what is owed to {clients}\n    {report['owed']['root']}",
        "report": f"closed {moment(period.closed_at)} by {period.closed_by}, sha256\n    {period.digest}",
    }
    told = [f"{period.currency} {period.month} is closed"]
    told += [f"  {name.ljust(16)} {text}" for name, text in lines.items()]
    for part in report.get("differences", ()):
        amount = shown_amount(int(part["amount"]), decimals)
        told.append(f"  {'differs by'.ljust(16)} {amount} at {part['location']} since block {part['height']}")
        told.append(f"    {part['case']} ({part['kind']}), {part['reason']}")
    return "\n".join([*told, "  accounts", *_accounts(report, decimals)])


def _accounts(report: dict[str, Any], decimals: int | None) -> list[str]:
    """What stands on each account at the month's end, by class, and both sides of the books."""
    standing = [line for line in report["accounts"] if line["closing"] != "0"]
    order = (*LEFT, *RIGHT, "clearing")
    standing.sort(key=lambda line: (order.index(line["class"]), line["account"]))
    rows = [
        (line["class"], line["account"], shown_amount(int(line["closing"]), decimals)) for line in standing
    ]
    first, second, third = (max((len(row[at]) for row in rows), default=0) for at in range(3))
    told = [f"    {kind:<{first}}  {name:<{second}}  {amount:>{third}}" for kind, name, amount in rows]
    left, right = ({kind: int(report["totals"][kind]) for kind in side} for side in (LEFT, RIGHT))
    return [*told, *(f"    {line}" for line in equation(left, right, decimals))]
