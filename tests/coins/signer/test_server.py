"""The signer's socket: private, bounded, deaf to other users."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from coins.signer.errors import SignerStartError
from coins.signer.limits import RequestRate
from coins.signer.record import SignedRecord, create_record
from coins.signer.server import SignerServer, bind_socket
from coins.signer.service import SignerService
from config.schema import SignerSettings
from tests.coins.evm.world import SEED, eth_settings

LIMIT = 2_000


@contextlib.asynccontextmanager
async def serving(path: Path, own_uid: int | None = None, only_pid: int | None = None) -> AsyncIterator[None]:
    """A signer's socket at ``path``."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "seed.age.signed"
        create_record(kept, SEED)
        record = SignedRecord(kept, SEED, lambda: 0.0)
    coins = {"ETH": eth_settings()}
    service = SignerService(SEED, lambda: coins, SignerSettings(), RequestRate(9, lambda: 0.0), record)
    server = SignerServer(service, LIMIT, os.geteuid() if own_uid is None else own_uid, only_pid)
    ready = asyncio.Event()
    task = asyncio.create_task(server.serve(bind_socket(path), ready))
    await ready.wait()
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def talk(path: Path, data: bytes) -> bytes:
    """The line the signer says, nothing if it closes the door."""
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        with contextlib.suppress(ConnectionError):
            writer.write(data)
            await writer.drain()
        async with asyncio.timeout(5):
            return await reader.readline()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_only_the_owner_may_open_the_socket(tmp_path: Path) -> None:
    path = tmp_path / "run" / "s.sock"
    async with serving(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert await talk(path, b'{"id": 1, "op": "ping"}\n') == b'{"id":1,"ok":true}\n'


async def test_a_peer_of_another_user_gets_no_word(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    async with serving(path, own_uid=os.geteuid() + 1):
        assert await talk(path, b'{"id": 1, "op": "ping"}\n') == b""


async def test_s36_another_process_of_the_same_user_gets_no_word(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    async with serving(path, only_pid=os.getpid()):
        assert await talk(path, b'{"id": 1, "op": "ping"}\n') == b'{"id":1,"ok":true}\n'
        assert await talk_elsewhere(path) == b""
    async with serving(path):
        assert await talk_elsewhere(path) == b'{"id":1,"ok":true}\n'


async def talk_elsewhere(path: Path) -> bytes:
    """What another process of this user is told."""
    code = (
        "import socket, sys\n"
        "ours = socket.socket(socket.AF_UNIX)\n"
        "ours.connect(sys.argv[1])\n"
        "try:\n"
        '    ours.sendall(b\'{"id": 1, "op": "ping"}\\n\')\n'
        "    sys.stdout.buffer.write(ours.recv(1000))\n"
        "except ConnectionError:\n"
        "    sys.exit(0)\n"
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(path), stdout=subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(child.communicate(), 20)
    return said


async def test_an_oversized_line_is_refused_and_the_next_connection_served(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    async with serving(path):
        reply = await talk(path, b'{"id": 1, "op": "ping", "x": "' + b"x" * (4 * LIMIT) + b'"}\n')
        assert b"too long" in reply
        assert await talk(path, b'{"id": 2, "op": "ping"}\n') == b'{"id":2,"ok":true}\n'


async def test_a_peer_that_goes_away_harms_nobody(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    async with serving(path):
        for data in (b"", b'{"id": 1, "op"', b'{"id": 1, "op": "ping"}\n' * 50):
            _, writer = await asyncio.open_unix_connection(path)
            writer.write(data)
            writer.close()
        assert await talk(path, b'{"id": 2, "op": "ping"}\n') == b'{"id":2,"ok":true}\n'


def test_a_folder_others_may_write_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(SignerStartError, match="chmod 700"):
        bind_socket(folder / "s.sock")


def test_a_path_the_kernel_cannot_take_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SignerStartError, match="longer than 107 bytes"):
        bind_socket(tmp_path / ("x" * 120))


def test_what_is_no_socket_is_left_alone_and_a_dead_one_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    path.write_text("precious")
    with pytest.raises(SignerStartError, match="no socket"):
        bind_socket(path)
    assert path.read_text() == "precious"
    path.unlink()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with bind_socket(path), pytest.raises(SignerStartError, match="another signer"):
        bind_socket(path)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SignerStartError, match="cannot open the signer's socket") as failure:
        bind_socket(tmp_path / "file" / "s.sock")
    assert failure.value.exit_code == 3
