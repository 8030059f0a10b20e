"""The cashier's command line: `python run.py` serves; everything else is in `--help`.

Exit codes: 0 ok, 1 found a problem, 2 wrong usage or configuration, 3 could not reach what it needs.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import secrets
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

# bitcoinlib writes a folder while it is imported: never into somebody's home.
os.environ.setdefault("BCL_DATA_DIR", str(Path(__file__).resolve().parent / ".data" / "bitcoinlib"))

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree as RichTree

from config.errors import ConfigError
from config.loader import as_dict, load, print_config
from config.schema import Settings, SignerSettings
from gateway.audit_commands import audit_app
from gateway.backup_commands import backup
from gateway.book_commands import books_app
from gateway.closing_commands import closing_app
from gateway.operator_commands import operators_app
from gateway.reconcile_commands import reconcile
from gateway.terminal import PROBLEM, UNREACHABLE, USAGE, ConfigOption, Desk, JsonOption, fail, need_db, show

if TYPE_CHECKING:
    from actors.messages import Command, Query

app = typer.Typer(
    help="Crypto cashier: deposits and withdrawals on your own nodes, every unit explained at every block.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
keys_app = typer.Typer(help="Website keys, and the seed of a new cashier.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
app.add_typer(operators_app, name="operators")
app.add_typer(audit_app)
app.add_typer(books_app)
app.command()(reconcile)
app.add_typer(closing_app)
app.command()(backup)


R = TypeVar("R")
SCOPES = ("read", "sessions", "deposits", "withdrawals", "transfers")


def settings_of(path: Path | None) -> Settings:
    """The configuration; or each of its problems on a line of its own and exit code 2."""
    try:
        return load(path, os.environ)
    except ConfigError as error:
        raise fail(str(error), USAGE) from None


@app.callback(invoke_without_command=True)
def main(context: typer.Context, config: ConfigOption = None) -> None:
    """Serve, unless a command is named."""
    context.obj = Desk(settings_of, _administer, _read, _rescan, _verify, _compare, _close, _back_up)
    if context.invoked_subcommand is None:
        serve(config)


@app.command()
def serve(config: ConfigOption = None) -> None:
    """Run the cashier until SIGTERM. SIGHUP takes over changed coin files."""
    from actors.service import StartError
    from gateway.secret import GatewaySecretError

    settings = settings_of(config)
    try:
        code = asyncio.run(_serve(settings, config))
    except StartError as error:
        raise fail(str(error), error.code) from None
    except GatewaySecretError as error:
        raise fail(str(error), USAGE) from None
    raise typer.Exit(code)


async def _serve(settings: Settings, config: Path | None) -> int:
    """Wire, start, wait for a signal or the root's end, drain."""
    from actors.memory import settle_memory
    from actors.service import Service
    from actors.tree import reason_of
    from config.secrets import secret_values
    from gateway.front import make_front
    from monitoring import log

    log.configure(
        settings.monitoring.log_level, settings.monitoring.log_format, secrets=secret_values(settings)
    )
    logger = log.get_logger("cashier")
    service = Service(settings, config, make_front, random.SystemRandom())
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    hangup = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, hangup.set)
    try:
        port, monitoring_port = await service.start()
        settle_memory()
        logger.info("serving", gateway_port=port, monitoring_port=monitoring_port)
        if service.given_up is None:
            raise AssertionError("a started service knows its end")
        reloads = loop.create_task(_reload_on_hangup(service, hangup, config))
        stop = loop.create_task(stopping.wait())
        ends: set[asyncio.Future[Any]] = {stop, service.given_up, reloads}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        reloads.cancel()
        if service.given_up.done() and not stopping.is_set():
            logger.error("the cashier gave up", reason=reason_of(service.given_up.result()))
            return PROBLEM
        logger.info("stopping")
        return os.EX_OK
    finally:
        await service.stop()


async def _reload_on_hangup(service: Any, hangup: asyncio.Event, config: Path | None) -> None:
    """Take over the coin files at each SIGHUP; a wrong file changes nothing."""
    from monitoring import log

    logger = log.get_logger("cashier")
    while True:
        await hangup.wait()
        hangup.clear()
        try:
            await service.reload(lambda: load(config, os.environ))
        except ConfigError as error:
            service.metrics.config_read(is_ok=False)
            logger.error("the configuration stays as it was", problems=str(error).splitlines())


