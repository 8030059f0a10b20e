"""pykka's own tests, on our runtime."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.actors.upstream_sources import VERSION, UpstreamError, pykka_sources

TESTS_ON_OUR_RUNTIME = 137
"""At least so many of pykka's tests have a runtime to run on; fewer means that ours was not tried."""


def test_pykkas_own_suite_passes_on_our_runtime() -> None:
    assert version("pykka") == VERSION
    try:
        sources = pykka_sources()
    except UpstreamError as error:
        pytest.fail(str(error), pytrace=False)
    here = Path(__file__).parent
    paths = [str(sources), str(here.parents[1]), str(here)]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "upstream_runtime",
            "-p",
            "pytest_mock",
            "-p",
            "no:cacheprovider",
            "-c",
            str(sources / "pyproject.toml"),
            "--rootdir",
            str(sources),
            "-v",
            "tests",
        ],
        cwd=sources,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert len(re.findall(r"\[asyncio[^\]]*\] PASSED", done.stdout)) >= TESTS_ON_OUR_RUNTIME
    assert " skipped" not in done.stdout.splitlines()[-1]
