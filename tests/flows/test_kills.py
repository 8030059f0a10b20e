"""The demo's story in all three currencies, while the cashier is killed at random moments."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.demo.stage import ROOT


def play(folder: Path, seed: int) -> subprocess.CompletedProcess[str]:
    """One demo with kills; it checks the payees' money and compares the books with the chains itself."""
    return subprocess.run(
        [sys.executable, "-m", "tests.demo", "--once", "--kill", str(seed), "--folder", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.node
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "seed", [7, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(100, 120))]
)
def test_w01_all_three_currencies_bear_kills_at_random_moments(tmp_path: Path, seed: int) -> None:
    done = play(tmp_path / "demo", seed)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert f"seed {seed}: killed 0 times" not in done.stdout
