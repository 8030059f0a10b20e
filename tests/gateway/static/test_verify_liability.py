"""The verifier that is given to clients, run as the program it is, agrees with the tree it checks."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import gateway
from ledger.liability import Proof, Step, leaf, prove, root_of

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
    return run_on(folder, client_id, json.dumps(told).encode(), root)


def run_on(folder: Path, client_id: str, text: bytes, root: str) -> tuple[int, str]:
    """The same, on any file."""
    file = folder / "proof.json"
    file.write_bytes(text)
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
        {"steps": {"hash": "00"}},
        {"steps": [{"hash": "00" * 32, "amount": "1", "is_left": "false"}]},
        {"amount": "9" * 5_000},
        {"amount": str(2**256)},
        {"amount": "\u0665"},
        {"total": "1e3"},
    ]
    for wrong in unreadable:
        code, said = run_script(tmp_path, "alice", proof, root.hex(), **wrong)
        assert (code, said.startswith("cannot be read")) == (2, True)
    assert run_script(tmp_path, "alice", proof, "short")[0] == 2
    for text in (b"", b"\xff", b"[" * 100_000, b"[]", b"null", b"NaN"):
        code, said = run_on(tmp_path, "alice", text, root.hex())
        assert (code, said.startswith("cannot be read")) == (2, True), text[:10]
    assert run_script(tmp_path, "a\udcff", proof, root.hex())[0] == 2


def test_no_part_of_another_tree_is_taken_for_a_proof(tmp_path: Path) -> None:
    """A node is no leaf, a leaf counts once, and who is left without a partner is not counted again."""
    owed = {"alice": 5, "bob": 6, "carol": 7}
    root, total = root_of(owed, SALT)
    proofs = {client_id: prove(owed, SALT, client_id) for client_id in owed}
    alone = next(proof for proof in proofs.values() if len(proof.steps) == 1)
    name = next(client_id for client_id, proof in proofs.items() if proof is alone)
    own = leaf(alone.nonce, name, alone.amount)
    (beside,) = alone.steps
    twice = replace(alone, steps=(Step(*own, is_left=False), beside), total=total + alone.amount)
    assert run_script(tmp_path, name, alone, root.hex())[0] == 0
    assert run_script(tmp_path, name, twice, root.hex())[0] == 1
    shorter = replace(alone, nonce=beside.node_hash, amount=beside.amount, steps=())
    assert run_script(tmp_path, name, shorter, root.hex())[0] == 1
    for client_id, proof in proofs.items():
        for other in proofs.values():
            mixed = replace(proof, steps=other.steps)
            is_right = other is proof
            assert run_script(tmp_path, client_id, mixed, root.hex())[0] == (0 if is_right else 1)
