"""Own Ethereum addresses from account xpubs (BIP44), and the check of foreign ones."""

from __future__ import annotations

from coincurve import PublicKey

from coins.bip32 import Bip32Error, PublicNode, child_public, parse_xpub
from coins.coldkey import check_cold
from coins.errors import InvalidAddressError, SignerError, UnsupportedError
from coins.evm.address import parse_address, payment_uri, script_of_public_key, to_checksum, token_uri
from coins.family import Signer
from coins.types import Branch, ForeignAddress, OwnScript
from config.schema import EvmCoinSettings

DEPOSIT_ACCOUNT = 0
HOT_ACCOUNT = 1
EXTERNAL = 0


class EvmDeriver:
    """AddressDeriver: deposits at ``m/44'/coin'/0'/0/i``, hot accounts at ``m/44'/coin'/1'/0/i``."""

    def __init__(self, settings: EvmCoinSettings, deposit_xpub: str, hot_xpub: str | None) -> None:
        """Without ``hot_xpub`` the hot account is that of ``hot_address``, its key in a keystore.

        Raises Bip32Error, InvalidAddressError.
        """
        self._chain_id = settings.chain_id
        self._contracts = {token.currency: token.contract for token in settings.tokens}
        self._chains = {Branch.DEPOSIT: child_public(parse_xpub(deposit_xpub), EXTERNAL)}
        self._hot: OwnScript | None = None
        if hot_xpub is None:
            hot = parse_address(settings.hot_address or "")
            self._hot = OwnScript(hot.script, hot.address, Branch.HOT, 0)
        else:
            self._chains[Branch.HOT] = child_public(parse_xpub(hot_xpub), EXTERNAL)

    def own(self, branch: Branch, index: int) -> OwnScript:
        """The account at ``index``. Raises UnsupportedError for change, Bip32Error for a wild index."""
        if branch is Branch.HOT and index == 0 and self._hot is not None:
            return self._hot
        chain = self._chains.get(branch)
        if chain is None:
            raise UnsupportedError(f"there is no account {branch.value}:{index} on this chain")
        script = script_of(child_public(chain, index))
        return OwnScript(script, to_checksum(script), branch, index)

    async def derive(self, branch: Branch, index: int) -> OwnScript:
        """As :meth:`own`; some 50 µs of curve arithmetic."""
        return self.own(branch, index)

    def parse(self, text: str) -> ForeignAddress:
        """Strict check of a foreign address. Raises InvalidAddressError."""
        return parse_address(text)

    def uri(self, address: str, currency: str = "") -> str:
        """EIP-681 link of an own address, for a token a call of its contract's transfer."""
        contract = self._contracts.get(currency)
        if contract is not None:
            return token_uri(address, contract, self._chain_id)
        return payment_uri(address, self._chain_id)


def script_of(node: PublicNode) -> bytes:
    """Account (20 bytes) of a node's public key."""
    return script_of_public_key(PublicKey(node.public_key).format(compressed=False))


async def open_deriver(settings: EvmCoinSettings, signer: Signer) -> EvmDeriver:
    """A deriver on the signer's account keys.

    A configured xpub must be the signer's own: deposits to keys that the seed does not hold could
    never be swept. With custody ``watch_only`` the deposits' must be a cold wallet's. Raises SignerError,
    UnsupportedError for what is no such key.
    """
    cold, hot = settings.deposit_xpub if settings.is_watch_only else None, None
    if cold is not None:
        await check_cold(settings.currency, cold, signer)
    deposit = cold or await _held(settings, signer, "deposit_xpub", DEPOSIT_ACCOUNT, settings.deposit_xpub)
    if settings.hot_keystore is None:
        hot = await _held(settings, signer, "hot_xpub", HOT_ACCOUNT, settings.hot_xpub)
    try:
        return EvmDeriver(settings, deposit, hot)
    except InvalidAddressError as error:
        raise UnsupportedError(f"{settings.currency}: hot_address {error}") from None


async def _held(
    settings: EvmCoinSettings, signer: Signer, name: str, account: int, configured: str | None
) -> str:
    """The signer's account key, which a configured one must be. Raises SignerError."""
    xpub = await signer.account_xpub(settings.currency, account)
    try:
        is_same = configured is None or _same_key(configured, xpub)
    except Bip32Error as error:
        raise SignerError(f"{settings.currency} {name}: {error}") from None
    if not is_same:
        raise SignerError(f"{settings.currency} {name} is not of the signer's seed")
    return xpub


def _same_key(one: str, other: str) -> bool:
    """Whether two xpubs hold the same key and chain code, whatever their prefix says."""
    a, b = parse_xpub(one), parse_xpub(other)
    return (a.public_key, a.chain_code) == (b.public_key, b.chain_code)
