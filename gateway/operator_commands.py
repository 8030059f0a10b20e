"""`run.py operators`: whoever may log in, made and changed by who has the machine. No server is needed.

The password is typed or read from a file; the one-time-code secret is shown once, for an authenticator app.
"""

from __future__ import annotations

import json
import re
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from gateway.role import Role
from gateway.terminal import PROBLEM, USAGE, ConfigOption, Desk, JsonOption, fail, show
from gateway.token import OPERATOR_NAME_PATTERN, new_id, new_salt

if TYPE_CHECKING:
    from actors.messages import OperatorView
    from config.schema import Settings

BY = "cli"
"""How the audit names who has the machine."""
operators_app = typer.Typer(help="Operators: people who may log in.", no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(help="The login name.")]
RoleOption = Annotated[list[Role], typer.Option(help="What the work is; may be repeated.")]
PasswordOption = Annotated[
    Path | None, typer.Option(help="File whose first line is the password; without it you are asked.")
]


@operators_app.command("add")
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The login name: a-z 0-9 . _ -")],
    role: RoleOption,
    password_file: PasswordOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an operator. The one-time-code secret is shown this once."""
    from actors.messages import CreateOperator

    desk: Desk = context.obj
    if re.fullmatch(OPERATOR_NAME_PATTERN, name) is None:
        raise fail(f"{name!r} is no login name: 1 to 64 of a-z 0-9 . _ -, the first a letter or digit", USAGE)
    settings = desk.settings_of(config)
    operator_id, salt = new_id("op", secrets.token_bytes), new_salt(secrets.token_bytes)
    roles = tuple(dict.fromkeys(each.value for each in role))
    uri = _uri(settings, operator_id, name, salt)
    password_hash = _hashed(password_file)
    view = desk.administer(settings, CreateOperator(operator_id, name, password_hash, salt, roles, BY)).value
    _hand_over(view, uri, as_json)


@operators_app.command("list")
def list_all(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show all operators; what they log in with is not shown again."""
    from actors.messages import ListOperators

    desk: Desk = context.obj
    views = [_plain(view) for view in desk.read(desk.settings_of(config), ListOperators())]
    if as_json:
        typer.echo(json.dumps(views, indent=2))
        return
    table = Table("name", "roles", "last login", "state", "id")
    for view in views:
        state = "disabled" if view["disabled_at"] else "enabled"
        table.add_row(view["name"], " ".join(view["roles"]), view["last_login_at"] or "-", state, view["id"])
    Console().print(table)


@operators_app.command("disable")
def disable(
    context: typer.Context, name: NameArgument, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Let an operator in no more; the sessions end at once."""
    _set(context.obj, name, config, as_json, is_disabled=True)


@operators_app.command("enable")
def enable(
    context: typer.Context, name: NameArgument, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Let an operator in again; a lock-out after failed logins ends too."""
    _set(context.obj, name, config, as_json, is_disabled=False)


@operators_app.command("reset")
def reset(
    context: typer.Context,
    name: NameArgument,
    password_file: PasswordOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give an operator a new password and one-time-code secret; the old ones and all sessions are dead."""
    from actors.messages import ResetOperator

    desk: Desk = context.obj
    settings = desk.settings_of(config)
    operator_id, salt = _find(desk, settings, name).id, new_salt(secrets.token_bytes)
    uri = _uri(settings, operator_id, name, salt)
    password_hash = _hashed(password_file)
    view = desk.administer(settings, ResetOperator(operator_id, password_hash, salt, BY)).value
    _hand_over(view, uri, as_json)


def _set(desk: Desk, name: str, config: Path | None, as_json: bool, *, is_disabled: bool) -> None:
    from actors.messages import SetOperator

    settings = desk.settings_of(config)
    found = _find(desk, settings, name)
    # Who has the machine can make another admin at any time, and must be able to shut out the only one.
    command = SetOperator(found.id, BY, is_disabled=is_disabled, may_leave_no_admin=True)
    show(_plain(desk.administer(settings, command).value), as_json)


def _find(desk: Desk, settings: Settings, name: str) -> OperatorView:
    from actors.messages import ListOperators

    for view in desk.read(settings, ListOperators()):
        if view.name == name:
            return view
    raise fail(f"there is no operator {name}: `operators list` shows all", PROBLEM)


def _hashed(path: Path | None) -> str:
    """The hash of the password from the file or the terminal; a wrong one ends with a line without it."""
    from gateway.bodies import PASSWORD_MAX, PASSWORD_MIN
    from gateway.password import HASHER

    if path is None:
        password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        try:
            password = path.read_text("utf-8").partition("\n")[0].rstrip("\r")
        except UnicodeDecodeError:
            raise fail(f"cannot read {path}: it is not UTF-8", USAGE) from None
        except OSError as error:
            raise fail(f"cannot read {path}: {error.strerror}", USAGE) from None
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        raise fail(f"the password must have {PASSWORD_MIN} to {PASSWORD_MAX} characters", USAGE)
    return HASHER.hash(password)


def _uri(settings: Settings, operator_id: str, name: str, salt: str) -> str:
    from gateway.secret import GatewaySecretError, load_or_create
    from gateway.totp import otpauth_uri

    try:
        secret = load_or_create(settings.gateway.secret_file, secrets.token_bytes)
    except GatewaySecretError as error:
        raise fail(str(error), USAGE) from None
    return otpauth_uri(secret, operator_id, name, salt)


def _hand_over(view: OperatorView, uri: str, as_json: bool) -> None:
    """Show who was made and what the authenticator app takes; as a QR code too where a person looks."""
    show(_plain(view) | {"otpauth_uri": uri}, as_json)
    if not as_json and sys.stdout.isatty():
        import segno

        segno.make(uri).terminal(compact=True)


def _plain(view: OperatorView) -> dict[str, Any]:
    from gateway.render import moment

    times = {"last_login_at": view.last_login_at, "disabled_at": view.disabled_at}
    shown = {key: None if at is None else moment(at) for key, at in times.items()}
    return {"id": view.id, "name": view.name, "roles": list(view.roles), **shown}
