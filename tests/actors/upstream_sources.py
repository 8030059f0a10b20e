"""Fetches pykka's source distribution, which holds its tests, and unpacks it into a git-ignored folder."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "4.5.0"
SHA256 = "820fcc36046552b49d7eb61fe98088d1a29631cf3314e8ce4bc26aaead8dcd4f"
FOLDER = Path(__file__).parents[1] / "upstream"
FETCH_TIMEOUT_S = 90


class UpstreamError(Exception):
    """The sources cannot be had, or are not the ones we know."""


def pykka_sources() -> Path:
    """The unpacked sources of the pykka release we run on; fetched by pip at the first call."""
    archive = FOLDER / f"pykka-{VERSION}.tar.gz"
    if not archive.exists():
        _fetch()
    if not archive.exists():
        raise UpstreamError(f"pip fetched no {archive.name}")
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != SHA256:
        archive.unlink()  # the next run fetches it anew
        raise UpstreamError(f"{archive.name} has the SHA-256 {found}, not {SHA256}")
    unpacked = FOLDER / f"pykka-{VERSION}"
    if not unpacked.exists():
        # Unpacked aside and renamed, so that an interrupted run leaves no half of it.
        with tempfile.TemporaryDirectory(dir=FOLDER) as aside, tarfile.open(archive) as opened:
            opened.extractall(aside, filter="data")
            (Path(aside) / unpacked.name).rename(unpacked)
    return unpacked


def _fetch() -> None:
    """Have pip download the source distribution into ``FOLDER``; raises ``UpstreamError``."""
    FOLDER.mkdir(exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        f"pykka=={VERSION}",
        "--no-binary",
        "pykka",
        "--no-deps",
        "--disable-pip-version-check",
        "--quiet",
        "--dest",
        str(FOLDER),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise UpstreamError(f"pip did not fetch pykka {VERSION} within {FETCH_TIMEOUT_S} s") from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UpstreamError(f"pykka {VERSION} cannot be fetched, so its tests cannot run: {last}")