@app.command()
def check(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check the configuration, then whether each enabled currency's node answers and is the right one."""
    from actors.check import check_nodes, cold_addresses
    from actors.errors import ColdAddressError

    settings = settings_of(config)
    try:
        cold_storage = cold_addresses(settings)
    except ColdAddressError as error:
        raise fail(str(error), USAGE) from None
    rows = asyncio.run(check_nodes(settings))
    if as_json:
        shown = [row | {"cold_addresses": cold_storage[str(row["currency"])]} for row in rows]
        print(json.dumps(shown, indent=2))
    elif rows:
        table = Table("currency", "network")
        for name in ("node", "result"):
            table.add_column(name, overflow="fold")  # never cut short: it may hold an address or a hash
        for row in rows:
            table.add_row(*(escape(str(row[name])) for name in ("currency", "network", "node", "result")))
        Console().print(table)
        cold = {row["currency"]: row["first_deposit_address"] for row in rows}
        for currency, address in cold.items():
            if address is not None:
                print(f"{currency}: the cold wallet must show {address} as its first receiving address")
        for currency, address in (pair for of_chain in cold_storage.values() for pair in of_chain.items()):
            print(f"{currency}: what is above hot_ceiling goes to the cold address {address}")
    else:
        print("the configuration is right, but no currency is enabled: see config/coins/*.toml")
    if any(row["result"] != "ok" for row in rows):
        raise typer.Exit(UNREACHABLE)


@app.command("print-config")
def show_config(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show the configuration in force, secrets masked."""
    settings = settings_of(config)
    print(json.dumps(as_dict(settings), indent=2) + "\n" if as_json else print_config(settings), end="")


@app.command()
def tree(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show the supervision tree of the running cashier, asked at its monitoring port."""
    where = settings_of(config).monitoring
    host = f"[{where.host}]" if ":" in where.host else where.host
    url = f"http://{host}:{where.port}/tree"
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:  # nosec B310 - our own port
            view = json.load(reply)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        words = getattr(reason, "strerror", None) or reason
        raise fail(f"no cashier answers at {url}: {words}", UNREACHABLE) from None
    if as_json:
        print(json.dumps(view, indent=2))
    else:
        Console().print(_branch(view, RichTree("")))


def _branch(view: dict[str, Any], parent: RichTree) -> RichTree:
    """Draw one node and all below it."""
    colour = {"up": "green", "halted": "red", "waiting": "yellow"}.get(view["state"], "white")
    text = f"[bold]{view['name']}[/bold] [{colour}]{view['state']}[/{colour}]"
    if view["restarts"]:
        text += f"  {view['restarts']} restarts"
    if view["inbox_depth"]:
        text += f"  {view['inbox_depth']} waiting"
    if view["currency"]:
        text += f"  {escape(view['currency'])}"
    if view["last_error"]:
        text += f"  [dim]{escape(view['last_error'])}[/dim]"
    parent.label = text
    for child in view["children"]:
        _branch(child, parent.add(""))
    return parent


@keys_app.command("create")
def create_key(
    website: Annotated[str, typer.Option(help="The business the key belongs to.")],
    scope: Annotated[list[str], typer.Option(help=f"One of {', '.join(SCOPES)}; may be repeated.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a website key. Its two secrets are shown this once and kept nowhere."""
    from gateway.secret import GatewaySecretError, load_or_create, signing_secret
    from gateway.token import new_key
    from ledger.commands import CreateKey

    unknown = [name for name in scope if name not in SCOPES]
    if unknown:
        raise fail(f"unknown scope {unknown[0]}: the scopes are {', '.join(SCOPES)}", USAGE)
    settings = settings_of(config)
    new = new_key(secrets.token_bytes)
    try:
        signing = signing_secret(load_or_create(settings.gateway.secret_file, secrets.token_bytes), new.id)
    except GatewaySecretError as error:
        raise fail(str(error), USAGE) from None
    command = CreateKey(new.id, website, new.key_hash, tuple(dict.fromkeys(scope)), "cli")
    _administer(settings, command)
    shown = {"id": new.id, "website": website, "key": new.token, "signing_secret": signing}
    show(shown | {"scopes": list(command.scopes)}, as_json)


@keys_app.command("revoke")
def revoke_key(key_id: str, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Make a website key useless from now on."""
    from ledger.commands import RevokeKey

    view = _administer(settings_of(config), RevokeKey(key_id, "cli"))
    show({"id": view.id, "website": view.website, "revoked_at": view.revoked_at}, as_json)


@keys_app.command("list")
def list_keys(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show all website keys; their secrets are not kept."""
    from ledger.queries import ListKeys

    views = _read(settings_of(config), ListKeys())
    if as_json:
        names = ("id", "website", "scopes", "created_at", "revoked_at")
        print(json.dumps([{name: getattr(view, name) for name in names} for view in views], indent=2))
        return
    table = Table("id", "website", "scopes", "state")
    for view in views:
        table.add_row(view.id, view.website, " ".join(view.scopes), "revoked" if view.revoked_at else "valid")
    Console().print(table)


@keys_app.command("new-seed")
def new_seed(config: ConfigOption = None) -> None:
    """Make the encrypted seed of a new cashier; back up the file and its passphrase apart."""
    from coins.signer.begin import begin_seed

    _begin(config, begin_seed, "a new seed, encrypted with age under your passphrase")


@keys_app.command("new-record")
def new_record(config: ConfigOption = None) -> None:
    """Begin the signer's record of signatures anew, where it is lost; its caps then count from zero."""
    from coins.signer.begin import begin_record

    _begin(config, begin_record, "as far as the signer knows, it has signed nothing yet")


def _begin(config: Path | None, begin: Callable[[SignerSettings], Path], words: str) -> None:
    """Make a file of the signer's; troubles are one line."""
    from coins.signer.errors import SignerStartError

    try:
        path = begin(settings_of(config).signer)
    except SignerStartError as error:
        raise fail(str(error), error.exit_code) from None
    print(f"{path} is written: {words}")


def _rescan(settings: Settings, currency: str, from_height: int, **options: Any) -> Any:
    """Read a chain again, the server stopped."""
    from actors.rescan import rescan_books

    return _done(rescan_books(settings, currency, from_height, int(time.time()), **options), currency)


def _verify(settings: Settings, **options: Any) -> Any:
    """Audit the books, also beside a server."""
    from actors.verification import verify_books

    os.nice(10)  # whoever the server answers goes first
    return _done(verify_books(settings, now_s=int(time.time()), **options))


def _compare(settings: Settings, chain: str, height: int | None) -> Any:
    """Compare a chain with the books, the server stopped."""
    from actors.reconcile_now import compare_offline

    return _done(compare_offline(settings, chain, height, int(time.time())), chain)


def _close(settings: Settings, chain: str, month: str, by: str) -> Any:
    """Close a month, also beside a server."""
    from actors.closing import close_books

    return _done(close_books(settings, chain, month, by, int(time.time()), secrets.token_bytes), chain)


def _back_up(settings: Settings, **options: Any) -> Any:
    """Copy the database, also beside a server; troubles are one line."""
    from ledger.backup import back_up

    return _done(asyncio.to_thread(back_up, settings.ledger.path, **options))


def _done(work: Coroutine[Any, Any, R], chain: str = "") -> R:
    """Do it; troubles are one line, those of a node with its chain."""
    from coins.errors import CoinError
    from ledger.errors import DomainError, StoreError

    try:
        return asyncio.run(work)
    except CoinError as error:
        raise fail(f"{chain}: {error}" if chain else str(error), UNREACHABLE) from None
    except StoreError as error:
        raise fail(str(error), UNREACHABLE) from None
    except DomainError as error:
        raise fail(error.detail or error.code, PROBLEM) from None


def _administer(settings: Settings, command: Command[R]) -> R:
    """Change a key or an operator; troubles are one line."""
    from ledger.errors import DomainError, StoreError
    from ledger.guest import administer

    try:
        settings.ledger.path.parent.mkdir(parents=True, exist_ok=True)
        return administer(settings.ledger.path, command, int(time.time()))
    except DomainError as error:
        raise fail(error.detail or error.code, PROBLEM) from None
    except (StoreError, OSError) as error:
        raise fail(str(error), UNREACHABLE) from None


def _read(settings: Settings, query: Query[R]) -> R:
    """Ask the books, which a server may have open; troubles are one line."""
    from ledger.errors import StoreError
    from ledger.reader import LedgerReader

    need_db(settings)
    path = settings.ledger.path

    async def read() -> R:
        reader = await LedgerReader(path, now_s=lambda: int(time.time()), connections=1).open()
        try:
            return await reader.answer(query)
        finally:
            await reader.close()

    try:
        return asyncio.run(read())
    except StoreError as error:
        raise fail(str(error), UNREACHABLE) from None


if __name__ == "__main__":
    app()
