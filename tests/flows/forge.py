"""Chain transactions a wallet would not make: chosen inputs, repeated outputs, double spends."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.nodes.regtest import FAUCET, BitcoinNode

FEE = Decimal("0.0001")
RAW = "script:"


@dataclass(frozen=True, slots=True)
class Coin:
    """An output of the faucet."""

    txid: str
    index: int
    amount: Decimal


def coins(node: BitcoinNode) -> list[Coin]:
    """Confirmed outputs of the faucet, the largest first; none of those in litecoin's extension blocks."""
    rows: list[dict[str, Any]] = node.rpc("listunspent", 1, wallet=FAUCET)
    found = [
        Coin(str(row["txid"]), int(row["vout"]), Decimal(row["amount"])) for row in rows if "vout" in row
    ]
    return sorted(found, key=lambda coin: coin.amount, reverse=True)


def spend(
    node: BitcoinNode,
    coin: Coin,
    outputs: list[tuple[str, Decimal]],
    *,
    fee: Decimal = FEE,
    is_replaceable: bool = True,
    locktime: int = 0,
) -> str:
    """Raw signed hex that spends exactly one coin; the rest comes back to the faucet.

    An output whose address begins with ``script:`` has the script that follows, hex.

    An address may stand in ``outputs`` more than once, which no node's own RPC allows: the copies are
    made with other addresses first and their scripts exchanged before signing.
    """
    rest = coin.amount - sum((amount for _, amount in outputs), Decimal(0)) - fee
    assert rest > 0, "the coin is too small"
    seen: set[str] = set()
    exchange: list[tuple[str, str]] = []
    wanted: list[dict[str, str]] = []
    for address, amount in [*outputs, (node.new_address(), rest)]:
        stand_in = address
        if address in seen or address.startswith(RAW):
            stand_in = node.new_address()
            wanted_script = address.removeprefix(RAW) if address.startswith(RAW) else script(node, address)
            exchange.append((_sized(script(node, stand_in)), _sized(wanted_script)))
        seen.add(address)
        wanted.append({stand_in: f"{amount:.8f}"})
    inputs = [{"txid": coin.txid, "vout": coin.index}]
    raw = str(node.rpc("createrawtransaction", inputs, wanted, locktime, is_replaceable))
    for old, new in exchange:
        raw = raw.replace(old, new)
    signed = node.rpc("signrawtransactionwithwallet", raw, wallet=FAUCET)
    assert signed["complete"], signed
    return str(signed["hex"])


def _sized(script_hex: str) -> str:
    """A script with its length before it, as in a chain tx (below 253 bytes)."""
    return f"{len(script_hex) // 2:02x}{script_hex}"


def script(node: BitcoinNode, address: str) -> str:
    """Script of an address, hex."""
    return str(node.rpc("validateaddress", address)["scriptPubKey"])


def txid_of(node: BitcoinNode, raw: str) -> str:
    """Txid of raw hex."""
    return str(node.rpc("decoderawtransaction", raw)["txid"])
