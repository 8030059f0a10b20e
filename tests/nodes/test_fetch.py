"""Where the programs come from: the machine's own sources, a person's own programs, clear refusals."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from tests.nodes import fetch
from tests.nodes.apt import Mirror, fetch_packages, find_mirror
from tests.nodes.errors import FetchError

DEB822 = """\
# a comment
Types: deb
# http://old.invalid/debian
URIs: http://mirror.invalid/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.invalid/debian-security
Suites: bookworm-security
Components: main
"""


def _sources(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return folder


def test_a_mirror_is_read_from_deb822(tmp_path: Path) -> None:
    folder = _sources(tmp_path, "sources.list.d/debian.sources", DEB822)
    assert find_mirror(folder) == Mirror(
        "http://mirror.invalid/debian", "/usr/share/keyrings/debian-archive-keyring.gpg"
    )


@pytest.mark.parametrize(
    ("line", "mirror"),
    [
        ("deb http://m.invalid/debian trixie main contrib", Mirror("http://m.invalid/debian")),
        (
            "deb [arch=amd64 signed-by=/k.gpg] http://m.invalid/debian stable main # ours",
            Mirror("http://m.invalid/debian", "/k.gpg"),
        ),
    ],
)
def test_a_mirror_is_read_from_one_line(line: str, mirror: Mirror, tmp_path: Path) -> None:
    assert find_mirror(_sources(tmp_path, "sources.list", f"# comment\n{line}\n")) == mirror


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sources.list", "deb-src http://m.invalid/debian trixie main"),
        ("sources.list", "deb http://m.invalid/debian-security trixie-security main"),
        ("sources.list", "deb http://m.invalid/node nodistro main"),
        ("sources.list.d/off.sources", DEB822.split("\n\n")[0] + "\nEnabled: no\n"),
        ("sources.list.d/old.list.bak", "deb http://m.invalid/debian trixie main"),
    ],
)
def test_what_is_no_debian_archive_is_passed_over(name: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"no Debian archive in .*BITCOIND"):
        find_mirror(_sources(tmp_path, name, text))


def test_an_archive_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    mirror = Mirror(f"file:{tmp_path}/nowhere")
    with pytest.raises(FetchError, match="package lists of trixie did not come") as caught:
        fetch_packages(mirror, ("trixie",), ("litecoind",), tmp_path / "root")
    assert "\n" not in str(caught.value)


def test_a_missing_tool_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FetchError, match="apt-get is missing"):
        fetch_packages(Mirror("file:/nowhere"), ("trixie",), ("litecoind",), tmp_path / "root")
    monkeypatch.setattr(fetch, "NODES_FOLDER", tmp_path / "nodes")
    with pytest.raises(FetchError, match="npm is missing; as root: apt-get install npm"):
        fetch.program("anvil")


def test_working_trees_that_share_a_folder_by_a_link_name_it_alike(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    (one / ".nodes").mkdir(parents=True)
    other.mkdir()
    (other / ".nodes").symlink_to(one / ".nodes")
    assert fetch.nodes_folder(other) == fetch.nodes_folder(one) == one / ".nodes"
    assert fetch.nodes_folder(tmp_path) == tmp_path / ".nodes"


def test_a_persons_own_program_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "mybitcoind"
    own.write_text("#!/bin/sh\necho Own daemon version v31.0\n", "utf-8")
    own.chmod(0o755)
    monkeypatch.setenv("BITCOIND", str(own))
    assert fetch.program("bitcoind") == fetch.Program((str(own),), "Own daemon version v31.0")
    own.chmod(0o644)
    with pytest.raises(FetchError, match=r"BITCOIND=.* is not a program"):
        fetch.program("bitcoind")


def test_a_program_that_fails_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "mybitcoind"
    own.write_text("#!/bin/sh\necho missing library >&2; exit 127\n", "utf-8")
    own.chmod(0o755)
    monkeypatch.setenv("BITCOIND", str(own))
    with pytest.raises(FetchError, match="bitcoind does not start: missing library"):
        fetch.program("bitcoind")


@pytest.mark.node
def test_a_second_fetch_takes_what_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    first = {kind: fetch.program(kind) for kind in fetch.KINDS}
    monkeypatch.setattr(fetch, "_fetch_debian", lambda kind: pytest.fail(f"{kind} was fetched again"))
    monkeypatch.setattr(fetch, "_fetch_anvil", lambda: pytest.fail("anvil was fetched again"))
    assert {kind: fetch.program(kind) for kind in fetch.KINDS} == first


def test_two_who_fetch_at_once_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in fetch.KINDS:
        monkeypatch.delenv(kind.upper(), raising=False)
    monkeypatch.setattr(fetch, "NODES_FOLDER", tmp_path)
    monkeypatch.setattr(fetch, "_version", lambda argv, kind: "anvil 1.7.1")
    both_asked, fetched = threading.Barrier(2, timeout=10), []

    def slow_fetch() -> tuple[str, ...]:
        fetched.append(os.getpid())
        (tmp_path / "anvil").touch()
        return (str(tmp_path / "anvil"),)

    def ask() -> None:
        both_asked.wait()
        fetch.program("anvil")

    monkeypatch.setattr(fetch, "_fetch_anvil", slow_fetch)
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(fetched) == 1
