"""Asks the signer over its unix socket; fills the role ``Signer`` of :mod:`coins.family`.

One connection per request: a request whose caller gave up leaves nothing behind that a later one
could read, and a signer that was started anew is simply found again.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any

from coins.codec import encode_plan
from coins.errors import SignerError, SignerSilentError
from coins.types import AttemptPlan, SignedTx
from config.schema import SignerSettings

_REPLY_MAX = 4 * 2**20


class SignerClient:
    """The rest of the process's view of the signer. Every trouble is a SignerError.

    A SignerSilentError is one after which the signer may have signed all the same.
    """

    def __init__(self, settings: SignerSettings) -> None:
        self._path: Path = settings.socket
        self._timeout_s = settings.timeout_s
        self._ids = itertools.count(1)

    async def ping(self) -> None:
        """Raise SignerError unless the signer answers."""
        await self._ask({"op": "ping"})

    async def reload(self) -> None:
        """Have the signer read its configuration again; it has no other way to learn of new bounds."""
        await self._ask({"op": "reload"})

    async def account_xpub(self, currency: str, account: int) -> str:
        """Extended public key of hardened account ``account`` (0 deposits, 1 hot)."""
        reply = await self._ask({"op": "account_xpub", "currency": currency, "account": account})
        return _text(reply, "xpub")

    async def sign(self, plan: AttemptPlan) -> SignedTx:
        """Sign exactly this plan. Same plan, same bytes; after a lost answer it may be asked again."""
        reply = await self._ask({"op": "sign", "plan": encode_plan(plan)})
        return SignedTx(_text(reply, "txid"), _text(reply, "raw"))

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Reply to one request, within the configured time."""
        number = next(self._ids)
        line = json.dumps({"id": number, **request}, separators=(",", ":")).encode() + b"\n"
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._exchange(line)
            reply = json.loads(answer)
        except TimeoutError:
            raise SignerSilentError(f"the signer did not answer within {self._timeout_s} s") from None
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise SignerSilentError(f"the signer is not reachable: {type(error).__name__}") from None
        except (ValueError, RecursionError):
            raise SignerSilentError("the signer's answer is no JSON") from None
        if not isinstance(reply, dict):
            raise SignerSilentError("the signer's answer is no object")
        if reply.get("ok") is not True:
            raise SignerError(f"the signer refused ({reply.get('code')}): {reply.get('reason')}")
        if reply.get("id") != number:
            raise SignerSilentError("the signer answered another question")
        return reply

    async def _exchange(self, line: bytes) -> bytes:
        """Send one line, read one line."""
        reader, writer = await asyncio.open_unix_connection(self._path, limit=_REPLY_MAX)
        try:
            writer.write(line)
            await writer.drain()
            return await reader.readuntil(b"\n")
        finally:
            writer.close()


def _text(reply: dict[str, Any], name: str) -> str:
    """A text field of a reply."""
    value = reply.get(name)
    if not isinstance(value, str):
        raise SignerSilentError(f"the signer's answer has no {name}")
    return value
