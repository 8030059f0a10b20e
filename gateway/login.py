"""Operators log in with name, password and one-time code; every failure looks and takes the same."""

from __future__ import annotations

from actors.messages import (
    BeginLogin,
    EndOperatorSession,
    FailLogin,
    LoginLimits,
    LoginOperator,
    OperatorCredentials,
    SetPassword,
)
from gateway import password, render, totp
from gateway.api import Call, Reply
from gateway.auth import client_address
from gateway.bodies import LoginBody, PasswordBody
from gateway.context import Gateway
from gateway.problem import ProblemError
from gateway.replies import TokenReply
from gateway.secret import totp_secret
from gateway.token import new_id, new_operator_token, token_hash

NOBODY = OperatorCredentials("", password.NOBODY, "")
"""What a login with a name nobody has is checked against, so that it takes as long."""


async def login(call: Call[LoginBody, None]) -> Reply:
    """A session token for name, password and one-time code."""
    gateway, settings = call.gateway, call.gateway.settings
    address = client_address(call.request, settings.trusted_proxies)
    credentials, step = await _checked(call, call.body.name, address)
    token = new_operator_token(gateway.random_bytes)
    message = LoginOperator(
        session_id=new_id("ops", gateway.random_bytes),
        token_hash=token_hash(token),
        credentials=credentials,
        totp_step=step,
        name=call.body.name,
        address=address,
        ttl_s=settings.operator_session_ttl_s,
        idle_s=settings.operator_idle_s,
    )
    view = await call.ask(message)
    if view is None:
        raise ProblemError("login_failed")
    return Reply(TokenReply(token=token, expires_at=render.moment(view.expires_at)))


async def _checked(
    call: Call[LoginBody, None] | Call[PasswordBody, None], name: str, address: str
) -> tuple[OperatorCredentials, int]:
    """Whose password it is, and which step of his codes.

    The try is counted before it is checked (the ledger's lock-out). Password and code are both checked
    whatever the other one is, and for a name nobody has a hash that fits nothing. Raises ProblemError
    ``login_failed`` for all of them, ``rate_limited`` when too many wait.
    """
    gateway, body = call.gateway, call.body
    gateway.passwords.require_room()
    held = await call.ask(BeginLogin(name, address, _limits(gateway)))
    shown = held or NOBODY
    is_right = await gateway.passwords.is_right(shown.password_hash, body.password)
    secret = totp_secret(gateway.secret, shown.operator_id, shown.totp_salt)
    step = totp.step_of(secret, body.code, gateway.clock.now_s())
    if held is None or not is_right or step is None:
        await call.ask(FailLogin(name, address))
        raise ProblemError("login_failed")
    return held, step


def _limits(gateway: Gateway) -> LoginLimits:
    settings = gateway.settings
    return LoginLimits(
        settings.login_tries,
        settings.login_tries_per_address,
        settings.login_pause_s,
        settings.login_pause_max_s,
    )


async def change_password(call: Call[PasswordBody, None]) -> Reply:
    """Another password for whoever is logged in, if he still knows the old one and has his app."""
    gateway, session = call.gateway, call.operator.session
    address = client_address(call.request, gateway.settings.trusted_proxies)
    credentials, step = await _checked(call, session.name, address)
    password_hash = await gateway.passwords.hash(call.body.new_password)
    view = await call.ask(SetPassword(session.id, credentials, step, password_hash, session.name, address))
    if view is None:
        raise ProblemError("login_failed")
    return Reply(render.operator_session(view))


async def logout(call: Call[None, None]) -> Reply:
    """The token is dead at once."""
    operator = call.operator
    await call.ask(EndOperatorSession(operator.session.id, operator.by, call.idempotency))
    return Reply(None, 204)


async def get_operator_session(call: Call[None, None]) -> Reply:
    """Who is logged in, and what he may do."""
    return Reply(render.operator_session(call.operator.session))
