"""A future that can be awaited on any loop and waited for on any thread, except blockingly on a loop."""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, TypeVar

from pykka import Future, Timeout

from actors.errors import BlockingCallInLoop

if TYPE_CHECKING:
    from types import TracebackType

    ExcInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]

T = TypeVar("T")


class AsyncioFuture(Future[T]):
    """pykka's future for actors on an event loop.

    ``await`` suspends only the awaiting task (pykka's own blocks the whole loop); ``get()`` blocks the
    calling thread and therefore refuses a thread that runs a loop, unless the answer is already here.
    """

    def __init__(self) -> None:
        """Create a future without an answer."""
        super().__init__()
        self._lock = threading.Lock()
        self._answer: tuple[Any, BaseException | None] | None = None
        self._wakers: list[Callable[[], None]] = []

    def get(self, *, timeout: float | None = None) -> Any:
        """Block this thread until the answer is here, at most ``timeout`` seconds.

        Raises ``pykka.Timeout`` after that, the answer itself if it is an exception, and
        ``BlockingCallInLoop`` where blocking would freeze a loop.
        """
        if self._get_hook is not None:
            return super().get(timeout=timeout)
        if self._answer is None:
            if asyncio._get_running_loop() is not None:
                raise BlockingCallInLoop("get() would block the event loop of this thread; await the future")
            self._block(timeout)
        return self._unpack()

    def _block(self, timeout: float | None) -> None:
        """Wait on this thread; raises ``pykka.Timeout``."""
        arrived = threading.Event()
        if not self._add_waker(arrived.set):
            return
        until = None if timeout is None else time.monotonic() + timeout
        if not arrived.wait(None if until is None else max(0.0, until - time.monotonic())):
            raise Timeout(f"{timeout} seconds")

    def _unpack(self) -> Any:
        """The answer: returned, or raised if it is an exception."""
        assert self._answer is not None
        value, error = self._answer
        if error is not None:
            raise error
        return value

    def _add_waker(self, waker: Callable[[], None]) -> bool:
        """Have ``waker`` called when the answer comes; False when it is here already."""
        with self._lock:
            if self._answer is not None:
                return False
            self._wakers.append(waker)
            return True

    def _settle(self, value: Any, error: BaseException | None) -> None:
        """Take the answer once and wake everybody; raises ``queue.Full`` the second time, as pykka does."""
        with self._lock:
            if self._answer is not None or self._get_hook is not None:
                raise queue.Full
            self._answer = (value, error)
            wakers, self._wakers = self._wakers, []
        for waker in wakers:
            waker()

    def set(self, value: T | None = None) -> None:
        """Answer with ``value``; raises ``queue.Full`` when there is an answer already."""
        self._settle(value, None)

    def set_exception(self, exc_info: ExcInfo | None = None) -> None:
        """Answer with an exception, by default the one being handled; raises ``queue.Full`` as ``set``."""
        kind, error, trace = sys.exc_info() if exc_info is None else exc_info
        if error is None:
            if kind is None:
                raise ValueError("set_exception() needs an exception")
            error = kind()
        self._settle(None, error.with_traceback(trace))

    def set_get_hook(self, func: Callable[[float | None], T]) -> None:
        """Compute the answer by ``func(timeout)`` at the first ``get()``; ``queue.Full`` if there is one."""
        with self._lock:
            if self._answer is not None:
                raise queue.Full
            super().set_get_hook(func)

    def __await__(self) -> Generator[Any, None, T]:
        """Wait for the answer without blocking the loop."""
        loop = asyncio.get_running_loop()
        if self._get_hook is not None:
            # A hook is blocking code by pykka's contract (stop(), map(), join()): a worker thread waits.
            hooked: T = yield from loop.run_in_executor(None, self.get).__await__()
            return hooked
        waiter = loop.create_future()

        def wake() -> None:
            if not waiter.done():
                waiter.set_result(None)

        def wake_from_anywhere() -> None:
            if asyncio._get_running_loop() is loop:
                wake()
            elif not loop.is_closed():
                try:
                    loop.call_soon_threadsafe(wake)
                except RuntimeError:
                    # Closed between the check and the call: nobody is left to be woken.
                    return

        if self._add_waker(wake_from_anywhere):
            yield from waiter.__await__()
        result: T = self._unpack()
        return result

    __iter__ = __await__
