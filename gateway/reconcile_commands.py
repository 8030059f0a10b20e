"""`run.py reconcile`: chain and books compared at one block, by the running cashier or beside none."""

from __future__ import annotations

import json
import secrets
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from coins.amounts import format_amount
from gateway.secret import GatewaySecretError, command_token, load_or_create
from gateway.terminal import (
    PROBLEM,
    UNREACHABLE,
    USAGE,
    ConfigOption,
    Desk,
    JsonOption,
    equation,
    fail,
    need_db,
    shown_amount,
)

if TYPE_CHECKING:
    from config.schema import Settings

TIMEOUT_S = 7_200
AMOUNTS_SHOWN = ("chain", "books", "difference")
SIDES = (("onchain", "deficit", "unexplained", "expenses"), ("liabilities", "revenue", "equity"))
"""The totals of a comparison, as they stand on the two sides of the books."""


def reconcile(
    context: typer.Context,
    currency: Annotated[
        str | None,
        typer.Argument(help="A currency, like BTC (its whole chain is compared); all if left out."),
    ] = None,
    height: Annotated[
        int | None, typer.Option(min=0, help="A past block; without it the node's tip now.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare what the chain says we own with the books at one block, and explain what differs.

    A running cashier does it and keeps the result; without one it is done here. Exit code 1 when anything
    differs; else 3 when a chain could not be compared, the others are.
    """
    desk: Desk = context.obj
    settings = desk.settings_of(config)
    chains = _chains(settings, currency)
    if height is not None and len(chains) > 1:
        raise fail("--height needs a currency: each chain has its own heights", USAGE)
    console = Console(stderr=True)
    need_db(settings)
    results: dict[str, dict[str, Any]] = {}
    refused = 0
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=as_json or not console.is_terminal) as bar:
        for chain in chains:
            bar.add_task(f"{chain}: asking the node what we own", total=None)
            try:
                results[chain] = _compared(desk, settings, chain, height)
            except typer.Exit as exit_:  # the reason is on stderr by now
                refused = max(refused, exit_.exit_code)
    decimals = {name: each.decimals for name, each in settings.currencies.items()}
    if as_json:
        typer.echo(json.dumps([_spelled(result, decimals) for result in results.values()], indent=2))
    else:
        for result in results.values():
            _print(result, decimals)
    if any(view["status"] != "ok" for result in results.values() for view in result["comparisons"]):
        raise typer.Exit(PROBLEM)
    if refused:
        raise typer.Exit(refused)
    if not chains:
        raise fail("no currency is enabled: there is nothing to compare", PROBLEM)


def _compared(desk: Desk, settings: Settings, chain: str, height: int | None) -> dict[str, Any]:
    """The result of one chain; where there is none the reason is said and the exit code raised."""
    found = _ask_server(settings, chain, height)
    result: dict[str, Any] = desk.compare(settings, chain, height) if found is None else found
    if "refused" in result:
        raise fail(f"{chain}: {result['refused']}", UNREACHABLE)
    return result


def _chains(settings: Settings, currency: str | None) -> list[str]:
    """The chains to compare: that of a currency, or all."""
    if currency is None:
        return list(settings.enabled_coins)
    for chain, coin in settings.enabled_coins.items():
        if currency in (chain, *(token.currency for token in getattr(coin, "tokens", ()))):
            return [chain]
    raise fail(f"{currency} is not enabled: one of {', '.join(settings.currencies) or 'none'}", USAGE)


def _ask_server(settings: Settings, chain: str, height: int | None) -> dict[str, Any] | None:
    """What the running cashier answers at its monitoring port; None when none is there."""
    where = settings.monitoring
    host = f"[{where.host}]" if ":" in where.host else where.host
    url = f"http://{host}:{where.port}/reconcile"
    body = json.dumps({"chain": chain, "height": height}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {_token(settings)}"}
    request = urllib.request.Request(url, body, headers)
    # No proxy of the environment is between us and our own port, and none gets to know the token.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT_S) as reply:
            answer: dict[str, Any] = json.load(reply)
            return answer
    except urllib.error.HTTPError as error:
        if error.code == 401:
            text = f"{url} does not know us: its gateway.secret_file is not {settings.gateway.secret_file}"
            raise fail(text, UNREACHABLE) from None
        raise fail(f"{url} answers {error.code} {error.reason}", UNREACHABLE) from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, ConnectionRefusedError):
            return None
        raise fail(f"no answer at {url}: {error.reason}", UNREACHABLE) from None
    except (OSError, ValueError) as error:
        raise fail(f"no answer at {url}: {error}", UNREACHABLE) from None


def _token(settings: Settings) -> str:
    """What the running cashier knows us by; nothing where none has made its secret yet."""
    path = settings.gateway.secret_file
    if not path.exists():
        return ""
    try:
        return command_token(load_or_create(path, secrets.token_bytes))
    except GatewaySecretError as error:
        raise fail(str(error), USAGE) from None


_AMOUNTS = frozenset({"chain", "books", "difference", "amount"})


def _spelled(result: dict[str, Any], decimals: dict[str, int]) -> dict[str, Any]:
    """The result with amounts as decimal strings of whole units."""
    comparisons = [
        view
        | {
            "lines": [_with_amounts(line, decimals[view["currency"]]) for line in view["lines"]],
            "totals": {
                name: format_amount(amount, decimals[view["currency"]])
                for name, amount in view["totals"].items()
            },
        }
        for view in result["comparisons"]
    ]
    explained = [
        each
        | {
            "blocks": [
                block
                | {"found": [_with_amounts(found, decimals[each["currency"]]) for found in block["found"]]}
                for block in each["blocks"]
            ]
        }
        for each in result["explained"]
    ]
    standing = [_with_amounts(each, decimals[each["currency"]]) for each in result["standing"]]
    return {"comparisons": comparisons, "explained": explained, "standing": standing}


def _with_amounts(values: dict[str, Any], decimals: int) -> dict[str, Any]:
    return {
        name: format_amount(value, decimals) if name in _AMOUNTS else value for name, value in values.items()
    }


def _print(result: dict[str, Any], decimals: dict[str, int]) -> None:
    """Tables for people: each location, then each thing that does not fit."""
    shown = _spelled(result, decimals)
    console = Console()
    for view, at in zip(shown["comparisons"], result["comparisons"], strict=True):
        console.print(
            f"{view['currency']}: {view['status']} at block {view['height']} {view['block_hash']}",
            soft_wrap=True,
        )
        table = Table("location", box=None, pad_edge=False, padding=(0, 1, 0, 0))
        for name in AMOUNTS_SHOWN:
            table.add_column(name, overflow="fold", justify="right")
        for line in view["lines"]:
            table.add_row(line["location"], *(line[name] for name in AMOUNTS_SHOWN))
        sums = [sum(line[name] for line in at["lines"]) for name in AMOUNTS_SHOWN]
        table.add_row("all", *(shown_amount(amount, decimals[view["currency"]]) for amount in sums))
        console.print(table)
        sides = [{name: at["totals"][name] for name in side} for side in SIDES]
        typer.echo("\n".join(equation(sides[0], sides[1], decimals[view["currency"]])))
    for each in shown["explained"]:
        if each["note"]:
            console.print(f"{each['currency']}: {each['note']}", soft_wrap=True)
        for block in each["blocks"]:
            for found in block["found"]:
                at = " ".join(text for text in (found["txid"], found["position"], found["script"]) if text)
                console.print(
                    f"{each['currency']}: block {block['height']}: {found['kind']} {found['amount']}"
                    f" at {found['location']} {at}: {found['detail']}",
                    soft_wrap=True, markup=False,
                )  # fmt: skip
    for each in shown["standing"]:
        at = "in no block" if each["height"] is None else f"since block {each['height']}"
        text = (
            f"{each['currency']}: waits {at}: {each['kind']} {each['amount']} {each['ref']}: {each['detail']}"
        )
        console.print(text, soft_wrap=True, markup=False)
