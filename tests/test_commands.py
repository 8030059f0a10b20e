"""The commands a person types: all explained, and one clear line when something on the machine is missing."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

import pytest

from tests.source import REPOSITORY

COMMANDS = (
    "demo",
    "test",
    "test-long",
    "fuzz",
    "crash-matrix",
    "check",
    "bench",
    "nodes-up",
    "nodes-down",
    "lock",
    "clean",
    "help",
)


def _make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False
    )


def test_make_alone_explains_every_command() -> None:
    shown = _make().stdout
    for command in COMMANDS:
        assert re.search(rf"^  make {command} +\S", shown, re.MULTILINE), command


def test_continuous_integration_runs_what_a_person_runs() -> None:
    steps = [
        line
        for line in (REPOSITORY / ".ci/run").read_text("utf-8").splitlines()
        if line and not line.startswith(("#", "set ", "cd "))
    ]
    assert steps == ["exec make test"]


def test_the_tests_begin_with_the_checks_and_the_nodes() -> None:
    planned = _make("--dry-run", "test").stdout
    positions = [
        planned.index(step)
        for step in ("ruff format --check", "mypy --strict", "tests.nodes.fetch", "-m pytest")
    ]
    assert positions == sorted(positions)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 1", "Python 3.11 or newer is needed"),
        ('case "$1" in -c) exit 0;; *) exit 1;; esac', "as root: apt-get install python3-venv"),
    ],
)
def test_a_machine_without_the_right_python_is_told_so(script: str, reason: str, tmp_path: Path) -> None:
    python = tmp_path / "python3"
    python.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    python.chmod(0o755)
    done = _make("venv-run", f"PYTHON={python}", f"VENV={tmp_path}/venv")
    assert done.returncode != 0
    assert reason in done.stderr
    assert not (tmp_path / "venv").exists()


def test_a_missing_python_is_named(tmp_path: Path) -> None:
    done = _make("venv-run", f"PYTHON={tmp_path}/python3", f"VENV={tmp_path}/venv")
    assert done.returncode != 0
    assert f"{tmp_path}/python3 is missing; as root: apt-get install python3-venv" in done.stderr


def test_an_environment_made_from_these_locks_is_left_alone(tmp_path: Path) -> None:
    lock = (REPOSITORY / "requirements.lock").read_bytes()
    (tmp_path / ".run").write_text(hashlib.sha256(lock).hexdigest() + "\n", "utf-8")
    done = _make("venv-run", f"PYTHON={tmp_path}/nowhere", f"VENV={tmp_path}")
    assert (done.returncode, done.stdout) == (0, "")
