"""Contracts on a real anvil: deploy, send, call. The compiled contracts lie in ``contracts/``."""

from __future__ import annotations

import json
from enum import IntEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

from eth_abi.abi import decode, encode

from tests.nodes.errors import NodesError
from tests.nodes.regtest import AnvilNode

FILE = Path(__file__).parent / "contracts" / "contracts.json"
GAS = "0x2dc6c0"
"""Gas of every transaction here (3 million): nothing is estimated, so what fails is mined with status 0."""


class Mode(IntEnum):
    """How a ``Token`` behaves; see ``contracts/Token.sol``."""

    NORMAL = 0
    FEE = 1
    FALSE = 2
    LYING = 3
    SILENT = 4


@lru_cache(maxsize=1)
def compiled() -> dict[str, Any]:
    """Every contract by name: constructor's types, selectors by signature, bytecode."""
    loaded: dict[str, Any] = json.loads(FILE.read_text())
    return loaded


class Contract:
    """One deployed contract.

    Attributes:
        address: lower-case hex with ``0x``.
        script: the 20 bytes of it.
    """

    def __init__(self, node: AnvilNode, name: str, address: str) -> None:
        self.node = node
        self.address = address.lower()
        self.script = bytes.fromhex(address[2:])
        self._selectors: dict[str, tuple[str, list[str]]] = {}
        for signature, selector in compiled()[name]["functions"].items():
            function, _, types = signature[:-1].partition("(")
            self._selectors[function] = (selector, [part for part in types.split(",") if part])

    def data(self, function: str, *arguments: object) -> str:
        """Return the call data of a function as hex."""
        selector, types = self._selectors[function]
        return "0x" + selector + encode(types, arguments).hex()

    def send(self, function: str, *arguments: object, sender: str | None = None, amount: int = 0) -> str:
        """Send a transaction that calls a function (from the faucet unless told); return its hash.

        It is mined with the next block, whatever becomes of it.
        """
        return self.node.send(self.address, amount, sender, data=self.data(function, *arguments), gas=GAS)

    def call(self, function: str, *arguments: object) -> int:
        """Return the number that a function answers with at the latest block."""
        request = {"to": self.address, "data": self.data(function, *arguments)}
        answer = str(self.node.rpc("eth_call", request, "latest"))
        number: int = decode(["uint256"], bytes.fromhex(answer[2:]))[0]
        return number


def deploy(node: AnvilNode, name: str, *arguments: object, sender: str | None = None) -> Contract:
    """Deploy a contract of ``contracts.json`` from the faucet (or another account) and mine one block.

    Raises:
        NodesError: the constructor failed.
    """
    contract = compiled()[name]
    data = contract["bytecode"] + encode(contract["constructor"], arguments).hex()
    request = {"from": sender or node.accounts[0], "data": data, "gas": GAS}
    txid = node.submit(request)
    node.mine()
    receipt = node.rpc("eth_getTransactionReceipt", txid)
    if receipt is None or receipt["status"] != "0x1":
        raise NodesError(f"{name} could not be deployed")
    return Contract(node, name, receipt["contractAddress"])


def deploy_token(
    node: AnvilNode, name: str = "TOK", decimals: int = 6, mode: Mode = Mode.NORMAL, supply: int = 10**30
) -> Contract:
    """Deploy a token whose whole supply the faucet holds."""
    return deploy(node, "Token", name, decimals, int(mode), supply)
