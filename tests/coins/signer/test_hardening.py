"""The doors that are shut before the seed is opened."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from coins.signer.hardening import peer_of


def test_no_core_and_no_look_into_its_memory() -> None:
    code = (
        "import ctypes, os, resource\n"
        "from coins.signer.hardening import harden\n"
        "harden()\n"
        "dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)\n"
        "print(dumpable, resource.getrlimit(resource.RLIMIT_CORE), os.umask(0))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"0 (0, 0) {0o077}"


def test_the_kernel_names_the_peer() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert peer_of(ours) == (os.getpid(), os.geteuid())
