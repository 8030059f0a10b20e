"""The verifier that is given to clients, run as the program it is, agrees with the tree it checks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import gateway
from ledger.liability import Proof, prove, root_of

SALT = bytes(range(32))
SCRIPT = Path(gateway.__path__[0]) / "static" / "verify_liability.py"


def run_script(folder: Path, client_id: str, proof: Proof, root: str, **changes: object) -> tuple[int, str]:
    """What the verifier says that is given to clients, as a program of its own."""
    told = {
        "nonce": proof.nonce.hex(),
        "amount": str(proof.amount),
        "total": str(proof.total),
        "steps": [
            {"hash": step.node_hash.hex(), "amount": str(step.amount), "is_left": step.is_left}
            for step in proof.steps
        ],
        **changes,
    }
    file = folder / "proof.json"
    file.write_text(json.dumps(told))
    command = [sys.executable, "-I", str(SCRIPT), client_id, str(file), root]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_the_independent_verifier_agrees(tmp_path: Path) -> None:
    owed = {"alice": 5, "bob": 0, "carol": 2**80, "dave": 7, "eve": 1}
    root, total = root_of(owed, SALT)
    for client_id in owed:
        proof = prove(owed, SALT, client_id)
        code, said = run_script(tmp_path, client_id, proof, root.hex())
        assert (code, f"{proof.amount} of the {total} owed" in said) == (0, True)
    proof = prove(owed, SALT, "alice")
    assert run_script(tmp_path, "bob", proof, root.hex())[0] == 1
    assert run_script(tmp_path, "alice", proof, "00" * 32)[0] == 1
    assert run_script(tmp_path, "alice", proof, root.hex(), amount="4")[0] == 1
    assert run_script(tmp_path, "alice", proof, root.hex(), total="4")[0] == 1
    unreadable: list[dict[str, object]] = [
        {"amount": "-5"},
        {"amount": 5},
        {"nonce": "zz"},
        {"steps": [{}]},
        {"steps": 7},
    ]
    for wrong in unreadable:
        code, said = run_script(tmp_path, "alice", proof, root.hex(), **wrong)
        assert (code, said.startswith("cannot be read")) == (2, True)
    assert run_script(tmp_path, "alice", proof, "short")[0] == 2
