"""The real nodes in regtest and development mode, for tests, the demo, the benchmarks and fuzzing.

    with BitcoinNode("bitcoind", folder) as node:
        node.fund_faucet()
        txid = node.send(address, "0.50000000")
        node.mine(3)

Calls block; on an event loop use `await node.call(method, …)` or `await asyncio.to_thread(node.mine, 3)`.
`stop()` and `kill()` leave the folder and the port, so `start()` brings the same node back.
"""

from __future__ import annotations

import asyncio
import gzip
import secrets
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

from tests.nodes.errors import FetchError, NodesError, NodeStartError, RpcError
from tests.nodes.fetch import program
from tests.nodes.process import RPC_TIMEOUT_S, START_TIMEOUT_S, JsonRpc, NodeProcess, end_pid, free_port

__all__ = [
    "FAUCET", "MWEB_HEIGHT", "AnvilNode", "BitcoinNode", "FetchError", "NodeStartError", "NodesError",
    "RpcError", "end_pid", "free_port",
]  # fmt: skip

FAUCET = "faucet"
MATURITY = 100  # a coinbase is spendable once this many blocks lie above it
MWEB_HEIGHT = 432  # litecoin regtest: the first block here needs a peg-in
BitcoinKind = Literal["bitcoind", "litecoind"]
DUST_PUSH = 1_000_000_000  # satoshi by which a mempool transaction is pushed below what miners take
SCAN_IN_PROGRESS = -8
SCAN_TRIES = 2_000


