"""What `conftest` promises to every test, tried on small test files of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.source import REPOSITORY

LEAVES_AN_ACTOR = """
import pykka
class Left(pykka.ThreadingActor):
    pass
def test_leaves_an_actor():
    Left.start()
def test_starts_with_a_clean_registry():
    assert pykka.ActorRegistry.get_all() == []
"""
LONG = """
import pytest
@pytest.mark.long
def test_long():
    assert False
def test_short():
    pass
"""
WARNS = """
import warnings
def test_warns():
    warnings.warn("old")
"""
IMPORTS_BITCOINLIB = """
import os
import bitcoinlib.keys
def test_the_folder_is_private():
    assert "cashier-bitcoinlib-" in os.environ["BCL_DATA_DIR"]
"""


def _pytest(folder: Path, text: str, **environment: str) -> str:
    """Run one test file with our conftest and settings; return what pytest printed."""
    (folder / "test_tried.py").write_text(text, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "-c", str(REPOSITORY / "pyproject.toml"), f"--rootdir={folder}", str(folder)],
        cwd=REPOSITORY,
        env={name: value for name, value in os.environ.items() if name != "CASHIER_TEST_LONG"} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


def test_an_actor_left_behind_fails_its_test_and_not_the_next(tmp_path: Path) -> None:
    printed = _pytest(tmp_path, LEAVES_AN_ACTOR)
    assert "actors left running: Left (urn:uuid:" in printed
    assert "2 passed, 1 error" in printed


def test_a_long_test_is_left_out_and_not_skipped(tmp_path: Path) -> None:
    assert "1 passed, 1 deselected" in _pytest(tmp_path, LONG)
    assert "1 failed, 1 passed" in _pytest(tmp_path, LONG, CASHIER_TEST_LONG="1")


def test_a_warning_is_an_error(tmp_path: Path) -> None:
    assert "UserWarning: old" in _pytest(tmp_path, WARNS)


def test_bitcoinlib_writes_into_a_folder_of_the_run(tmp_path: Path) -> None:
    assert "1 passed" in _pytest(tmp_path, IMPORTS_BITCOINLIB, HOME=str(tmp_path / "home"))
    assert not (tmp_path / "home").exists()
