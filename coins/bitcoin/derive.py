"""Own addresses, from account keys (public) or from the node's wallet, and the check of foreign ones."""

from __future__ import annotations

import asyncio
from hashlib import new as new_hash
from hashlib import sha256

from coins.bip32 import HARDENED, Bip32Error, PublicNode, child_public, derive_public, parse_xpub
from coins.bitcoin.address import Network, address_of, parse_address, script_of_key_hash
from coins.bitcoin.answer import as_bool, as_bytes, as_object, as_text
from coins.bitcoin.rpc import RpcClient, RpcError
from coins.errors import InvalidAddressError, NodeDataError, UnsupportedError
from coins.types import Branch, ForeignAddress, OwnScript
from config.schema import BitcoinCoinSettings

PURPOSE = 84  # BIP 84: P2WPKH
# Account and chain below it: the account keys are m/84'/coin'/account'.
PATH_OF: dict[Branch, tuple[int, int]] = {
    Branch.DEPOSIT: (0, 0),
    Branch.HOT: (1, 0),
    Branch.CHANGE: (1, 1),
}
_URI_SCHEMES = {"BTC": "bitcoin", "LTC": "litecoin"}
_NO_LABEL = -11


def network_of(settings: BitcoinCoinSettings) -> Network:
    """Address bytes by these settings."""
    return Network(settings.p2pkh, settings.p2sh, settings.hrp)


def hash160(data: bytes) -> bytes:
    """RIPEMD-160 of SHA-256: what P2WPKH commits to."""
    return new_hash("ripemd160", sha256(data).digest()).digest()


class _Foreign:
    """What both kinds of derivers share: foreign addresses and payment URIs."""

    def __init__(self, settings: BitcoinCoinSettings) -> None:
        self._network = network_of(settings)
        self._scheme = _URI_SCHEMES.get(settings.currency, settings.name.lower().replace(" ", ""))

    def parse(self, text: str) -> ForeignAddress:
        """See AddressDeriver."""
        return parse_address(text, self._network)

    def uri(self, address: str, currency: str = "") -> str:
        """See AddressDeriver: BIP 21 without parameters."""
        return f"{self._scheme}:{address}"


class XpubDeriver(_Foreign):
    """P2WPKH scripts from the two account keys; about 60 µs each.

    Of custody ``seed`` both are the seed's. Of custody ``watch_only`` the deposits' is a cold wallet's, and
    the change of that wallet can be told as well.
    """

    def __init__(self, settings: BitcoinCoinSettings, deposit_xpub: str, hot_xpub: str) -> None:
        """Raises UnsupportedError for a text that is no account key."""
        super().__init__(settings)
        accounts = (_account(deposit_xpub, "deposit"), _account(hot_xpub, "hot"))
        self._chains = {
            branch: child_public(accounts[account], chain) for branch, (account, chain) in PATH_OF.items()
        }
        if settings.is_watch_only:
            self._chains[Branch.COLD_CHANGE] = child_public(accounts[0], 1)

    async def derive(self, branch: Branch, index: int) -> OwnScript:
        """See AddressDeriver."""
        return self.derive_now(branch, index)

    def derive_now(self, branch: Branch, index: int) -> OwnScript:
        """As :meth:`derive`, without waiting. Raises Bip32Error for an index outside 0 … 2^31-1."""
        if branch not in self._chains:
            raise UnsupportedError(f"no account key makes addresses of the branch {branch.value}")
        key = child_public(self._chains[branch], index).public_key
        script = script_of_key_hash(hash160(key))
        return OwnScript(script, address_of(script, self._network), branch, index)


class NodeDeriver(_Foreign):
    """Custody ``node``: addresses of the node's wallet, each labelled with what it was made for.

    The label makes the answer repeatable: after a crash the address that was made for the same
    branch and index is found again.
    """

    def __init__(self, settings: BitcoinCoinSettings, rpc: RpcClient) -> None:
        super().__init__(settings)
        self._rpc = rpc
        self._wallet = settings.wallet
        self._making = asyncio.Lock()

    async def derive(self, branch: Branch, index: int) -> OwnScript:
        """See AddressDeriver. Raises NodeDataError for an address that is not the wallet's."""
        label = f"{branch.value}:{index}"
        async with self._making:
            address = await self._find(label)
            if address is None:
                # Asked again by its label: if an answer was lost there are two, and the first counts.
                made = await self._make(branch, label)
                address = await self._find(label) or made
        try:
            parsed = self.parse(address)
        except InvalidAddressError as error:
            raise NodeDataError(f"the wallet gave an address that {error}") from None
        info = as_object(
            await self._rpc.call("getaddressinfo", address, wallet=self._wallet), "getaddressinfo"
        )
        script = as_bytes(info.get("scriptPubKey"), "scriptPubKey")
        if script != parsed.script or not as_bool(info.get("ismine"), "ismine"):
            raise NodeDataError(f"address {address} does not belong to wallet {self._wallet}")
        return OwnScript(script, parsed.address, branch, index)

    async def _find(self, label: str) -> str | None:
        """The address with this label; the first in order if a crash left several."""
        try:
            answer = await self._rpc.call("getaddressesbylabel", label, wallet=self._wallet)
        except RpcError as error:
            if error.code == _NO_LABEL:
                return None
            raise
        return min(as_object(answer, "getaddressesbylabel"), default=None)

    async def _make(self, branch: Branch, label: str) -> str:
        """A new address; change comes from the wallet's own change chain and is labelled afterwards."""
        if branch is not Branch.CHANGE:
            answer = await self._rpc.call("getnewaddress", label, "bech32", wallet=self._wallet)
            return as_text(answer, "getnewaddress")
        answer = await self._rpc.call("getrawchangeaddress", "bech32", wallet=self._wallet)
        address = as_text(answer, "getrawchangeaddress")
        await self._rpc.call("setlabel", address, label, wallet=self._wallet)
        return address


def _account(xpub: str, name: str) -> PublicNode:
    """Node of an account key: three levels deep, the last one hardened."""
    try:
        node = parse_xpub(xpub)
    except Bip32Error as error:
        raise UnsupportedError(f"{name}_xpub: {error}") from None
    if node.depth != 3 or node.child_number < HARDENED:
        raise UnsupportedError(f"{name}_xpub: an account key m/{PURPOSE}'/coin'/account' is needed")
    return derive_public(node, ())
