"""A thread beside the event loop that notices when the loop stands still.

Supervisors live on the loop and cannot see it stuck in a blocking call. This thread can: it writes the stack
of every thread, and after a second bound ends the process, so that whoever runs it starts it anew.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Final, TextIO

STUCK_EXIT_CODE: Final = 70
"""EX_SOFTWARE: the process ended itself because its loop was stuck."""


class Heartbeat:
    """Asks the loop for a sign of life and acts when none comes."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        dump_after_s: float = 1.0,
        end_after_s: float = 30.0,
        stream: TextIO | None = None,
        end: Callable[[int], object] = os._exit,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Watch ``loop``; stacks go to ``stream`` (stderr), which needs a file descriptor.

        ``end`` is called with the exit code and does not return in earnest. Raises ``ValueError`` unless
        0 < ``dump_after_s`` < ``end_after_s``.
        """
        if not 0 < dump_after_s < end_after_s:
            raise ValueError(
                f"dump_after_s {dump_after_s} must be positive and below end_after_s {end_after_s}"
            )
        self._loop = loop
        self._dump_after_s = dump_after_s
        self._end_after_s = end_after_s
        self._stream = stream
        self._end = end
        self._monotonic = monotonic
        self._beaten_at = monotonic()
        self._has_dumped = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._beaten_at = self._monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer; returns when the thread has ended."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def check(self) -> None:
        """Look once: how long is the last sign of life ago?"""
        stuck_s = self._monotonic() - self._beaten_at
        if stuck_s < self._dump_after_s:
            self._has_dumped = False
            return
        if not self._has_dumped:
            self._has_dumped = True
            self._dump(f"the event loop has been stuck for {stuck_s:.1f} s; all threads:")
        if stuck_s >= self._end_after_s:
            self._dump(f"the event loop has been stuck for {stuck_s:.1f} s; this process ends now:")
            self._end(STUCK_EXIT_CODE)

    def _run(self) -> None:
        """The thread: ask for a sign of life, wait, look."""
        while not self._stopping.wait(self._dump_after_s / 4):
            try:
                self._loop.call_soon_threadsafe(self._beat)
            except RuntimeError:
                return  # the loop is closed: there is nothing left to watch
            self.check()

    def _beat(self) -> None:
        """The loop's sign of life."""
        self._beaten_at = self._monotonic()

    def _dump(self, headline: str) -> None:
        """Write ``headline`` and the stack of every thread; reads no variables, so no secret shows."""
        stream = self._stream or sys.stderr
        # Not by the log: it may hang on the stuck loop.
        print(headline, file=stream, flush=True)
        faulthandler.dump_traceback(file=stream, all_threads=True)
