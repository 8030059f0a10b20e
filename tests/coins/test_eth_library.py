"""Opening the library leaves the process as it was."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module", ["coins.evm", "coins.evm.sign", "coins.signer.__main__", "coins.signer.seed"]
)
def test_the_recursion_limit_stays(module: str) -> None:
    code = (
        "import sys\n"
        "before = sys.getrecursionlimit()\n"
        f"import {module}\n"
        "print(sys.getrecursionlimit() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"


def test_a_deep_json_ends_in_an_error_and_not_the_process() -> None:
    code = (
        "from coins.errors import SignerError\n"
        "from coins.evm.tx import decode_payload\n"
        "import coins.evm.sign\n"
        "try:\n"
        "    decode_payload('[' * 1_000_000)\n"
        "except SignerError:\n"
        "    print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "refused"
