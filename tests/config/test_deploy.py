"""The files for running it elsewhere name only settings that exist."""

import os
import re
import subprocess
from pathlib import Path

from config.coin import BitcoinCoinSettings
from config.environment import known_names
from config.loader import SECTIONS

DEPLOY = Path(__file__).parents[2] / "config" / "deploy"


def test_every_variable_is_a_setting() -> None:
    known = known_names(SECTIONS, {"BTC": BitcoinCoinSettings})
    assert "CASHIER__COINS__BTC__NODE__PASSWORD" in known
    for name in ("cashier.service", "entrypoint.sh"):
        variables = set(re.findall(r"CASHIER__[A-Z0-9_]+", (DEPLOY / name).read_text()))
        assert variables
        assert all(v in known or v.removesuffix("_FILE") in known for v in variables), variables


def run_entrypoint(tmp_path: Path, *arguments: str) -> list[str]:
    """Run the entry point with a python that only tells how it was called."""
    fake = tmp_path / "python"
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$@" "$CASHIER__LEDGER__PATH" "$CASHIER__SIGNER__SOCKET"\n')
    fake.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CASHIER__SIGNER__SOCKET": "/run/s.sock"}
    done = subprocess.run(
        ["/bin/sh", str(DEPLOY / "entrypoint.sh"), *arguments],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_entrypoint_serves_when_nothing_is_said(tmp_path: Path) -> None:
    assert run_entrypoint(tmp_path) == ["run.py", "serve", "/data/cashier.sqlite", "/run/s.sock"]


def test_entrypoint_passes_its_arguments_on(tmp_path: Path) -> None:
    assert run_entrypoint(tmp_path, "tree", "--json")[:3] == ["run.py", "tree", "--json"]


def test_nothing_is_written_beside_the_configuration() -> None:
    """It lies on a read-only file system there: each file the cashier makes has a path of its own."""
    made = {"LEDGER__PATH", "GATEWAY__SECRET_FILE", "SIGNER__SEED_FILE", "SIGNER__SOCKET"}
    for name in ("cashier.service", "entrypoint.sh"):
        text = (DEPLOY / name).read_text()
        assert all(f"CASHIER__{setting}" in text for setting in made), name
