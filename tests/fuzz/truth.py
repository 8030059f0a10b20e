"""What the chain says, read from the node's own verbose answers with nothing of the cashier's code.

Walks every block of the best chain and tells: what came to the clients' addresses, what went to the payees,
what fees our own chain txs paid. ``holdings`` asks the node for what lies on our scripts now.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.nodes.regtest import AnvilNode, BitcoinNode

COIN = 10**8
Key = tuple[str, int | None]
"""Txid and, on a UTXO chain, the number of the output."""


@dataclass(slots=True)
class Truth:
    """The best chain's story of a set of addresses."""

    receipts: dict[Key, tuple[str, int]] = field(default_factory=dict)  # address, amount
    coinbases: set[Key] = field(default_factory=set)
    paid: dict[str, list[int]] = field(default_factory=dict)  # payee: amounts
    network_fees: int = 0


def read_bitcoin(
    node: BitcoinNode, watched: Iterable[str], own: Iterable[str], payees: Iterable[str]
) -> Truth:
    """``watched`` are clients' addresses, ``own`` those of the house as well."""
    truth = Truth(paid={payee: [] for payee in payees})
    watching, ours = set(watched), set(own)
    held: dict[Key, int] = {}
    for height in range(1, node.height + 1):
        block = node.rpc("getblock", node.rpc("getblockhash", height), 2)
        for tx in block["tx"]:
            spent = [held.pop((i.get("txid", ""), i.get("vout")), None) for i in tx["vin"]]
            mine = [amount for amount in spent if amount is not None]
            for output in tx["vout"]:
                key, amount = (str(tx["txid"]), int(output["n"])), _units(output["value"])
                address = _address(output["scriptPubKey"])
                if address in ours:
                    held[key] = amount
                if address in watching and amount:
                    truth.receipts[key] = (address, amount)
                    if "coinbase" in tx["vin"][0]:
                        truth.coinbases.add(key)
                if address in truth.paid:
                    truth.paid[address].append(amount)
            if mine:
                assert len(mine) == len(spent), f"{tx['txid']} spends ours together with another's"
                truth.network_fees += sum(mine) - sum(_units(output["value"]) for output in tx["vout"])
    return truth


def _units(value: str) -> int:
    """A node's amount, kept by the JSON reader as the text it came in, as a whole number of units."""
    return int(Decimal(value).scaleb(8))


def _address(script: dict[str, Any]) -> str:
    """The one address of a script; litecoind lists it, bitcoind names it."""
    listed = script.get("addresses", [])
    return str(script.get("address") or (listed[0] if len(listed) == 1 else ""))


def hold_bitcoin(node: BitcoinNode, own: Iterable[str]) -> int:
    """What the node's own set of unspent outputs holds on these addresses."""
    found = node.scan(*own)
    assert found["success"], found
    return sum(_units(entry["amount"]) for entry in found["unspents"])


def read_evm(node: AnvilNode, watched: Iterable[str], own: Iterable[str], payees: Iterable[str]) -> Truth:
    """As ``read_bitcoin``; a payee's amounts are those of the chain txs that did not fail."""
    truth = Truth(paid={payee: [] for payee in payees})
    watching = {address.lower(): address for address in watched}
    paying = {payee.lower(): payee for payee in truth.paid}
    ours = {address.lower() for address in own}
    for height in range(1, node.height + 1):
        block = node.rpc("eth_getBlockByNumber", hex(height), True)
        for tx in block["transactions"]:
            sender, target, amount = tx["from"].lower(), (tx["to"] or "").lower(), int(tx["value"], 16)
            if not {sender, target} & {*ours, *watching, *paying}:
                continue
            receipt = node.rpc("eth_getTransactionReceipt", tx["hash"])
            if sender in ours:
                truth.network_fees += int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
            if receipt["status"] != "0x1" or not amount:
                continue
            if target in watching and sender not in ours:
                truth.receipts[str(tx["hash"]), None] = (watching[target], amount)
            if target in paying:
                truth.paid[paying[target]].append(amount)
    return truth


def hold_evm(node: AnvilNode, own: Iterable[str]) -> int:
    """Wei on these addresses in the latest block."""
    return sum(node.balance(address) for address in own)
