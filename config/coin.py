"""The settings of one chain and its own coin: what it is (its identity) and how it is run (everything else).

A coin file holds the data of mainnet and, under `[networks.<name>]`, what differs on a test network;
the loader gives this module the merged result.
"""

from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_validator

from config.currency import Amount, AmountOrNone, CurrencySettings
from config.fields import BasePath, FromOtherFiles, HttpUrl, Seconds, Secret, Section, as_tuple, problem
from config.token import Finality, TokenSettings
from config.xpub import check_account_key, check_p2wpkh_key, check_xpub

Byte = Annotated[int, Field(ge=0, le=255)]

PLAIN_VSIZE = 226
"""Virtual bytes of a payment with one input and its change, in its older and larger form (P2PKH)."""


class NodeSettings(Section):
    """The currency's own node and how hard it may be asked."""

    url: HttpUrl
    """Address of the node's RPC, without user and password."""
    user: str | None = None
    """RPC user, where the node wants one."""
    password: Secret | None = None
    """RPC password. From the environment or a file only."""
    cookie_file: BasePath | None = None
    """The node's cookie file, instead of user and password; read again when the node refuses it."""
    timeout_s: Seconds = 30.0
    """How long one call may take."""
    connect_timeout_s: Seconds = 5.0
    """How long a connection may take."""
    max_parallel: Annotated[int, Field(ge=1, le=64)] = 4
    """Calls under way at once; a litecoind has four threads for them."""
    response_limit_mb: Annotated[int, Field(ge=1, le=1_024)] = 64
    """Largest answer that is read."""
    rest: bool = True
    """Whether blocks are read by the node's REST interface (-rest=1), several times cheaper."""
    read_ahead_blocks: Annotated[int, Field(ge=1, le=256)] = 64
    """Most blocks fetched ahead of the one that is being read while catching up."""
    read_ahead_mb: Annotated[int, Field(ge=1, le=1_024)] = 64
    """Size of the blocks fetched ahead at which fetching pauses."""
    poll_interval_s: Seconds = 5.0
    """Pause between two questions for the tip; where the node can wait for it, how long each one waits."""
    mempool_interval_s: Seconds = 1.0
    """Longest pause between two looks at unconfirmed payments."""
    zmq: Annotated[str, Field(pattern=r"^(tcp://[^\s/@]+:[0-9]{1,5}|ipc://\S+)$", max_length=200)] | None = (
        None
    )
    """Where a UTXO node publishes (-zmqpubhashtx=tcp://127.0.0.1:28332): a hint to look at once, no more."""
    retry_max_s: Seconds = 30.0
    """Longest pause between two tries while the node is down."""
    stalled_after_s: Seconds = 7_200.0
    """Age of the newest block above which the currency counts as stalled."""
    peers_min: Annotated[int, Field(ge=0, le=1_000)] = 0
    """Fewer peers of the node than this and the currency counts as stalled; 0: the node is not asked."""

    @property
    def origin(self) -> str:
        """The address without its path, which is a key with some providers: what may be kept and shown."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.cookie_file is not None and (self.user is not None or self.password is not None):
            raise problem("cookie_file and user or password exclude each other")
        if (self.user is None) != (self.password is None):
            raise problem("user and password belong together: one of them is missing")
        return self


class CoinBase(CurrencySettings):
    """What every chain has: keys, node, steps."""

    IDENTITY: ClassVar[tuple[str, ...]] = (
        "currency", "family", "network", "decimals", "genesis_hash", "custody", "bip44_coin",
        "deposit_xpub", "hot_xpub",
    )  # fmt: skip
    """Fields that may never change after the first start."""

    genesis_hash: Annotated[str, Field(pattern=r"^(0x)?[0-9a-f]{64}$")] | None = None
    """Hash of block 0; a node on another chain is refused. Empty: the node's, as of the first start."""
    bip44_coin: Annotated[int, Field(ge=0, le=2**31 - 1)]
    """Coin type of the key path (SLIP-44)."""
    custody: Literal["seed", "node", "watch_only"] = "seed"
    """Who holds the keys: the signer's seed, the node's wallet (UTXO chains), a cold wallet (watch_only)."""
    deposit_xpub: str | None = None
    """Account key (public) of the deposits: the cold wallet's (watch_only), else as the signer gives it."""
    hot_xpub: str | None = None
    """Account key (public) of the hot wallet; without it the signer gives it at the first start."""
    signer_fee_day_cap: AmountOrNone = None
    """Most fees that the signer lets chain transactions cost within 24 hours; without it, signer_tx_cap."""
    signer_fee_percent_max: Annotated[int, Field(ge=1, le=100)] = 10
    """Highest fee the signer accepts, in percent of what is moved, where it is above the price of a plain
    payment at the highest rate allowed."""
    blocks_per_step: Annotated[int, Field(ge=1, le=1_000)] = 25
    """Most blocks handed to the ledger in one step while catching up."""
    block_interval_s: Annotated[int, Field(ge=1, le=86_400)] | None = None
    """Usual time between two blocks; from it clients are told when a withdrawal should be confirmed."""
    node: NodeSettings
    """The currency's own node: the one that is followed."""
    witness: NodeSettings | None = None
    """A second node of the same chain: asked for block hashes only, which are compared with the first's."""
    witness_required: bool = False
    """Whether credits and payouts wait while the second node is away or behind."""

    @field_validator("genesis_hash", mode="before")
    @classmethod
    def _genesis(cls, value: object) -> object:
        """An empty text takes away the hash of another network in the same file."""
        return None if value == "" else value

    @field_validator("deposit_xpub", "hot_xpub")
    @classmethod
    def _xpub(cls, value: str | None) -> str | None:
        return None if value is None else check_xpub(value)

    @model_validator(mode="after")
    def _check_nodes(self) -> Self:
        if self.cold_address is not None and self.custody == "node":
            raise problem('cold_address needs a seed, not custody "node": the signer checks where it goes')
        if self.witness_required and self.witness is None:
            raise problem("witness_required needs a second node: [witness], or two tables in nodes")
        if self.witness is not None and self.witness.url == self.node.url:
            raise problem("node and witness have the same url: a node does not contradict itself")
        return self

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        if self.deposit_xpub is not None and self.deposit_xpub == self.hot_xpub:
            raise problem("deposit_xpub and hot_xpub must differ")
        if self.is_watch_only and self.deposit_xpub is None:
            raise problem('custody = "watch_only" needs deposit_xpub, the account key of the cold wallet')
        return self

    @property
    def is_watch_only(self) -> bool:
        """Whether the keys of the deposit addresses are nowhere in the house."""
        return self.custody == "watch_only"

    @property
    def has_hot_apart(self) -> bool:
        """Whether the hot wallet's keys are held otherwise than those of the deposit addresses."""
        return self.is_watch_only

    @property
    def has_seed(self) -> bool:
        """Whether the signer's seed holds keys of it: the hot wallet's at least."""
        return self.custody != "node"


