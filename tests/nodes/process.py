"""One node process: started on a free loopback port, waited for, ended, never left behind.

The nodes must not outlive whoever started them, also when that process is killed. The kernel's parent-death
signal is no help: it follows the *thread* that started the child, and threads of an event loop's pool end
with the loop. Instead one small keeper process holds the read end of a pipe; when the pipe closes, because
its owner is gone in whatever way, it kills what is still registered.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Self, cast

from tests.nodes.errors import NodeStartError, RpcError

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 20.0
RPC_TIMEOUT_S = 120.0
POLL_S = 0.02
# Below the range from which the kernel takes the local ports of outgoing connections: a port in it could be
# taken while its node is down for a restart.
PORTS = range(20_000, 32_000)

_KEEPER = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
alive = set()
for line in sys.stdin:
    sign, pid = line[0], int(line[1:])
    alive.add(pid) if sign == "+" else alive.discard(pid)
for pid in alive:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        continue
"""
_keeper: subprocess.Popen[str] | None = None
_keeper_lock = threading.Lock()


def _keep(sign: str, pid: int) -> None:
    """Tell the keeper that a node was started (`+`) or has ended (`-`)."""
    global _keeper
    with _keeper_lock:
        if _keeper is None or _keeper.poll() is not None:
            _keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _KEEPER],
                stdin=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        pipe = cast(IO[str], _keeper.stdin)
        pipe.write(f"{sign}{pid}\n")
        pipe.flush()


def free_port() -> int:
    """Return a loopback port nobody listens on now. Another process may still take it: be ready to retry."""
    for _ in range(200):
        port = PORTS.start + secrets.randbelow(len(PORTS))
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise NodeStartError(f"no free port between {PORTS.start} and {PORTS.stop}")


class JsonRpc:
    """JSON-RPC over HTTP with the standard library; one connection per call, usable from any thread.

    Attributes:
        port: where the node listens on 127.0.0.1.
        user, password: basic authentication; no header is sent when `user` is empty.
    """

    def __init__(self, port: int, user: str = "", password: str = "") -> None:
        self.port = port
        self.headers = {"Content-Type": "application/json"}
        if user:
            token = base64.b64encode(f"{user}:{password}".encode()).decode()
            self.headers["Authorization"] = f"Basic {token}"

    def call(self, method: str, params: object, path: str = "/", timeout_s: float = RPC_TIMEOUT_S) -> Any:
        """Return the result of one call.

        Raises:
            RpcError: the node answered with an error; code -32700 when its answer was no JSON.
            OSError: no connection, or none within `timeout_s`.
        """
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request("POST", path, body, self.headers)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", errors="replace")
        except http.client.HTTPException as error:  # the node went away in the middle of its answer
            raise ConnectionError(f"{method}: {error!r}") from error
        finally:
            connection.close()
        try:
            # Amounts come as JSON numbers; kept as text they lose nothing.
            held = json.loads(text, parse_float=str)
        except ValueError:
            raise RpcError(-32700, f"HTTP {answer.status}: {text[:200]}") from None
        if held.get("error"):
            raise RpcError(
                int(held["error"].get("code", 0)), str(held["error"].get("message", held["error"]))
            )
        return held.get("result")


