"""Bring the real nodes into the git-ignored folder `.nodes/`, without root, once.

    python -m tests.nodes.fetch              fetch all three, print each version
    python -m tests.nodes.fetch litecoind    fetch one

bitcoind and litecoind are Debian packages unpacked beside their own libraries and started through their own
loader, so that the machine's Debian version does not matter. anvil is a native program in an npm package,
pinned by hash in `package-lock.json`. A person's own programs serve instead when the environment names
them: BITCOIND, LITECOIND, ANVIL.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from tests.nodes.apt import fetch_packages, find_mirror
from tests.nodes.errors import FetchError, NodesError

Kind = Literal["bitcoind", "litecoind", "anvil"]
KINDS: tuple[Kind, ...] = ("bitcoind", "litecoind", "anvil")
HERE = Path(__file__).resolve().parent
NPM_TIMEOUT_S = 300


def nodes_folder(tree: Path) -> Path:
    """Where a working tree keeps the programs; trees that share one by a link name it alike, else each
    would fetch anew what another has just fetched."""
    return (tree / ".nodes").resolve()


NODES_FOLDER = nodes_folder(HERE.parent.parent)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Where a Debian node comes from: archive suites, packages, its program's path, the version expected.

    A suite moves on, so the version is checked by its pattern and not the files by their hash; apt itself
    checks each package against the archive's signature.
    """

    suites: tuple[str, ...]
    packages: tuple[str, ...]
    program: str
    version: str


LIBC = ("libc6", "libgcc-s1", "libstdc++6")
RECIPES: dict[str, Recipe] = {
    "bitcoind": Recipe(
        suites=("trixie", "trixie-backports"),
        packages=(
            "bitcoin-knots",
            *LIBC,
            "libevent-core-2.1-7t64",
            "libevent-extra-2.1-7t64",
            "libevent-pthreads-2.1-7t64",
            "libsqlite3-0",
            "libzmq5",
            "libsodium23",
            "libpgm-5.3-0t64",
            "libnorm1t64",
            "libbsd0",
            "libmd0",
            "libgssapi-krb5-2",
            "libkrb5-3",
            "libk5crypto3",
            "libcom-err2",
            "libkrb5support0",
            "libkeyutils1",
            "libssl3t64",
        ),
        program="usr/bin/bitcoind",
        version=r"v(29|3\d)\.\d+",
    ),
    "litecoind": Recipe(
        suites=("bookworm",),
        packages=(
            "litecoind",
            *LIBC,
            "libboost-filesystem1.74.0",
            "libboost-thread1.74.0",
            "libdb5.3",
            "libdb5.3++",
            "libevent-2.1-7",
            "libevent-core-2.1-7",
            "libevent-pthreads-2.1-7",
            "libfmt9",
            "libleveldb1d",
            "libminiupnpc17",
            "libsnappy1v5",
            "libssl3",
        ),
        program="usr/lib/litecoin/litecoind",  # /usr/bin has a script that writes into the home
        version=r"v0\.21\.\d+",
    ),
}
LOADERS = {"x86_64": "ld-linux-x86-64.so.2", "aarch64": "ld-linux-aarch64.so.1"}
ANVIL_VERSION = r"\b1\.\d+\.\d+"


@dataclass(frozen=True, slots=True)
class Program:
    """A node's program, ready to be started: `[*argv, *arguments]`; `version` is its own words."""

    argv: tuple[str, ...]
    version: str