class BitcoinNode(NodeProcess):
    """bitcoind or litecoind on regtest, with REST, without peers.

    Attributes:
        kind: which program.
        rest: True, REST is always on (`/rest/block/<hash>.bin` at `rpc_url`).
        rpc_user, rpc_password: fixed for the life of this object, made up anew for each.
    """

    rest = True

    def __init__(
        self,
        kind: BitcoinKind,
        datadir: Path,
        *,
        port: int | None = None,
        extra: Sequence[str] = (),
        password: str | None = None,
        detached: bool = False,
    ) -> None:
        super().__init__(kind, datadir, port, detached)
        self.kind = kind
        self.extra = tuple(extra)
        self.rpc_user = "cashier"
        self.rpc_password = password or secrets.token_hex(16)

    def _argv(self) -> list[str]:
        common = [
            "-regtest",
            "-server=1",
            "-rest=1",
            "-listen=0",
            "-connect=0",
            "-dnsseed=0",
            "-upnp=0",
            "-discover=0",
            "-listenonion=0",
            "-rpcbind=127.0.0.1",
            "-rpcallowip=127.0.0.1",
            f"-rpcport={self.port}",
            f"-rpcuser={self.rpc_user}",
            f"-rpcpassword={self.rpc_password}",
            "-fallbackfee=0.0001",
            "-keypool=100",
            "-printtoconsole=0",
            f"-datadir={self.datadir.resolve()}",
        ]
        if self.kind == "bitcoind":  # Knots' own limits are far below a full block
            common += ["-fixedseeds=0", "-natpmp=0", "-blockmaxweight=4000000", "-blockmaxsize=4000000"]
        return [*program(self.kind).argv, *common, *self.extra]

    def _probe(self) -> None:
        self.rpc("getblockchaininfo")

    def _log_paths(self) -> list[Path]:
        return [self.output_path, self.datadir / "regtest" / "debug.log"]

    def rpc(self, method: str, *params: object, wallet: str | None = None, **named: object) -> Any:
        """Return the result of one RPC; parameters by position or by name, never both.

        Raises:
            RpcError: the node's own code and words.
            OSError: the node is not there.
        """
        path = "/" if wallet is None else f"/wallet/{wallet}"
        client = JsonRpc(self.port, self.rpc_user, self.rpc_password)
        return client.call(method, named or list(params), path, RPC_TIMEOUT_S)

    async def call(self, method: str, *params: object, wallet: str | None = None, **named: object) -> Any:
        """`rpc` without blocking the event loop."""
        return await asyncio.to_thread(self.rpc, method, *params, wallet=wallet, **named)

    @property
    def height(self) -> int:
        """Height of the best block."""
        return int(self.rpc("getblockcount"))

    @property
    def tip(self) -> str:
        """Hash of the best block."""
        return str(self.rpc("getbestblockhash"))

    def scan(self, *addresses: str) -> dict[str, Any]:
        """What the node's own set of unspent outputs holds on these addresses, by `scantxoutset`.

        It does one such scan at a time: while the cashier's goes on it is asked again.
        """
        for _ in range(SCAN_TRIES):
            try:
                found = self.rpc("scantxoutset", "start", [f"addr({address})" for address in addresses])
                return dict(found)
            except RpcError as error:
                if error.code != SCAN_IN_PROGRESS:
                    raise
        raise NodesError(f"another scan goes on, asked {SCAN_TRIES} times")

    @property
    def tip_time(self) -> int:
        """Time of the best block, unix seconds."""
        return int(self.rpc("getblockheader", self.tip)["time"])

    def set_clock(self, at: int) -> None:
        """Let the node's clock stand at `at`, unix seconds; until it ends."""
        self.rpc("setmocktime", at)

    def create_wallet(self, name: str = FAUCET) -> None:
        """Create a wallet that is loaded again after a restart; load it if it exists."""
        if name in self.rpc("listwallets"):
            return
        held = {str(entry["name"]) for entry in self.rpc("listwalletdir")["wallets"]}
        if name in held:
            self.rpc("loadwallet", name)
        else:
            self.rpc("createwallet", wallet_name=name, load_on_startup=True)

    def fund_faucet(self, blocks: int = 1) -> None:
        """Create the faucet's wallet with `blocks` spendable coinbases (50 coins each, on a new chain)."""
        self.create_wallet()
        self.mine(blocks + MATURITY)

    def new_address(self, wallet: str = FAUCET) -> str:
        """Return a new P2WPKH address of a wallet."""
        return str(self.rpc("getnewaddress", "", "bech32", wallet=wallet))

    def mine(self, blocks: int = 1, address: str | None = None) -> list[str]:
        """Mine; return the blocks' hashes. Without an address each call pays a new one of the faucet.

        A new address each time, because a branch mined to the same one after `invalidate` would be the very
        block that was invalidated, and is refused.
        """
        if address is None:
            self.create_wallet()
            address = self.new_address()
        return [str(block) for block in self.rpc("generatetoaddress", blocks, address)]

    def generate_block(self, address: str | None = None, transactions: Sequence[str] = ()) -> str:
        """Mine one block of exactly `transactions` (raw hex), nothing of the mempool; return its hash.

        litecoind above MWEB_HEIGHT knows no `generateblock`: there the rest of the mempool is pushed aside by
        negative priorities for one block, and the transactions have to pass the mempool's rules.
        """
        if address is None:
            self.create_wallet()
            address = self.new_address()
        if self.kind == "bitcoind" or self.height + 1 < MWEB_HEIGHT:
            return str(self.rpc("generateblock", address, list(transactions))["hash"])
        aside = [str(txid) for txid in self.rpc("getrawmempool")]
        for txid in aside:
            self.rpc("prioritisetransaction", txid, 0, -DUST_PUSH)
        try:
            for raw in transactions:
                self.rpc("sendrawtransaction", raw)
            return self.mine(1, address)[0]
        finally:
            for txid in aside:
                self.rpc("prioritisetransaction", txid, 0, DUST_PUSH)

    def send(self, address: str, amount_display: str, wallet: str = FAUCET) -> str:
        """Pay `amount_display` coins (a decimal text) to an address from a wallet; return the txid."""
        return str(self.rpc("sendtoaddress", address, amount_display, wallet=wallet))

    def invalidate(self, block_hash: str) -> None:
        """Take a block and all above it off the chain; their transactions return to the mempool."""
        self.rpc("invalidateblock", block_hash)

    def reconsider(self, block_hash: str) -> None:
        """Allow an invalidated block again; it is followed only if its branch is the longer one."""
        self.rpc("reconsiderblock", block_hash)

    def reorg(self, depth: int, blocks: int | None = None) -> list[str]:
        """Replace the top `depth` blocks by `blocks` (default one more) empty ones; return their hashes.

        What the old branch held is in the mempool afterwards.
        """
        self.invalidate(str(self.rpc("getblockhash", self.height - depth + 1)))
        address = self.new_address()
        return [self.generate_block(address) for _ in range(depth + 1 if blocks is None else blocks)]

    def flush(self) -> None:
        """Make the node write its chain to the disk, else `kill` sets a young chain back to its start."""
        self.rpc("gettxoutsetinfo")

    def pass_mweb_activation(self) -> None:
        """Bring litecoin's regtest above height 431, where it stops until the mempool holds a peg-in.

        Afterwards blocks are mined freely. Does nothing on bitcoind, or when the height is passed already.
        """
        if self.kind != "litecoind" or self.height >= MWEB_HEIGHT:
            return
        self.create_wallet()
        missing = MWEB_HEIGHT - 1 - self.height
        if missing > 0:
            self.mine(missing)
        hidden = str(self.rpc("getnewaddress", "", "mweb", wallet=FAUCET))
        self.send(hidden, "1.00000000")
        self.mine(2)


