"""Files of the signer alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from coins.signer.own_file import write_new


def test_it_is_private_whatever_the_mask_and_replaces_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    mask = os.umask(0)
    try:
        write_new(path, b"x" * 100_000)
    finally:
        os.umask(mask)
    assert path.read_bytes() == b"x" * 100_000
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)
    with pytest.raises(FileExistsError):
        write_new(path, b"y")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        write_new(link, b"y")