def program(kind: Kind) -> Program:
    """Return the program of one node, fetched if it is not here yet.

    Two processes that ask at once do not race: the second waits for the first.

    Raises:
        FetchError: it cannot be had; the text says what is missing and what helps.
    """
    own = os.environ.get(kind.upper(), "")
    if own:
        path = shutil.which(own)
        if path is None:
            raise FetchError(f"{kind.upper()}={own} is not a program that can be run")
        return Program((path,), _version([path], kind))
    with _locked(NODES_FOLDER):
        stamp = NODES_FOLDER / f"{kind}.json"
        wanted = _recipe_hash(kind)
        known = _read_stamp(stamp, wanted)
        if known is not None:
            return known
        argv = _fetch_anvil() if kind == "anvil" else _fetch_debian(kind)
        fetched = Program(argv, _version(argv, kind))
        pattern = ANVIL_VERSION if kind == "anvil" else RECIPES[kind].version
        if re.search(pattern, fetched.version) is None:
            raise FetchError(f"{kind}: version {fetched.version!r} came, one like {pattern!r} is expected")
        stamp.write_text(json.dumps({"recipe": wanted, **asdict(fetched)}, indent=1), "utf-8")
        return fetched


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder for this process; the lock falls when the process ends, however it ends."""
    try:
        folder.mkdir(exist_ok=True)
        handle = (folder / "lock").open("w")
    except OSError as error:
        raise FetchError(f"{folder}: {error.strerror}") from error
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _recipe_hash(kind: Kind) -> str:
    """Return a hash that changes whenever what is to be fetched, or where it lies, changes."""
    text = (HERE / "package-lock.json").read_text("utf-8") if kind == "anvil" else repr(RECIPES[kind])
    return hashlib.sha256(f"{NODES_FOLDER}\n{text}".encode()).hexdigest()


def _read_stamp(stamp: Path, wanted: str) -> Program | None:
    """Return what an earlier run fetched, when it is what is wanted now and still there."""
    try:
        held = json.loads(stamp.read_text("utf-8"))
        found = Program(tuple(held["argv"]), str(held["version"]))
    except (FileNotFoundError, ValueError, LookupError, TypeError):
        return None
    files = [Path(found.argv[0]), Path(found.argv[-1])]  # the loader (or the program) and the program
    return found if held.get("recipe") == wanted and all(file.is_file() for file in files) else None


def _fetch_debian(kind: Kind) -> tuple[str, ...]:
    """Fetch and unpack a Debian node; return how to start it through its own loader."""
    machine = platform.machine()
    if platform.system() != "Linux" or machine not in LOADERS or shutil.which("apt-get") is None:
        path = shutil.which(kind)
        if path is None:
            raise FetchError(
                f"{kind} is fetched from Debian's archive, and this machine is no Debian on x86_64 or "
                f"aarch64: install it yourself and set {kind.upper()}=/path/to/{kind}"
            )
        return (path,)
    recipe, root = RECIPES[kind], NODES_FOLDER / kind
    fetch_packages(find_mirror(), recipe.suites, recipe.packages, root)
    libraries = [root / base / f"{machine}-linux-gnu" for base in ("lib", "usr/lib")]
    loaders = [folder / LOADERS[machine] for folder in libraries if (folder / LOADERS[machine]).exists()]
    if not loaders or not (root / recipe.program).is_file():
        raise FetchError(f"{kind}: the packages came but hold no {recipe.program}; has the suite changed?")
    path_option = ":".join(str(folder) for folder in libraries if folder.is_dir())
    return (str(loaders[0]), "--library-path", path_option, str(root / recipe.program))


def _fetch_anvil() -> tuple[str, ...]:
    """Install the pinned npm package into `.nodes/anvil`; return its native program, not the script."""
    if shutil.which("npm") is None:
        raise FetchError(
            "npm is missing; as root: apt-get install npm (or name your own program: ANVIL=/path/to/anvil)"
        )
    root = NODES_FOLDER / "anvil"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(HERE / name, root / name)
    command = [
        "npm",
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--omit-lockfile-registry-resolved",
    ]
    try:
        done = subprocess.run(
            command,
            cwd=root,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=NPM_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise FetchError(f"anvil: npm did not end within {NPM_TIMEOUT_S} s") from error
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "error" in line.lower()] or ["no reason given"]
        raise FetchError(f"anvil: npm could not install it ({lines[0].strip()})")
    found = sorted(root.glob("node_modules/@foundry-rs/anvil-*/bin/anvil*"))
    if not found:
        raise FetchError(
            "anvil: npm has no build of it for this machine; name your own: ANVIL=/path/to/anvil"
        )
    found[0].chmod(0o755)
    return (str(found[0]),)


def _version(argv: Sequence[str], kind: Kind) -> str:
    """Return the first line the program says about its version.

    Raises:
        FetchError: it does not run here.
    """
    option = "--version" if kind == "anvil" else "-version"
    try:
        done = subprocess.run([*argv, option], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FetchError(f"{kind} does not start: {error}") from error
    lines = (done.stdout or done.stderr).strip().splitlines()
    if done.returncode != 0 or not lines:
        raise FetchError(f"{kind} does not start: {lines[-1] if lines else f'code {done.returncode}'}")
    return lines[0].strip()


def main(arguments: Sequence[str]) -> int:
    """Fetch the named nodes (all, if none is named); return the exit code."""
    wanted = [kind for kind in KINDS if not arguments or kind in arguments]
    unknown = sorted(set(arguments) - set(KINDS))
    if unknown:
        print(f"unknown node: {', '.join(unknown)}; known are {', '.join(KINDS)}", file=sys.stderr)
        return 2
    for kind in wanted:
        try:
            print(f"{kind:10} {program(kind).version}", flush=True)
        except NodesError as error:
            print(f"{kind}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
