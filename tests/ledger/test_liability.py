"""The tree of what is owed: each client can check his part, and nobody can be left out or made less."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gateway
from ledger.liability import Proof, join, leaf, nonce_of, prove, root_of

SALT = bytes(range(32))
CLIENTS = st.dictionaries(
    st.text("abcXYZ019_.-", min_size=1, max_size=8), st.integers(0, 2**200), min_size=1, max_size=40
)
SCRIPT = Path(gateway.__path__[0]) / "static" / "verify_liability.py"


def climb(client_id: str, proof: Proof) -> tuple[bytes, int]:
    """Where a proof's way ends."""
    node = leaf(proof.nonce, client_id, proof.amount)
    for step in proof.steps:
        beside = step.node_hash, step.amount
        node = join(beside, node) if step.is_left else join(node, beside)
    return node


@given(CLIENTS)
def test_every_client_is_in_the_sum(owed: dict[str, int]) -> None:
    root = root_of(owed, SALT)
    assert root[1] == sum(owed.values())
    for client_id, amount in owed.items():
        proof = prove(owed, SALT, client_id)
        assert (proof.root, proof.total) == root
        assert proof.amount == amount
        assert climb(client_id, proof) == root
        assert len(proof.steps) <= len(owed).bit_length()


@given(CLIENTS, st.data())
def test_another_balance_another_name_or_another_neighbour_lead_elsewhere(
    owed: dict[str, int], data: st.DataObject
) -> None:
    client_id = data.draw(st.sampled_from(sorted(owed)))
    root, proof = root_of(owed, SALT), prove(owed, SALT, client_id)
    assert climb(client_id + "x", proof) != root
    assert climb(client_id, replace(proof, amount=proof.amount + 1)) != root
    for at, step in enumerate(proof.steps):
        less = replace(step, amount=step.amount + 1)
        assert (
            climb(client_id, replace(proof, steps=(*proof.steps[:at], less, *proof.steps[at + 1 :]))) != root
        )
    assert root_of({**owed, client_id: owed[client_id] + 1}, SALT) != root
    assert root_of(owed, bytes(32)) != root


def test_nobody_is_owed_nothing() -> None:
    assert root_of({}, SALT) == (bytes(32), 0)
    with pytest.raises(KeyError):
        prove({}, SALT, "alice")


def test_what_does_not_fit_is_no_sum() -> None:
    with pytest.raises(OverflowError):
        leaf(SALT, "alice", -1)
    with pytest.raises(OverflowError):
        root_of({"alice": 2**256 - 1, "bob": 1}, SALT)


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


def test_a_nonce_is_of_one_salt_and_one_client() -> None:
    nonces = {nonce_of(salt, name) for salt in (SALT, bytes(32)) for name in ("alice", "bob")}
    assert len(nonces) == 4
    assert asdict(prove({"alice": 1}, SALT, "alice"))["nonce"] in nonces
