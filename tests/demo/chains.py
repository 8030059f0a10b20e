"""The regtest chains, and a token on one, behind one small face: pay an address, mine, say the height."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from tests.nodes.contract import Contract, deploy_token
from tests.nodes.regtest import AnvilNode, BitcoinNode

WEI = 10**18
FINAL_DEPTH = 6
"""Blocks after which the demo's cashier takes a block for settled."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """What the story moves, as decimal strings of whole coins."""

    deposit: str
    withdrawal: str


class BitcoinChain:
    """bitcoind or litecoind with a funded faucet; litecoind is brought past its MWEB activation."""

    family = "bitcoin"
    decimals = 8

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
    decimals = 18

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


class TokenChain:
    """A token on anvil, at the address its coin file says: the first contract the faucet deploys."""

    family = "evm"
    decimals = 6

    def __init__(self, currency: str, parent: EthereumChain) -> None:
        """``parent`` is started by itself."""
        self.currency = currency
        self.parent = parent
        self.node = parent.node
        self.amounts = Amounts("250.000000", "75.000000")
        self.token: Contract | None = None

    def start(self) -> None:
        """Deploy the token; its chain runs."""
        self.token = deploy_token(self.node)

    def send(self, address: str, amount: int) -> str:
        """Send units of the token from the faucet; the hash."""
        return self._contract.send("transfer", address, amount)

    async def pay(self, address: str) -> str:
        """Pay the deposit from the faucet; the hash."""
        whole, _, fraction = self.amounts.deposit.partition(".")
        return await asyncio.to_thread(self.send, address, int(whole + fraction))

    async def mine(self, blocks: int = 1) -> None:
        """Mine what waits."""
        await self.parent.mine(blocks)

    async def foreign_address(self) -> str:
        """An address nobody has used."""
        return await self.parent.foreign_address()

    async def received(self, address: str) -> int:
        """Units at ``address`` in the latest block."""
        return await asyncio.to_thread(self._contract.call, "balanceOf", address)

    def environment(self, prefix: str) -> dict[str, str]:
        """Nothing of its own: it is reached by its chain's node."""
        return {}

    @property
    def _contract(self) -> Contract:
        if self.token is None:
            raise RuntimeError(f"{self.currency} is not deployed")
        return self.token


Chain = BitcoinChain | EthereumChain | TokenChain


def make_chains(folder: Path) -> list[Chain]:
    """The chains and tokens, not started yet, with their data below ``folder``."""
    ethereum = EthereumChain("ETH", AnvilNode(folder / "anvil"))
    return [
        BitcoinChain("BTC", BitcoinNode("bitcoind", folder / "bitcoind")),
        BitcoinChain("LTC", BitcoinNode("litecoind", folder / "litecoind")),
        ethereum,
        TokenChain("USDT-ETH", ethereum),
    ]
