"""The signer's unix socket: who may ask, how much, one line at a time."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from pathlib import Path

from coins.signer.errors import SignerStartError
from coins.signer.hardening import peer_of
from coins.signer.service import SignerService

_PATH_MAX = 107
IDLE_S = 60.0
"""How long a connection may be silent."""
_TOO_LONG = b'{"id":null,"ok":false,"code":"bad_request","reason":"the line is too long"}\n'


def bind_socket(path: Path) -> socket.socket:
    """A listening unix socket of mode 0600 in a folder that only we may write.

    A missing folder is made with mode 0700; what a killed signer left behind is replaced. Raises
    SignerStartError: path too long, folder writable by others, another signer alive there.
    """
    if len(os.fsencode(path)) > _PATH_MAX:
        raise SignerStartError(f"the path of the signer's socket is longer than {_PATH_MAX} bytes: {path}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = path.parent.stat()
        if folder.st_uid not in (os.geteuid(), 0) or folder.st_mode & 0o022:
            raise SignerStartError(
                f"others may write the folder of the signer's socket: chmod 700 {path.parent}"
            )
        _remove_stale(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        mask = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(mask)
    except OSError as error:
        raise SignerStartError(f"cannot open the signer's socket {path}: {error.strerror}", 3) from None
    listener.listen(16)
    return listener


def _remove_stale(path: Path) -> None:
    """Remove a socket nobody answers on. Raises SignerStartError if somebody does, or it is no socket."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise SignerStartError(f"{path} is there and no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
    raise SignerStartError(f"another signer serves {path}", 3)


class SignerServer:
    """Serves one :class:`SignerService` on a bound socket until cancelled."""

    def __init__(
        self, service: SignerService, line_limit: int, own_uid: int, only_pid: int | None = None
    ) -> None:
        """Peers are of the user ``own_uid``, and with ``only_pid`` that one process alone."""
        self._service = service
        self._line_limit = line_limit
        self._own_uid = own_uid
        self._only_pid = only_pid

    async def serve(self, listener: socket.socket, ready: asyncio.Event) -> None:
        """Accept and answer; sets ``ready`` once connections are taken."""
        server = await asyncio.start_unix_server(self._talk, sock=listener, limit=self._line_limit)
        async with server:
            ready.set()
            await server.serve_forever()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: lines in, lines out; closed at the first foreign or oversized thing."""
        try:
            peer: socket.socket = writer.get_extra_info("socket")
            pid, uid = peer_of(peer)
            if uid != self._own_uid or self._only_pid not in (None, pid):
                return
            while True:
                async with asyncio.timeout(IDLE_S):
                    line = await reader.readuntil(b"\n")
                writer.write(self._service.answer(line))
                async with asyncio.timeout(IDLE_S):
                    await writer.drain()
        except asyncio.LimitOverrunError:
            writer.write(_TOO_LONG)
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            return  # the other side went away or fell silent: nothing was half done
        finally:
            writer.close()