class NodeProcess:
    """A node's process and its folder; the families' nodes build on it.

    Attributes:
        datadir: the node's folder; it stays when the node ends, so that a restart finds its chain.
        port: fixed by the first start, kept by every later one.
        pid: of the running process, None when there is none.
    """

    def __init__(self, name: str, datadir: Path, port: int | None = None, detached: bool = False) -> None:
        self.name = name
        self.datadir = Path(datadir)
        self.output_path = self.datadir / f"{name}.out"
        self.port = port or 0
        self.detached = detached
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while the node runs."""
        return self._process.pid if self._process is not None and self.is_running else None

    @property
    def rpc_url(self) -> str:
        """Where the node answers, without credentials."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def is_running(self) -> bool:
        """Say whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def _argv(self) -> Sequence[str]:
        """Return the command line, with `self.port` in it."""
        raise NotImplementedError

    def _probe(self) -> None:
        """Ask the node something cheap; return once it is ready.

        Raises:
            RpcError, OSError: it is not ready yet.
        """
        raise NotImplementedError

    def _log_paths(self) -> Sequence[Path]:
        """Return the files whose end explains a failure."""
        return [self.output_path]

    def start(self, timeout_s: float = START_TIMEOUT_S) -> Self:
        """Start the node, or start it again on the same port and folder; return itself once it answers.

        On the first start a port lost to somebody else is chosen anew.

        Raises:
            FetchError: the program is not to be had.
            NodeStartError: it ended or did not answer in time; the text holds the end of its log.
        """
        if self.is_running:
            raise NodeStartError(f"{self.name} runs already (pid {self.pid})")
        self.datadir.mkdir(parents=True, exist_ok=True)
        tries = 1 if self.port else 3
        for attempt in range(1, tries + 1):
            chosen = self.port == 0
            self.port = self.port or free_port()
            try:
                self._launch_once(timeout_s)
                return self
            except NodeStartError:
                self.kill()
                if attempt == tries:
                    raise
                if chosen:
                    self.port = 0
        raise NodeStartError(f"{self.name} was not started")

    def _launch_once(self, timeout_s: float) -> None:
        """Start the process on `self.port` and wait until it answers."""
        with self.output_path.open("ab") as output:
            self._process = subprocess.Popen(
                list(self._argv()),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.datadir,
                start_new_session=True,  # a Ctrl-C is for the cashier, which drains first
            )
        if not self.detached:
            _keep("+", self._process.pid)
        deadline = time.monotonic() + timeout_s
        reason = "no answer"
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise NodeStartError(
                    f"{self.name} ended with code {self._process.returncode}\n{self._log_tail()}"
                )
            try:
                self._probe()
            except (RpcError, OSError) as error:
                reason = str(error)
                time.sleep(POLL_S)
                continue
            if self._process.poll() is None:  # else somebody else answered on this port
                return
        raise NodeStartError(f"{self.name} not ready after {timeout_s:g} s ({reason})\n{self._log_tail()}")

    def _log_tail(self, lines: int = 15) -> str:
        """Return the last lines of the node's logs."""
        parts = []
        for path in self._log_paths():
            if path.is_file():
                tail = path.read_text("utf-8", errors="replace").splitlines()[-lines:]
                parts += [f"--- {path.name}", *tail]
        return "\n".join(parts) or "--- (no log)"

    def restart(self) -> Self:
        """`stop` and `start`."""
        self.stop()
        return self.start()

    def stop(self) -> None:
        """End the node with SIGTERM and wait for it; a node that is not running is fine.

        SIGTERM and not the RPC `stop`: litecoind's takes half a minute.
        """
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the node with SIGKILL: nothing is flushed."""
        self._end(signal.SIGKILL)

    def let_go(self) -> None:
        """Leave the process running and forget it: it was started to outlive this one (`detached`)."""
        if self._process is not None:
            self._process.returncode = 0  # else Popen warns, rightly for others, of a child still running
            self._process = None

    def _end(self, number: signal.Signals) -> None:
        """Send a signal and wait for the end; past the bound, SIGKILL."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(number)
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if not self.detached:
            _keep("-", process.pid)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def end_pid(pid: int, timeout_s: float = STOP_TIMEOUT_S) -> bool:
    """End a process started earlier by another of ours, SIGTERM first; say whether it was there."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        ended = select.poll()
        ended.register(handle, select.POLLIN)
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        if not ended.poll(timeout_s * 1000):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            ended.poll(timeout_s * 1000)
    except ProcessLookupError:
        return True  # it ended between two calls
    finally:
        os.close(handle)
    return True
