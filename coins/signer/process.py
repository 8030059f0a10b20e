"""Runs the signer as a child of the main process."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from coins.errors import SignerError
from coins.signer.errors import SignerChildError

READY = "ready"
"""The line a signer writes to its standard output once it takes connections."""
_LAST_LINES = 10
_LINE_MAX = 8_192
_ROOT = Path(__file__).resolve().parents[2]


class SignerProcess:
    """One child; made anew for each start. Its standard input is the rope: it ends when we do.

    ``on_line`` gets every line it writes (they hold no secret), for the log. ``environ`` of None
    means our own environment, where the passphrase or the name of its file is.
    """

    def __init__(
        self,
        config: Path | None,
        start_timeout_s: float = 30.0,
        stop_timeout_s: float = 5.0,
        environ: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._config = config
        self._start_timeout_s = start_timeout_s
        self._stop_timeout_s = stop_timeout_s
        self._environ = environ
        self._on_line = on_line
        self._process: asyncio.subprocess.Process | None = None
        self._last: deque[str] = deque(maxlen=_LAST_LINES)
        self._readers: list[asyncio.Task[None]] = []

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process is not None and self.is_alive else None

    @property
    def is_alive(self) -> bool:
        """Whether the child runs."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start the child and wait until it takes connections.

        Raises SignerChildError with the child's own last words when it ends before, SignerError when it
        says nothing in time.
        """
        if self.is_alive:
            raise SignerError("the signer runs already")
        command = [sys.executable, "-m", "coins.signer", "--child"]
        if self._config is not None:
            command += ["--config", str(self._config)]
        self._process = process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._child_environ(),
            limit=_LINE_MAX,
            start_new_session=True,  # a Ctrl-C at the terminal is for the main process: it stops us in order
        )
        is_ready = asyncio.get_running_loop().create_future()
        self._last.clear()
        self._readers = [
            asyncio.create_task(self._read(process.stdout, is_ready)),
            asyncio.create_task(self._read(process.stderr, None)),
        ]
        try:
            async with asyncio.timeout(self._start_timeout_s):
                await is_ready
        except TimeoutError:
            await self.stop()
            raise SignerError(f"the signer was not ready within {self._start_timeout_s} s") from None
        except BaseException:
            await self.stop()
            raise
        if not is_ready.result():
            code = await self.wait()
            words = " | ".join(self._last)
            raise SignerChildError(f"the signer did not start (exit code {code}): {words}", code)

    def _child_environ(self) -> dict[str, str]:
        """The child's environment; it finds the rooms wherever we were started from."""
        environ = dict(os.environ if self._environ is None else self._environ)
        paths = [str(_ROOT), *filter(None, [environ.get("PYTHONPATH")])]
        return {**environ, "PYTHONPATH": os.pathsep.join(paths)}

    async def stop(self) -> None:
        """End the child: close its input, send SIGTERM, and kill it after ``stop_timeout_s``."""
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            if process.stdin is not None:
                process.stdin.close()
            process.terminate()
            try:
                async with asyncio.timeout(self._stop_timeout_s):
                    await process.wait()
            except TimeoutError:
                process.kill()
        await self.wait()

    async def wait(self) -> int:
        """Exit code of the child, once it has ended and all it wrote was read."""
        if self._process is None:
            raise SignerError("the signer was never started")
        code = await self._process.wait()
        await asyncio.gather(*self._readers)
        return code

    async def _read(self, stream: asyncio.StreamReader | None, is_ready: asyncio.Future[bool] | None) -> None:
        """Hand on the child's lines; the first READY, or the end, decides ``is_ready``."""
        if stream is None:
            raise SignerError("the signer's output is not connected")
        while True:
            try:
                raw = await stream.readline()
            except ValueError:
                continue  # a line above the limit: the reader has dropped it
            if not raw:
                break
            line = raw.decode("utf-8", errors="replace").rstrip("\n")
            if is_ready is not None and line == READY and not is_ready.done():
                is_ready.set_result(True)
                continue
            self._last.append(line)
            self._on_line(line)
        if is_ready is not None and not is_ready.done():
            is_ready.set_result(False)
