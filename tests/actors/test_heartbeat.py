"""The thread that notices a stuck loop."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from actors.heartbeat import STUCK_EXIT_CODE, Heartbeat

STUCK_PROGRAM = """
import asyncio, time
from actors.heartbeat import Heartbeat

def stuck_in_a_blocking_call():
    time.sleep(60)

async def main():
    Heartbeat(asyncio.get_running_loop(), dump_after_s=0.05, end_after_s=0.3).start()
    await asyncio.sleep(0)
    stuck_in_a_blocking_call()

asyncio.run(main())
"""


def test_a_stuck_process_shows_its_stacks_and_ends() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STUCK_PROGRAM],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == STUCK_EXIT_CODE
    assert "the event loop has been stuck" in done.stderr
    assert "stuck_in_a_blocking_call" in done.stderr
    assert "this process ends now" in done.stderr


def test_it_dumps_once_per_standstill_and_ends_after_the_second_bound(tmp_path: Path) -> None:
    now = [0.0]
    codes: list[int] = []
    loop = asyncio.new_event_loop()
    with (tmp_path / "stacks").open("w+") as stream:
        heartbeat = Heartbeat(
            loop, dump_after_s=1.0, end_after_s=5.0, stream=stream, end=codes.append, monotonic=lambda: now[0]
        )

        def headlines() -> int:
            stream.seek(0)
            return stream.read().count("the event loop has been stuck")

        for now[0], expected in ((0.9, 0), (1.1, 1), (2.0, 1)):
            heartbeat.check()
            assert headlines() == expected
        heartbeat._beat()
        heartbeat.check()
        now[0] = 4.0
        heartbeat.check()
        assert headlines() == 2
        assert codes == []
        now[0] = 7.1
        heartbeat.check()
        assert codes == [STUCK_EXIT_CODE]
    loop.close()


async def test_a_loop_that_turns_is_left_alone_and_the_thread_ends() -> None:
    ended: list[int] = []
    beaten = asyncio.Event()
    heartbeat = Heartbeat(asyncio.get_running_loop(), dump_after_s=0.02, end_after_s=60.0, end=ended.append)
    beat = heartbeat._beat

    def beat_and_tell() -> None:
        beat()
        beaten.set()

    heartbeat._beat = beat_and_tell  # type: ignore[method-assign]
    heartbeat.start()
    await asyncio.wait_for(beaten.wait(), 10)
    heartbeat.stop()
    assert not heartbeat._thread.is_alive()
    assert ended == []


def test_bounds_in_the_wrong_order_are_refused() -> None:
    loop = asyncio.new_event_loop()
    with pytest.raises(ValueError, match="dump_after_s"):
        Heartbeat(loop, dump_after_s=5.0, end_after_s=5.0)
    loop.close()
