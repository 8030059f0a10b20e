"""The three regtest chains behind one small face: pay an address, mine, say the height."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from tests.nodes.regtest import AnvilNode, BitcoinNode

WEI = 10**18


@dataclass(frozen=True, slots=True)
class Amounts:
    """What the story moves, as decimal strings of whole coins."""

    deposit: str
    withdrawal: str


class BitcoinChain:
    """bitcoind or litecoind with a funded faucet; litecoind is brought past its MWEB activation."""

    family = "bitcoin"

    def __init__(self, currency: str, node: BitcoinNode) -> None:
        """``node`` is not started yet."""
        self.currency = currency
        self.node = node
        self.amounts = Amounts("0.50000000", "0.20000000")

    def start(self) -> None:
        """Start and fund; blocks."""
        self.node.start()
        self.node.fund_faucet(5)
        if self.node.kind == "litecoind":
            self.node.pass_mweb_activation()
        self.node.flush()

    async def pay(self, address: str) -> str:
        """Pay the deposit from the faucet; the txid."""
        return await asyncio.to_thread(self.node.send, address, self.amounts.deposit)

    async def mine(self, blocks: int = 1) -> None:
        """Mine what waits."""
        await asyncio.to_thread(self.node.mine, blocks)

    async def foreign_address(self) -> str:
        """An address of somebody else, to withdraw to."""
        return await asyncio.to_thread(self.node.new_address)

    async def received(self, address: str) -> int:
        """Confirmed base units that ``address`` (of the faucet) has received, by the node's own count."""
        amount = await self.node.call("getreceivedbyaddress", address, 1, wallet="faucet")
        return round(float(amount) * 10**8)

    def environment(self, prefix: str) -> dict[str, str]:
        """How the cashier reaches it."""
        return {
            f"{prefix}NODE__URL": self.node.rpc_url,
            f"{prefix}NODE__USER": self.node.rpc_user,
            f"{prefix}NODE__PASSWORD": self.node.rpc_password,
        }


class EthereumChain:
    """anvil without automatic mining."""

    family = "evm"

    def __init__(self, currency: str, node: AnvilNode) -> None:
        """``node`` is not started yet."""
        self.currency = currency
        self.node = node
        self.amounts = Amounts("2.000000000000000000", "0.750000000000000000")
        self._payees = 0

    def start(self) -> None:
        """Start; blocks."""
        self.node.start()
        self.node.mine(1)

    async def pay(self, address: str) -> str:
        """Pay the deposit from an unlocked account; the hash."""
        return await asyncio.to_thread(self.node.send, address, 2 * WEI)

    async def mine(self, blocks: int = 1) -> None:
        """Mine what waits."""
        await asyncio.to_thread(self.node.mine, blocks)

    async def foreign_address(self) -> str:
        """An address nobody has used."""
        self._payees += 1
        return f"0x{0xC0FFEE00 + self._payees:040x}"

    async def received(self, address: str) -> int:
        """Wei at ``address`` in the latest block."""
        return await asyncio.to_thread(self.node.balance, address)

    def environment(self, prefix: str) -> dict[str, str]:
        """How the cashier reaches it."""
        return {f"{prefix}NODE__URL": self.node.rpc_url}


Chain = BitcoinChain | EthereumChain


def make_chains(folder: Path) -> list[Chain]:
    """The three chains, not started yet, with their data below ``folder``."""
    return [
        BitcoinChain("BTC", BitcoinNode("bitcoind", folder / "bitcoind")),
        BitcoinChain("LTC", BitcoinNode("litecoind", folder / "litecoind")),
        EthereumChain("ETH", AnvilNode(folder / "anvil")),
    ]
