"""Operators made and changed by an admin. What a new one logs in with is shown once, to be handed over."""

from __future__ import annotations

from collections.abc import Sequence

from actors.messages import CreateOperator, ListOperators, OperatorView, ResetOperator, SetOperator
from gateway import render
from gateway.api import Call, Reply
from gateway.bodies import NewOperatorBody, OperatorBody
from gateway.context import Gateway
from gateway.replies import NewOperatorReply, OperatorList
from gateway.role import Role
from gateway.secret import first_password
from gateway.token import new_id, new_salt
from gateway.totp import otpauth_uri


async def list_operators(call: Call[None, None]) -> Reply:
    """All operators, disabled ones too."""
    views = await call.ask(ListOperators())
    return Reply(OperatorList(data=[render.operator(view) for view in views]))


async def create_operator(call: Call[NewOperatorBody, None]) -> Reply:
    """A new operator, with a password and a one-time-code secret of our making."""
    gateway = call.gateway
    operator_id, salt = new_id("op", gateway.random_bytes), new_salt(gateway.random_bytes)
    password_hash = await gateway.passwords.hash(first_password(gateway.secret, operator_id, salt))
    roles = _names(call.body.roles)
    message = CreateOperator(
        operator_id, call.body.name, password_hash, salt, roles, call.operator.by, call.idempotency
    )
    outcome = await call.ask(message)
    # Of the operator that came back: on a replay it is the first one, and so is what he logs in with.
    return Reply(_handed_over(gateway, outcome.value), 201, outcome.is_replayed)


async def reset_operator(call: Call[None, None]) -> Reply:
    """A new password and a new secret; everything of before is dead."""
    gateway, operator_id = call.gateway, call.params["id"]
    salt = new_salt(gateway.random_bytes)
    password_hash = await gateway.passwords.hash(first_password(gateway.secret, operator_id, salt))
    message = ResetOperator(operator_id, password_hash, salt, call.operator.by, call.idempotency)
    outcome = await call.ask(message)
    return Reply(_handed_over(gateway, outcome.value), 200, outcome.is_replayed)


async def change_operator(call: Call[OperatorBody, None]) -> Reply:
    """Other roles, disabled or enabled."""
    body = call.body
    roles = None if body.roles is None else _names(body.roles)
    message = SetOperator(call.params["id"], call.operator.by, roles, body.disabled)
    outcome = await call.ask(message)
    return Reply(render.operator(outcome.value))


def _names(roles: Sequence[Role]) -> tuple[str, ...]:
    """Each role once, in the order given."""
    return tuple(dict.fromkeys(role.value for role in roles))


def _handed_over(gateway: Gateway, view: OperatorView) -> NewOperatorReply:
    return NewOperatorReply(
        **render.operator(view).model_dump(),
        password=first_password(gateway.secret, view.id, view.totp_salt),
        otpauth_uri=otpauth_uri(gateway.secret, view.id, view.name, view.totp_salt),
    )
