"""Where a test may kill the process: at the wanted pass of the wanted point, at no other."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from coins.failpoint import KILLED, NAMES, STATES, VARIABLE, is_name
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


def test_names_are_points_and_commands_only() -> None:
    assert all(is_name(name) for name in NAMES)
    assert is_name("before-commit:RecordSigned")
    assert not is_name("before-commit:")
    assert not is_name("during-commit:RecordSigned")


def test_the_states_of_a_withdrawal_are_spelled_as_in_the_books() -> None:
    assert set(STATES) <= {str(state) for state in WithdrawalState}
