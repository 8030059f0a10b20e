"""Shuts the doors of the signer's process: no core dump, no debugger, no peer of another user."""

from __future__ import annotations

import ctypes
import os
import resource
import socket
import struct

from coins.signer.errors import SignerStartError

_PR_SET_DUMPABLE = 4
_UCRED = struct.Struct("3i")


def harden() -> None:
    """Forbid core dumps and reading this process's memory by others of the same user (Linux).

    Raises SignerStartError where the kernel refuses.
    """
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise SignerStartError(f"prctl: {os.strerror(ctypes.get_errno())}", 3)


def peer_of(connection: socket.socket) -> tuple[int, int]:
    """Process id and user id of a unix socket's other end, as the kernel noted them when it connected."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, _ = _UCRED.unpack(raw)
    return int(pid), int(uid)
