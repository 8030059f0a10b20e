"""The demo's folder: emptied for a new demo, and never somebody else's."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import subprocess
from io import StringIO
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from actors.rate_table import parse_table
from config.loader import load
from ledger.month import end_of
from tests.demo import stay
from tests.demo.__main__ import claim, write_rates
from tests.demo.chains import FINAL_DEPTH
from tests.demo.stage import CHAINS, ROOT, Stage, StageError
from tests.demo.stay import Stay
from tests.demo.story import short


class Calendar:
    """A node with a clock and blocks."""

    height, tip_time = 10, end_of("2026-04") + 5

    def set_clock(self, at: int) -> None:
        self.tip_time = at

    def mine(self, blocks: int) -> None:
        self.height += blocks


class Street:
    """A chain whose node is not there the first times."""

    currency = "BTC"

    def __init__(self, refusals: int = 0) -> None:
        self.node = Calendar()
        self.refusals = refusals
        self.was_mined = asyncio.Event()

    async def mine(self) -> None:
        if self.refusals == 0:
            self.was_mined.set()
        else:
            self.refusals -= 1
            raise ConnectionRefusedError(111, "Connection refused")


def stay_with(chain: Street) -> tuple[Stay, StringIO]:
    said = StringIO()
    return Stay([cast(Any, chain)], cast(Any, None), "alice", Console(file=said)), said


def test_a_demo_empties_its_own_folder_only(tmp_path: Path) -> None:
    ours = tmp_path / "demo"
    os.close(claim(ours))
    (ours / "cashier.toml").write_text("old")
    os.close(claim(ours))
    assert not (ours / "cashier.toml").exists()

    theirs = tmp_path / "home"
    theirs.mkdir()
    (theirs / "letter.txt").write_text("dear")
    with pytest.raises(StageError, match="its files stay"):
        claim(theirs)
    assert (theirs / "letter.txt").read_text() == "dear"


def test_a_second_demo_leaves_the_first_alone(tmp_path: Path) -> None:
    lock = claim(tmp_path / "demo")
    (tmp_path / "demo" / "cashier.toml").write_text("in use")
    with pytest.raises(StageError, match="another demo runs"):
        claim(tmp_path / "demo")
    os.close(lock)
    assert (tmp_path / "demo" / "cashier.toml").read_text() == "in use"


def test_a_short_amount_is_the_same_amount() -> None:
    assert [short(text) for text in ("0.50000000", "2.000000000000000000", "10", "0.10")] == [
        "0.5", "2", "10", "0.1",
    ]  # fmt: skip


def test_a_shell_of_the_demo_has_its_command_line_and_its_api(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "a demo", only=("BTC",))
    shutil.copytree(ROOT / "config" / "coins", stage.folder / "coins")
    stage.config.write_text("[gateway]\n")
    (stage.folder / "passphrase").touch(mode=0o600)
    (stage.folder / "passphrase").write_text("long enough for a test")
    stage.chains[0].node.port = 18443
    stage.key = {"key": "ck_1", "signing_secret": "it's secret"}
    path = stage.write_shell()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    script = f'. "{path}"; run.py print-config; echo "$? $URL $KEY $SECRET"'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path)
    shown = done.stdout.splitlines()
    assert shown[-1] == f"0 {stage.base_url} ck_1 it's secret", done.stderr
    assert any(stage.chains[0].node.rpc_url in line for line in shown)


def test_the_demo_has_rates_of_all_it_shows(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "demo", only=(*CHAINS, "USDT-ETH"))
    stage.config.write_text("[gateway]\n")
    write_rates(stage)
    file = load(stage.config, {}).rates.file
    assert file is not None
    assert set(parse_table(file.read_bytes(), "EUR", 0).rates) == {chain.currency for chain in stage.chains}


async def test_a_month_of_the_demo_ends_by_a_word() -> None:
    chain = Street()
    staying, said = stay_with(chain)
    await staying._do("month")
    assert (chain.node.tip_time, chain.node.height) == (end_of("2026-05") + 1, 10 + FINAL_DEPTH + 1)
    assert said.getvalue().strip() == "BTC  2026-05 is over, it can be closed: run.py close 2026-05"


async def test_the_demo_outlives_a_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stay, "BLOCK_EVERY_S", 0)
    chain = Street(refusals=1)
    staying, said = stay_with(chain)
    mining = asyncio.create_task(staying._mine())
    async with asyncio.timeout(10):
        await chain.was_mined.wait()
    mining.cancel()
    assert said.getvalue() == "no block on btc: [Errno 111] Connection refused\n"
