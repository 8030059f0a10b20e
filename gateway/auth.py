"""Who sends this request: bearer tokens by their hash, rates by caller, addresses behind trusted proxies.

There is one way in: the Authorization header. No cookie, no Basic auth, nothing in the query.
"""

from __future__ import annotations

import ipaddress
import logging
import math
from collections.abc import Sequence

from aiohttp import web

from actors.errors import DeliveryError
from actors.messages import GetKey, GetOperatorSession, GetSession, OperatorSessionView, TouchOperatorSession
from gateway.context import Gateway
from gateway.limiter import Rate
from gateway.principal import (
    Access,
    Client,
    ForClient,
    ForOperator,
    ForWebsite,
    Operator,
    Principal,
    Public,
    Website,
)
from gateway.problem import ProblemError
from gateway.token import is_operator_token, is_session_token, is_website_key, token_hash

_LOG = logging.getLogger("gateway")

READER = "ledger_reader"
TOUCHES_PER_IDLE = 10
"""How often within its idle time the use of an operator's session is written down, at most."""
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


async def authenticate(
    gateway: Gateway, request: web.Request, access: Access, request_id: str
) -> Principal | None:
    """Find out who asks and whether they may; None for a public route.

    A caller that is not known costs its IP address, a known one its own bucket. Raises ProblemError
    ``unauthorized`` (401), ``forbidden`` (403), ``rate_limited`` (429).
    """
    address = f"ip:{client_address(request, gateway.settings.trusted_proxies)}"
    now = gateway.clock.monotonic()
    if isinstance(access, Public):
        _within(gateway.limiter.take(address, gateway.ip_rate, now))
        return None
    _within(gateway.limiter.wait_s(address, gateway.ip_rate, now))
    principal = await _principal(gateway, request, access, request_id)
    if principal is None:
        gateway.limiter.take(address, gateway.ip_rate, now)
        raise ProblemError("unauthorized", headers={"WWW-Authenticate": "Bearer"})
    _within(gateway.limiter.take(principal.by, _rate(gateway, principal), now))
    if isinstance(principal, Website) and isinstance(access, ForWebsite):
        principal.require(access.scope)
    elif isinstance(principal, Client) and isinstance(access, ForClient):
        principal.require(access.action)
    elif isinstance(principal, Operator) and isinstance(access, ForOperator):
        await _touch(gateway, principal.session, request_id)
        principal.require(access.permission)
    return principal


async def _principal(
    gateway: Gateway, request: web.Request, access: Access, request_id: str
) -> Principal | None:
    """The owner of the bearer token, if it is of the kind this route is for and still valid.

    The token is looked up by its SHA-256, so no comparison depends on how much of it was guessed.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    if isinstance(access, ForWebsite) and is_website_key(token):
        digest = token_hash(token)
        key = await gateway.lookups.get(digest, lambda: gateway.ask(READER, GetKey(digest), request_id))
        return None if key is None or key.revoked_at is not None else Website(key)
    if isinstance(access, ForClient) and is_session_token(token):
        digest = token_hash(token)
        session = await gateway.lookups.get(
            digest, lambda: gateway.ask(READER, GetSession(digest), request_id)
        )
        return None if session is None or session.state != "open" else Client(session)
    if isinstance(access, ForOperator) and is_operator_token(token):
        digest = token_hash(token)
        login = await gateway.lookups.get(
            digest, lambda: gateway.ask(READER, GetOperatorSession(digest), request_id)
        )
        return None if login is None or login.state != "open" else Operator(login)
    return None


async def _touch(gateway: Gateway, login: OperatorSessionView, request_id: str) -> None:
    """A session in use does not idle out; written down a few times per idle time, not at every request.

    It is let be while the ledger does not answer: that is when an operator wants to look.
    """
    used_at = login.idle_expires_at - login.idle_s
    if (gateway.clock.now_s() - used_at) * TOUCHES_PER_IDLE < login.idle_s:
        return
    try:
        await gateway.ask("ledger", TouchOperatorSession(login.id), request_id)
    except DeliveryError as error:
        _LOG.warning("an operator's session could not be kept from idling: %s", error)


async def is_still_valid(gateway: Gateway, request: web.Request, access: Access, request_id: str) -> bool:
    """Whether the token of a long-lived stream is good now; it may have been revoked since."""
    return await _principal(gateway, request, access, request_id) is not None


def _rate(gateway: Gateway, principal: Principal) -> Rate:
    return gateway.key_rate if isinstance(principal, Website) else gateway.session_rate


def _within(wait_s: float) -> None:
    """Refuse a caller that must wait."""
    if wait_s > 0:
        seconds = str(max(1, math.ceil(wait_s)))
        raise ProblemError("rate_limited", f"Try again in {seconds} s.", headers={"Retry-After": seconds})


def client_address(request: web.Request, trusted: Sequence[str]) -> str:
    """The caller's IP address; X-Forwarded-For counts only as far as trusted proxies wrote it.

    It is read from the right: the first address that is no trusted proxy is the caller, whatever stands
    left of it was sent by the caller. An IPv6 caller is known by its /64, which is one customer.
    """
    address = request.remote or ""
    if trusted:
        address = _behind_proxies(request, address, trusted)
    if ":" not in address:
        return address
    parsed = _parsed(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address


def _behind_proxies(request: web.Request, address: str, trusted: Sequence[str]) -> str:
    """The first address from the right that no trusted proxy has."""
    hops = [hop.strip() for hop in ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")]
    while hops and _is_in(address, trusted) and _parsed(hops[-1]) is not None:
        address = hops.pop()
    return address


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _is_in(address: str, networks: Sequence[str]) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(
        parsed in ipaddress.ip_network(network, strict=False) for network in networks
    )
