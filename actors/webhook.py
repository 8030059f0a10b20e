"""One webhook delivery as Standard Webhooks: signed body out, verdict back.

Source of the format: the Standard Webhooks specification 1.0.0 (headers ``webhook-id``,
``webhook-timestamp``, ``webhook-signature``; ``v1,`` and base64 HMAC-SHA256 over id.timestamp.body).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from config.schema import WebhookSettings
from ledger.views import EventView

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_RETRY_AFTER_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one try came to. ``retry_after_s`` is what the website asked for, if it did."""

    is_delivered: bool
    status_code: int | None
    detail: str
    retry_after_s: int | None = None


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """``v1,<base64>`` for one secret (``whsec_`` and base64)."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def headers(secrets: Sequence[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """All headers of a delivery; one signature per active secret, newest first."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "crypto-cashier",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature(s, message_id, timestamp, body) for s in secrets),
    }


def render_body(event: dict[str, Any]) -> bytes:
    """The event as compact JSON."""
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()


class PrivateAddressError(OSError):
    """The webhook's host leads to an address that is not public."""


class PublicResolver(AbstractResolver):
    """Resolves names and refuses addresses that are not public, at the moment of connecting."""

    def __init__(self, *, allow_private: bool) -> None:
        """With ``allow_private`` every address passes (tests, a website on the same host)."""
        self._allow_private = allow_private
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Like aiohttp's resolver. Raises PrivateAddressError for a private or loopback address."""
        found = await self._resolver.resolve(host, port, family)
        for result in found:
            if not self._allow_private and not is_public(result["host"]):
                raise PrivateAddressError("the host leads to an address that is not public")
        return found

    async def close(self) -> None:
        """Close the resolver underneath."""
        await self._resolver.close()


def is_public(host: str) -> bool:
    """Whether a literal IP address is globally routable; IPv4 inside of IPv6 is looked at as IPv4.

    Raises ValueError for a text that is no address.
    """
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address.sixtofour or _behind_nat64(address) or address
    return address.is_global and not address.is_multicast


def _behind_nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a NAT64 gateway would connect to (RFC 6052, well-known prefix)."""
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None


class WebhookSender:
    """Sends deliveries to one URL. Never follows a redirect, reads a bounded part of the answer."""

    def __init__(self, settings: WebhookSettings) -> None:
        """Nothing is connected yet."""
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None

    async def send(self, event: EventView, body: dict[str, Any], now_s: int) -> Verdict:
        """Send one event; whatever the other side does is a verdict."""
        url = self._settings.url
        if url is None:
            raise AssertionError("deliveries exist only with a URL")
        data = render_body(body)
        secrets = [secret.get_secret_value() for secret in self._settings.secrets]
        try:
            self._refuse_private_literal(url)
            async with self._open().post(
                url, data=data, headers=headers(secrets, event.id, now_s, data), allow_redirects=False
            ) as reply:
                await reply.content.read(self._settings.response_limit_bytes)
                return verdict(reply.status, reply.headers.get("Retry-After"))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Verdict(False, None, _words(error))

    def _refuse_private_literal(self, url: str) -> None:
        """A literal IP address is connected to without resolving: look at it here."""
        host = URL(url).host or ""
        try:
            public = is_public(host)
        except ValueError:
            return  # a name: the resolver looks at what it leads to
        if not public and not self._settings.allow_private:
            raise PrivateAddressError("the address is not public")

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=PublicResolver(allow_private=self._settings.allow_private),
                    limit=self._settings.max_parallel,
                ),
                timeout=aiohttp.ClientTimeout(total=self._settings.timeout_s),
                trust_env=False,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def _words(error: Exception) -> str:
    """The kind of a failure; its text may hold parts of the URL."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    return str(cause) if isinstance(cause, PrivateAddressError) else type(error).__name__


def verdict(status: int, retry_after: str | None) -> Verdict:
    """2xx accepts; everything else is tried again, no sooner than ``Retry-After`` in seconds says."""
    seconds = None
    if retry_after and retry_after.isascii() and retry_after.isdigit():
        seconds = int(retry_after[:_RETRY_AFTER_DIGITS])
    return Verdict(200 <= status < 300, status, f"HTTP {status}", seconds)
