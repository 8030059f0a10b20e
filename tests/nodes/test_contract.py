"""The contracts do what the tests that use them believe."""

from __future__ import annotations

import pytest

from config.loader import load
from tests.nodes.contract import Contract, Mode, deploy, deploy_token
from tests.nodes.errors import NodesError
from tests.nodes.regtest import AnvilNode

PAYEE = "0x" + "5b" * 20
OTHER = "0x" + "5c" * 20


def receipt(node: AnvilNode, txid: str) -> tuple[int, int]:
    """Status and number of events of a mined transaction."""
    found = node.rpc("eth_getTransactionReceipt", txid)
    return int(found["status"], 16), len(found["logs"])


def test_the_shipped_contracts_of_a_development_chain_are_the_first_two(fresh_anvil: AnvilNode) -> None:
    tokens = load(None, {"CASHIER__COINS__ETH__NETWORK": "regtest"}).tokens
    assert deploy_token(fresh_anvil).address == tokens["USDT-ETH"].contract.lower()
    assert deploy_token(fresh_anvil).address == tokens["USDC-ETH"].contract.lower()


@pytest.mark.parametrize(
    ("mode", "moved", "events"),
    [
        (Mode.NORMAL, 1000, 1),
        (Mode.FEE, 900, 1),
        (Mode.FALSE, 0, 0),
        (Mode.LYING, 0, 1),
        (Mode.SILENT, 1000, 1),
    ],
)
def test_modes_of_a_token(fresh_anvil: AnvilNode, mode: Mode, moved: int, events: int) -> None:
    token = deploy_token(fresh_anvil, mode=mode)
    txid = token.send("transfer", PAYEE, 1000)
    fresh_anvil.mine()
    assert receipt(fresh_anvil, txid) == (1, events)
    assert token.call("balanceOf", PAYEE) == moved


@pytest.mark.parametrize(("function", "argument"), [("setPaused", True), ("setBlocked", PAYEE)])
def test_a_token_that_refuses(fresh_anvil: AnvilNode, function: str, argument: object) -> None:
    token = deploy_token(fresh_anvil)
    token.send(function, argument, *([True] if function == "setBlocked" else []))
    fresh_anvil.mine()
    txid = token.send("transfer", PAYEE, 1000)
    fresh_anvil.mine()
    assert receipt(fresh_anvil, txid) == (0, 0)


def paid(node: AnvilNode, forwarder: Contract, function: str, to: object, amount: int) -> tuple[int, int]:
    """Status of a forwarder's payment and what came to the payee."""
    txid = forwarder.send(function, to, amount=amount)
    node.mine()
    return receipt(node, txid)[0], node.balance(PAYEE)


def test_payments_of_a_forwarder(fresh_anvil: AnvilNode) -> None:
    node = fresh_anvil
    forwarder, refuser = deploy(node, "Forwarder"), deploy(node, "Refuser")
    assert paid(node, forwarder, "pay", PAYEE, 10) == (1, 10)
    assert paid(node, forwarder, "payMany", [PAYEE, OTHER], 10) == (1, 15)
    assert paid(node, forwarder, "payMany", [PAYEE, refuser.address], 10) == (0, 15)
    assert paid(node, forwarder, "tryMany", [PAYEE, refuser.address], 10) == (1, 20)
    assert paid(node, forwarder, "payAndUndo", PAYEE, 10) == (1, 20)
    assert paid(node, forwarder, "payDelegated", PAYEE, 10) == (1, 30)
    assert paid(node, forwarder, "payByBomb", PAYEE, 10) == (1, 40)


def test_a_constructor_that_fails(fresh_anvil: AnvilNode) -> None:
    with pytest.raises(NodesError, match="could not be deployed"):
        deploy(fresh_anvil, "Token", "X" * 20_000, 6, 0, 1)
