"""Website keys, made and revoked by an admin. A new one's two secrets are shown once, to be handed over."""

from __future__ import annotations

from actors.messages import CreateKey, ListKeys, RevokeKey
from gateway import render
from gateway.api import Call, Reply
from gateway.bodies import NewKeyBody
from gateway.operator_replies import NewKeyReply
from gateway.replies import KeyList
from gateway.secret import key_secret, signing_secret
from gateway.token import NewKey, key_of, new_key_id


async def list_keys(call: Call[None, None]) -> Reply:
    """Website keys, revoked ones too; their secrets are not kept."""
    views = await call.ask(ListKeys())
    return Reply(KeyList(data=[render.key(view) for view in views]))


async def revoke_key(call: Call[None, None]) -> Reply:
    """A website key is useless from now on."""
    await call.ask(RevokeKey(call.params["id"], call.operator.by))
    return Reply(None, 204)


async def create_key(call: Call[NewKeyBody, None]) -> Reply:
    """A new website key with the scopes asked for."""
    gateway, body = call.gateway, call.body
    made = _key(call, new_key_id(gateway.random_bytes))
    scopes = tuple(dict.fromkeys(scope.value for scope in body.scopes))
    message = CreateKey(made.id, body.website, made.key_hash, scopes, call.operator.by, call.idempotency)
    outcome = await call.ask(message)
    # Of the key that came back: on a replay it is the first one, and so are its secrets.
    view = outcome.value
    data = NewKeyReply(
        **dict(render.key(view)),
        key=_key(call, view.id).token,
        signing_secret=signing_secret(gateway.secret, view.id),
    )
    return Reply(data, 201, outcome.is_replayed)


def _key(call: Call[NewKeyBody, None], key_id: str) -> NewKey:
    return key_of(key_id, key_secret(call.gateway.secret, key_id, call.idempotency.key))
