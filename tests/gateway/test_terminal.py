"""What a command writes is whole, for its owner alone, or not there; and nothing else is touched."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

from gateway.terminal import UNREACHABLE, written


def write(output: Path, data: bytes) -> None:
    """As a command does."""
    with written(output) as file:
        file.write(data)


def test_a_file_is_whole_and_for_its_owner_alone(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    target.write_bytes(b"of last month")
    target.chmod(0o644)
    write(target, b"x" * 100_000)
    assert target.read_bytes() == b"x" * 100_000
    assert target.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["a.csv"]


def test_l04_a_disk_that_fills_up_leaves_what_was_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "a.csv"
    target.write_bytes(b"of last month")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(typer.Exit) as ended:
            write(target, b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert ended.value.exit_code == UNREACHABLE
    assert capsys.readouterr().err == f"cannot write {target}: File too large\n"
    assert target.read_bytes() == b"of last month"
    assert os.listdir(tmp_path) == ["a.csv"]


def test_s34_a_link_or_a_file_beside_the_output_is_not_written_over(tmp_path: Path) -> None:
    """In a folder that others may write to, somebody may lie in wait under a name that can be guessed."""
    victim, target = tmp_path / "victim", tmp_path / "a.csv"
    victim.write_bytes(b"precious")
    (tmp_path / "a.csv.part").symlink_to(victim)
    (tmp_path / "b.csv.part").write_bytes(b"mine")
    target.symlink_to(victim)
    write(target, b"statement")
    write(tmp_path / "b.csv", b"statement")
    assert victim.read_bytes() == b"precious"
    assert not target.is_symlink()
    assert target.read_bytes() == b"statement"
    assert (tmp_path / "b.csv.part").read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["a" * 300 + ".csv", "no/such/folder.csv", "folder.csv"])
def test_s34_a_name_that_cannot_be_written_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(typer.Exit):
        write(tmp_path / name, b"statement")
    assert capsys.readouterr().err.startswith("cannot write ")
    assert os.listdir(tmp_path) == ["folder.csv"]


def test_what_ends_a_command_half_way_leaves_nothing(tmp_path: Path) -> None:
    def broken_off() -> None:
        with written(tmp_path / "a.csv") as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert os.listdir(tmp_path) == []


def test_l04_a_terminal_that_takes_nothing_more_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open("/dev/full", "wb", buffering=0) as full:
        monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=full))
        with pytest.raises(typer.Exit) as ended, written(None) as file:
            file.write(b"a line")
    assert ended.value.exit_code == UNREACHABLE
    assert capsys.readouterr().err == "cannot write: No space left on device\n"