class FeeRate(Section):
    """Fee rates of a UTXO chain in base units per virtual byte."""

    fallback: Annotated[int, Field(ge=1, le=100_000)]
    """Rate when the node has no estimate."""
    min: Annotated[int, Field(ge=1, le=100_000)]
    """Lowest rate ever paid."""
    max: Annotated[int, Field(ge=1, le=100_000)]
    """Highest rate ever paid."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.min <= self.fallback <= self.max:
            raise problem("min, fallback and max must rise in this order")
        return self


class TxFormat(Section):
    """How the chain's transactions and blocks differ from Bitcoin's first form."""

    segwit: bool = True
    """Witness data may be there (BIP 144)."""
    mweb: bool = False
    """Litecoin's extension blocks: flag 8 and a blob after the last transaction."""
    auxpow: bool = False
    """Merged mining: a proof between header and transactions."""
    forkid: bool = False
    """Bitcoin Cash's signature hash."""


class BitcoinCoinSettings(CoinBase):
    """A UTXO chain of Bitcoin's kind."""

    IDENTITY: ClassVar[tuple[str, ...]] = (
        *CoinBase.IDENTITY, "p2pkh", "p2sh", "hrp", "address_type", "tx",
    )  # fmt: skip

    family: Literal["bitcoin"]
    """The kind of node."""
    p2pkh: Byte
    """Version byte of pay-to-public-key-hash addresses."""
    p2sh: Annotated[tuple[Byte, ...], Field(min_length=1, max_length=4), BeforeValidator(as_tuple)]
    """Version bytes of accepted pay-to-script-hash addresses, the chain's own form first."""
    hrp: Annotated[str, Field(pattern=r"^[a-z0-9]{0,20}$")]
    """Prefix of bech32 addresses; empty where the chain has none."""
    address_type: Literal["p2wpkh", "p2pkh"] = "p2wpkh"
    """Kind of the addresses we give."""
    dust: Amount
    """Smallest output the chain's nodes relay."""
    max_money: Amount = Field(default="21000000", validate_default=True)
    """Most coins there can ever be; an output that claims to hold more is refused with its block."""
    max_tx_fee: Amount
    """Most that one chain transaction may pay to the miners."""
    fee_rate: FeeRate
    """Bounds of the fee rate."""
    fee_target_blocks: Annotated[int, Field(ge=1, le=1_008)] = 6
    """Blocks within which a payout should be mined."""
    rbf: bool
    """Whether the network's nodes replace a transaction by one with a higher fee (BIP 125)."""
    bump_after_s: Annotated[int, Field(ge=10, le=604_800)] = 3_600
    """Seconds after which a payout that is not mined is replaced at today's fee rate, where that is higher;
    doubled with each time, up to 64 times as long. With rbf off its change is spent by a child that pays for
    both (CPFP), once."""
    batch_max: Annotated[int, Field(ge=1, le=500)] = 50
    """Most payouts that one chain transaction makes; 1: each goes alone."""
    batch_interval_s: Annotated[int, Field(ge=0, le=86_400)] = 0
    """How long a payout waits for others to go with it, until batch_max are there; 0: not at all."""
    batch_urgent_above: AmountOrNone = None
    """A payout larger than this does not wait, and takes with it whatever is waiting."""
    consolidate_fee_rate_max_sat_vb: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Fee rate up to which small outputs of ours are brought together into one; without it they never are."""
    consolidate_count: Annotated[int, Field(ge=5, le=10_000)] = 200
    """How many small outputs that can be spent are not too many."""
    consolidate_below: AmountOrNone = None
    """Only outputs smaller than this are small; without it any may be, the smallest first."""
    consolidate_inputs_max: Annotated[int, Field(ge=5, le=500)] = 100
    """Most outputs that one chain transaction brings together."""
    consolidate_interval_s: Annotated[int, Field(ge=1, le=86_400)] = 600
    """Pause between two looks whether that is worth it."""
    tx: TxFormat
    """Form of transactions and blocks."""
    wallet: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{0,64}$")] = ""
    """The node's wallet, with custody = "node" only."""

    @model_validator(mode="after")
    def _check_bitcoin(self) -> Self:
        if self.custody == "node" and not self.wallet:
            raise problem('custody = "node" needs wallet')
        if self.is_watch_only and self.deposit_xpub is not None:
            check_p2wpkh_key(self.deposit_xpub, self.network)
        self.check_leaves_fee(self.plain_fee_max)
        rate = self.consolidate_fee_rate_max_sat_vb
        if rate is not None and not self.fee_rate.min <= rate <= self.fee_rate.max:
            raise problem("consolidate_fee_rate_max_sat_vb must be between fee_rate.min and fee_rate.max")
        if self.address_type == "p2wpkh" and not (self.hrp and self.tx.segwit):
            raise problem('address_type = "p2wpkh" needs hrp and tx.segwit')
        return self

    @property
    def plain_fee_max(self) -> int:
        """Price of a payment with one input and its change, at the highest rate."""
        return PLAIN_VSIZE * self.fee_rate.max