class AnvilNode(NodeProcess):
    """anvil, an EVM chain of one's own, no block mined unless asked.

    Attributes:
        chain_id: of the chain.
        accounts: ten unlocked accounts of 10,000 ETH each; the first one serves as faucet.
        state_path: where the chain is kept over a restart, None when it begins anew each time.
    """

    def __init__(
        self,
        datadir: Path,
        *,
        port: int | None = None,
        chain_id: int = 31337,
        slots_in_an_epoch: int = 4,
        automine: bool = False,
        keep_state: bool = False,
        extra: Sequence[str] = (),
        detached: bool = False,
    ) -> None:
        super().__init__("anvil", datadir, port, detached)
        self.chain_id = chain_id
        self.slots_in_an_epoch = slots_in_an_epoch
        self.automine = automine
        self.state_path = self.datadir / "state.json" if keep_state else None
        self.extra = tuple(extra)
        self.accounts: tuple[str, ...] = ()
        self._sending = threading.Lock()

    def _argv(self) -> list[str]:
        options = [
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--quiet",
            "--hardfork",
            "prague",
            "--chain-id",
            str(self.chain_id),
            "--slots-in-an-epoch",
            str(self.slots_in_an_epoch),
            "--cache-path",
            str((self.datadir / "cache").resolve()),  # else it writes into the home folder
        ]
        if not self.automine:
            options.append("--no-mining")
        if self.state_path is not None and self.state_path.exists():
            options += ["--load-state", str(self.state_path.resolve())]
        return [*program("anvil").argv, *options, *self.extra]

    def _probe(self) -> None:
        self.rpc("eth_chainId")

    def start(self, timeout_s: float = START_TIMEOUT_S) -> Self:
        """As `NodeProcess.start`; learns the unlocked accounts."""
        super().start(timeout_s)
        self.accounts = tuple(str(account) for account in self.rpc("eth_accounts"))
        return self

    def stop(self) -> None:
        """End the node with SIGTERM; a chain that is kept is written down first."""
        if self.state_path is not None and self.is_running:
            self.flush()
        super().stop()

    def flush(self) -> None:
        """Write the chain down; after `kill`, `start` brings back what the last `flush` or `stop` wrote.

        anvil's own dump at intervals is not used: killed in the middle of it, it leaves half a file.

        Raises:
            NodesError: the node was made without `keep_state`.
        """
        if self.state_path is None:
            raise NodesError("flush needs AnvilNode(keep_state=True)")
        packed = bytes.fromhex(str(self.rpc("anvil_dumpState", True)).removeprefix("0x"))
        unfinished = self.state_path.with_suffix(".new")
        unfinished.write_bytes(gzip.decompress(packed))
        unfinished.replace(self.state_path)

    def rpc(self, method: str, *params: object) -> Any:
        """Return the result of one RPC.

        Raises:
            RpcError: the node's own code and words.
            OSError: the node is not there.
        """
        return JsonRpc(self.port).call(method, list(params))

    async def call(self, method: str, *params: object) -> Any:
        """`rpc` without blocking the event loop."""
        return await asyncio.to_thread(self.rpc, method, *params)

    @property
    def height(self) -> int:
        """Number of the latest block."""
        return int(self.rpc("eth_blockNumber"), 16)

    @property
    def tip(self) -> str:
        """Hash of the latest block."""
        return str(self.rpc("eth_getBlockByNumber", "latest", False)["hash"])

    @property
    def tip_time(self) -> int:
        """Time of the latest block, unix seconds."""
        return int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def set_clock(self, at: int) -> None:
        """Give the next block the time `at`, unix seconds; time goes on from there."""
        self.rpc("evm_setNextBlockTimestamp", at)

    def mine(self, blocks: int = 1) -> None:
        """Mine blocks one second apart; pending transactions go into the first."""
        self.rpc("anvil_mine", hex(blocks))

    def balance(self, address: str, block: str = "latest") -> int:
        """Return an account's balance in wei."""
        return int(self.rpc("eth_getBalance", address, block), 16)

    def set_balance(self, address: str, amount: int) -> None:
        """Give an account exactly `amount` wei, from nowhere."""
        self.rpc("anvil_setBalance", address, hex(amount))

    def send(self, address: str, amount: int, sender: str | None = None, **fields: str) -> str:
        """Pay `amount` wei from the faucet (or another unlocked account); return the hash.

        `fields` are further transaction fields, e.g. `data="0x…"`, `gas="0x5208"`.
        """
        return self.submit(
            {"from": sender or self.accounts[0], "to": address, "value": hex(amount), **fields}
        )

    def submit(self, transaction: dict[str, str]) -> str:
        """Send from an unlocked account; one at a time, for the node gives two at once the same nonce."""
        with self._sending:
            return str(self.rpc("eth_sendTransaction", transaction))

    def reorg(self, depth: int, transactions: Sequence[tuple[str, int]] = ()) -> None:
        """Replace the top `depth` blocks by as many new ones; return nothing.

        The old transactions are gone, not back in the pool. `transactions` are (raw hex, index of the new
        block) pairs put into the branch.
        """
        self.rpc("anvil_reorg", depth, [list(pair) for pair in transactions])

    def snapshot(self) -> str:
        """Remember the chain as it is; return the name for `revert`."""
        return str(self.rpc("evm_snapshot"))

    def revert(self, snapshot: str) -> None:
        """Go back to a snapshot; it can be used once."""
        if self.rpc("evm_revert", snapshot) is not True:
            raise NodesError(f"anvil does not know snapshot {snapshot}")
