"""Ended while it sets up or plays, the matrix leaves neither a node nor a cashier behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.source import REPOSITORY

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]
WAIT_S = 60.0


def processes_of(folder: Path) -> list[str]:
    """Command lines of what runs with this folder in them, without the matrix itself."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # ended meanwhile
        if str(folder) in line and "tests.crash" not in line:
            found.append(line)
    return found


@pytest.mark.parametrize(
    ("begun", "sign"),
    [("anvil.out", signal.SIGINT), ("seed.age", signal.SIGTERM), ("cashier.log", signal.SIGINT)],
)
def test_nothing_is_left_behind(tmp_path: Path, begun: str, sign: signal.Signals) -> None:
    folder = tmp_path / "crash"
    in_background = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]  # Ctrl-C ignored, as shells do there
    command = [sys.executable, "-m", "tests.crash", "--currency", "ETH", "--scene", "alone"]
    with subprocess.Popen(
        [*in_background, *command, "--folder", str(folder)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as matrix:
        deadline = time.monotonic() + WAIT_S
        while not list(folder.rglob(begun)):
            assert time.monotonic() < deadline
            with pytest.raises(subprocess.TimeoutExpired):  # it goes on
                matrix.wait(0.02)
        matrix.send_signal(sign)
        told, _ = matrix.communicate(timeout=WAIT_S)
    assert matrix.returncode == 130, told
    assert processes_of(folder) == []
