"""The tree of what is owed: each client can check his part, and nobody can be left out or made less."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.liability import Proof, grow, join, leaf, nonce_of, prove, root_of

SALT = bytes(range(32))
CLIENTS = st.dictionaries(
    st.text("abcXYZ019_.-", min_size=1, max_size=8), st.integers(0, 2**200), min_size=1, max_size=40
)


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


def test_a_nonce_is_of_one_salt_and_one_client() -> None:
    nonces = {nonce_of(salt, name) for salt in (SALT, bytes(32)) for name in ("alice", "bob")}
    assert len(nonces) == 4
    assert asdict(prove({"alice": 1}, SALT, "alice"))["nonce"] in nonces


@given(CLIENTS)
def test_a_tree_that_was_grown_proves_what_a_new_one_does(owed: dict[str, int]) -> None:
    tree = grow(owed, SALT)
    for client_id in owed:
        assert climb(client_id, tree.prove(client_id)) == root_of(owed, SALT)
    with pytest.raises(KeyError):
        tree.prove("nobody there")
