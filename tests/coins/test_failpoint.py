"""Where a test may kill the process: at the wanted pass of the wanted point, at no other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from actors.sweep import SweepActor
from actors.withdrawal import WithdrawalActor
from coins.failpoint import KILLED, KINDS, NAMES, STATES, VARIABLE, is_name
from ledger.withdrawal import WithdrawalState
from tests.source import REPOSITORY

PASSES = (
    "from coins.failpoint import failpoint, failpoints\n"
    "class Signed: pass\n"
    "class Sent: pass\n"
    "for _ in range(2):\n"
    "    failpoint('payout.signed')\n"
    "    print('signed', flush=True)\n"
    "    failpoints('after-commit', [Signed(), Sent()])\n"
    "    print('committed', flush=True)\n"
)


WAITS = (
    "import sys\n"
    "from coins.failpoint import failpoint\n"
    "for line in sys.stdin:\n"
    "    failpoint(line.strip())\n"
    "    print(line.strip(), flush=True)\n"
)


def passed(target: str) -> tuple[int, list[str]]:
    """Exit code and output of a process that passes two points twice."""
    done = subprocess.run(
        [sys.executable, "-c", PASSES],
        env=dict(os.environ) | {VARIABLE: target},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.split()


@pytest.mark.parametrize(
    ("target", "code", "words"),
    [
        ("", 0, ["signed", "committed"] * 2),
        ("payout.sent:1", 0, ["signed", "committed"] * 2),
        ("payout.signed:3", 0, ["signed", "committed"] * 2),
        ("payout.signed:1", KILLED, []),
        ("payout.signed:2", KILLED, ["signed", "committed"]),
        ("after-commit:1", KILLED, ["signed"]),
        ("after-commit:Sent:2", KILLED, ["signed", "committed", "signed"]),
        ("before-commit:Sent:1", 0, ["signed", "committed"] * 2),
    ],
)
def test_the_process_ends_at_the_wanted_pass(target: str, code: int, words: list[str]) -> None:
    assert passed(target) == (code, words)


@pytest.mark.parametrize(
    "target", ["payout.signed", "payout.signed:0", "payout.signed:-1", "nowhere:1", ":1"]
)
def test_a_point_that_is_none_stops_the_start(target: str) -> None:
    code, words = passed(target)
    assert (code, words) == (1, [])


def test_a_point_in_a_file_ends_one_process_once(tmp_path: Path) -> None:
    file = tmp_path / "point"
    assert passed(f"@{file}") == (0, ["signed", "committed"] * 2)
    file.write_text("after-commit:Sent:2\n")
    assert passed(f"@{file}") == (KILLED, ["signed", "committed", "signed"])
    assert not file.exists()
    assert passed(f"@{file}") == (0, ["signed", "committed"] * 2)


def test_a_point_is_set_and_taken_back_while_the_process_runs(tmp_path: Path) -> None:
    file = tmp_path / "point"
    process = subprocess.Popen(
        [sys.executable, "-c", WAITS],
        env=dict(os.environ) | {VARIABLE: f"@{file}"},
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def passes(name: str) -> str:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{name}\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    with process:
        assert passes("payout.sent") == "payout.sent"
        file.write_text("payout.sent:2")
        assert passes("payout.sent") == "payout.sent"
        file.unlink()
        assert passes("payout.sent") == "payout.sent"
        file.write_text("payout.sent:2")
        assert passes("payout.signed") == "payout.signed"
        assert passes("payout.sent") == "payout.sent"  # counted from when it was set again
        assert passes("payout.sent") == ""
        assert process.wait(10) == KILLED
    assert not file.exists()


def test_a_file_with_no_point_in_it_is_said(tmp_path: Path) -> None:
    file = tmp_path / "point"
    file.write_text("nowhere:1")
    assert passed(f"@{file}")[0] == 1
    assert file.exists()


def test_names_are_points_and_commands_only() -> None:
    assert all(is_name(name) for name in NAMES)
    assert is_name("before-commit:RecordSigned")
    assert not is_name("before-commit:")
    assert not is_name("during-commit:RecordSigned")


def test_every_kind_that_is_sent_has_points() -> None:
    assert set(KINDS) == WithdrawalActor.KINDS | SweepActor.KINDS


def test_the_states_of_a_withdrawal_are_spelled_as_in_the_books() -> None:
    assert set(STATES) <= {str(state) for state in WithdrawalState}
