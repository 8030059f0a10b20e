"""pykka's ``Actor``, seen by type checkers with hooks that may be coroutines.

pykka types its hooks as plain functions, so that every ``async def on_start`` would break its signature.
At run time this is exactly ``pykka.Actor``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pykka

if TYPE_CHECKING:
    import asyncio
    import threading
    from collections.abc import Awaitable
    from types import TracebackType

    class ActorBase:
        """The part of ``pykka.Actor`` that actors here use."""

        actor_urn: str
        actor_inbox: Any
        actor_stopped: threading.Event

        def __init__(self, *args: Any, **kwargs: Any) -> None: ...

        @classmethod
        def start(cls, *args: Any, **kwargs: Any) -> pykka.ActorRef[Any]:
            """Create the actor with these arguments, register and start it."""

        @property
        def actor_ref(self) -> pykka.ActorRef[Any]:
            """What others may hold of this actor."""

        def stop(self) -> None:
            """Stop once the messages that wait already are done."""

        def on_start(self) -> Awaitable[None] | None:
            """Recover from the ledger before the first message; what it raises crashes the actor."""

        def on_receive(self, message: Any) -> Any:
            """Answer one message."""

        def on_stop(self) -> Awaitable[None] | None:
            """Finish in good order; not called after a crash or a kill."""

        def on_failure(
            self,
            exception_type: type[BaseException] | None,
            exception_value: BaseException | None,
            traceback: TracebackType | None,
        ) -> Awaitable[None] | None:
            """React to the crash of a handler; deaths in ``on_start`` and ``on_stop`` do not come here."""

        def _handle_receive(self, message: Any) -> Any: ...

        def _handle_failure(
            self,
            exception_type: type[BaseException] | None,
            exception_value: BaseException | None,
            traceback: TracebackType | None,
        ) -> None: ...

        _task: asyncio.Task[None] | None

else:
    ActorBase = pykka.Actor
