"""The demo's folder: emptied for a new demo, and never somebody else's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.demo.__main__ import claim
from tests.demo.stage import StageError
from tests.demo.story import short


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