class EvmCoinSettings(CoinBase):
    """The native currency of a chain of Ethereum's kind."""

    IDENTITY: ClassVar[tuple[str, ...]] = (*CoinBase.IDENTITY, "chain_id")

    family: Literal["evm"]
    """The kind of node."""
    chain_id: Annotated[int, Field(ge=1, le=2**63 - 1)]
    """Chain id (EIP-155); a node with another one is refused."""
    finality: Finality = "confirmations"
    """Credited at or below the node's `safe` or `finalized` block only, never before `confirmations`."""
    internal: Literal["none", "trace_block", "debug"] = "none"
    """How calls inside transactions are read; without it payments by contracts are not seen."""
    internal_deposits: Literal["credit", "park"] = "park"
    """What a payment by a contract, seen by `internal`, is: a deposit, or parked for an operator."""
    max_fee_gwei: Annotated[int, Field(ge=1, le=1_000_000)] = 300
    """Highest fee per gas ever paid (EIP-1559), in gwei."""
    priority_fee_gwei: Annotated[int, Field(ge=0, le=10_000)] = 1
    """Tip per gas for the block's proposer, in gwei."""
    bump_after_s: Annotated[int, Field(ge=10, le=86_400)] = 180
    """Seconds after which a payment that is not mined is sent again, same nonce, for at least 12.5 % more;
    doubled with each time, up to 64 times as long."""
    gas_limit: Annotated[int, Field(ge=21_000, le=30_000_000)] = 21_000
    """Gas of a plain payment."""
    payout_gas_limit_max: Annotated[int, Field(ge=21_000, le=30_000_000)] = 100_000
    """Most gas a payout to a contract may take."""
    sweep_threshold: Amount
    """Balance of a deposit address from which it is swept to the hot wallet."""
    sweeps_parallel_max: Annotated[int, Field(ge=1, le=1_000)] = 20
    """Sweeps under way at once."""
    sweep_retry_s: Annotated[int, Field(ge=60, le=604_800)] = 3_600
    """Pause after a sweep without effect (a paused token); doubled with each one more, up to a week."""
    failed_sweep_gas_max: Amount = Field(default="0.05", validate_default=True)
    """Most gas, in whole units of the chain's coin, that a token's sweeps without effect may cost a day."""
    hot_keystore: BasePath | None = None
    """Keystore file (version 3) with the key of the hot account, in place of the seed's."""
    hot_keystore_passphrase: Secret | None = None
    """Passphrase of `hot_keystore`. From the environment or a file only."""
    hot_address: Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")] | None = None
    """Address of the key in `hot_keystore`: the file must hold this one."""
    tokens: Annotated[tuple[TokenSettings, ...], FromOtherFiles()] = ()
    """The enabled tokens of this chain, from their own files."""

    @model_validator(mode="after")
    def _check_evm(self) -> Self:
        if self.custody == "node":
            raise problem('an evm currency has custody = "seed" or "watch_only"')
        if self.is_watch_only and self.deposit_xpub is not None:
            check_account_key(self.deposit_xpub)
        keystore = (self.hot_keystore, self.hot_keystore_passphrase, self.hot_address)
        if any(part is not None for part in keystore) and None in keystore:
            raise problem("hot_keystore, hot_keystore_passphrase and hot_address belong together")
        if self.hot_keystore is not None and self.hot_xpub is not None:
            raise problem("hot_keystore and hot_xpub exclude each other: the hot key is of one of them")
        if self.priority_fee_gwei > self.max_fee_gwei:
            raise problem("priority_fee_gwei is larger than max_fee_gwei")
        self.check_leaves_fee(self.plain_fee_max)
        if self.payout_gas_limit_max < self.gas_limit:
            raise problem("payout_gas_limit_max is smaller than gas_limit")
        return self

    @property
    def has_hot_apart(self) -> bool:
        """A keystore is no part of the seed."""
        return self.is_watch_only or self.hot_keystore is not None

    def token_of(self, currency: str) -> TokenSettings | None:
        """The enabled token of that name on this chain, None for the chain's own coin and for others'."""
        return next((token for token in self.tokens if token.currency == currency), None)

    @property
    def plain_fee_max(self) -> int:
        """Price of a plain payment at the highest price per gas, in wei."""
        return self.gas_limit * self.max_fee_wei

    @property
    def max_fee_wei(self) -> int:
        """Highest fee per gas in wei."""
        return self.max_fee_gwei * 10**9

    @property
    def priority_fee_wei(self) -> int:
        """Tip per gas in wei."""
        return self.priority_fee_gwei * 10**9
