"""Whose code is running, how an actor ended, and two small ways of awaiting."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from actors.errors import CancelledByOtherError, OutcomeUnknown

if TYPE_CHECKING:
    from actors.inbox import Deferred
    from actors.runtime import AsyncioActor


@dataclass(frozen=True, slots=True)
class Exit:
    """How an actor ended: ``stopped`` as asked, or ``crashed`` or ``killed`` with an ``error``."""

    kind: str
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """Whose code runs here, and for which request.

    ``is_attached``: the actor takes no message until this code is done; its request is that of the message
    in hand. A child task keeps the request it was spawned for, whatever is in hand by then.
    """

    actor: AsyncioActor
    is_attached: bool
    request_id: str | None = None

    def current_request(self) -> str | None:
        """The request this code works for."""
        return self.actor.request_id if self.is_attached else self.request_id


current_frame: ContextVar[Frame | None] = ContextVar("current_frame", default=None)


async def finished(result: object) -> object:
    """The result of a hook, which may be a coroutine."""
    return await result if isinstance(result, Coroutine) else result


async def undisturbed(coro: Coroutine[Any, Any, None]) -> None:
    """Run ``coro`` to its end although the task that waits for it is being cancelled."""
    current = asyncio.current_task()
    work = asyncio.get_running_loop().create_task(coro)
    while not work.done():
        try:
            await asyncio.wait({work})
        except asyncio.CancelledError:
            # The clean-up comes first; its end is also the end of the one who was cancelled.
            if current is not None:
                current.uncancel()


def unknown(deferred: Deferred, cause: BaseException | None) -> OutcomeUnknown:
    """What the asker of a begun message gets when its actor failed."""
    outcome = OutcomeUnknown(f"{type(deferred.message).__name__} may have been executed: {cause!r}")
    outcome.__cause__ = cause
    return outcome


def cancelled_by_other(error: asyncio.CancelledError) -> CancelledByOtherError:
    """A fault in place of a cancellation that was not meant for this actor."""
    fault = CancelledByOtherError("something this actor waited for was cancelled by another")
    fault.__cause__ = error
    return fault.with_traceback(error.__traceback__)
