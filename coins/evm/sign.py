"""Signs account payments. Runs in the signer process, the only place that has the seed.

``sign_plan`` believes nothing it is shown: recipient, amount, nonce and fee must be the same in the
plan and in the payload (of a token: in its calldata, to the contract of our own configuration), the
sender must be derived from the seed, a sweep may go to our own hot account only, and what was signed is
decoded and compared again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from coincurve import PublicKey

from coins.bip32 import (
    Bip32Error,
    PrivateNode,
    account_node,
    derive_private,
    neuter,
    public_key_of,
    serialize,
)
from coins.errors import InvalidAddressError, SignerError
from coins.eth_library import Account
from coins.evm.address import parse_address, script_of_public_key, to_checksum
from coins.evm.derive import DEPOSIT_ACCOUNT, EXTERNAL, HOT_ACCOUNT
from coins.evm.raw import check_signed, tx_fields
from coins.evm.tx import CANCEL, COLD, SWEEP, TOP_UP, UnsignedTx, check_plan
from coins.types import AttemptPlan, Branch, SignedTx
from config.schema import EvmCoinSettings

PURPOSE = 44


def account_xpub(seed: bytes, settings: EvmCoinSettings, account: int) -> str:
    """Extended public key of ``m/44'/coin'/account'``."""
    return serialize(neuter(account_node(seed, PURPOSE, settings.bip44_coin, account)))


def sign_plan(seed: bytes, settings: EvmCoinSettings, plan: AttemptPlan, hot_secret: bytes = b"") -> SignedTx:
    """Sign exactly this plan; the same plan gives the same bytes (RFC 6979). Raises SignerError.

    ``hot_secret`` is the hot account's key where a keystore holds it, and not the seed. ``settings`` are of
    the chain; the plan may be in its own currency or in one of its tokens.
    """
    token = settings.token_of(plan.currency)
    if token is None:
        tx = check_plan(plan, settings.currency, settings.chain_id)
    else:
        tx = check_plan(plan, token.currency, settings.chain_id, token.contract_script)
    keys = _Keys(seed, settings, hot_secret)
    key = _sender_key(keys, plan)
    _check_bounds(settings, plan, tx)
    if plan.kind == SWEEP and plan.outputs[0].script != _script(keys.of(Branch.HOT, 0)):
        raise SignerError("a sweep goes to our own hot account and nowhere else")
    if plan.kind == COLD:
        _check_cold(plan, (token or settings).cold_address)
    signed = Account.sign_transaction(tx_fields(tx), key.secret)
    result = SignedTx("0x" + signed.hash.hex(), "0x" + signed.raw_transaction.hex())
    check_signed(result, tx, _script(key))
    return result


def _check_cold(plan: AttemptPlan, cold_address: str | None) -> None:
    """Money for the cold address goes to the one of our own configuration and nowhere else."""
    if cold_address is None:
        raise SignerError(f"no cold_address of {plan.currency} is configured")
    try:
        cold = parse_address(cold_address).script
    except InvalidAddressError as error:
        raise SignerError(f"the configured cold_address {error}") from None
    if plan.outputs[0].script != cold:
        raise SignerError("this does not go to the configured cold_address")


@dataclass(frozen=True, slots=True)
class _Keys:
    """The keys of one chain: the seed's, and that of the hot account where a keystore holds it."""

    seed: bytes = field(repr=False)
    settings: EvmCoinSettings
    hot_secret: bytes = field(repr=False)

    def of(self, branch: Branch, index: int) -> PrivateNode:
        """Private node of an own account. Raises SignerError."""
        if branch is Branch.HOT and self.settings.hot_keystore is not None:
            if index or not self.hot_secret:
                raise SignerError("the only hot account is that of the keystore, and it is not open")
            return PrivateNode(self.hot_secret, b"")
        account = HOT_ACCOUNT if branch is Branch.HOT else DEPOSIT_ACCOUNT
        try:
            node = account_node(self.seed, PURPOSE, self.settings.bip44_coin, account)
            return derive_private(node, (EXTERNAL, index))
        except Bip32Error as error:
            raise SignerError(f"the sender's index is wrong: {error}") from None


def _sender_key(keys: _Keys, plan: AttemptPlan) -> PrivateNode:
    """Key of the plan's sender, once the sender is what the seed says it is."""
    sender = plan.sender
    if sender is None:
        raise SignerError("the plan has no sender")
    wanted = Branch.DEPOSIT if plan.kind == SWEEP else Branch.HOT
    if sender.branch is not wanted:
        raise SignerError(f"a {plan.kind} is not sent from a {sender.branch.value} account")
    settings = keys.settings
    if settings.is_watch_only and wanted is Branch.DEPOSIT:
        raise SignerError(f"deposits of {settings.currency} are in a cold wallet, not on this seed")
    key = keys.of(sender.branch, sender.index)
    script = _script(key)
    if script != sender.script or to_checksum(script) != sender.address:
        raise SignerError("the sender is not an account of this seed")
    return key


def _check_bounds(settings: EvmCoinSettings, plan: AttemptPlan, tx: UnsignedTx) -> None:
    """Refuse gas or a price above the configured bounds, and more gas sent than a token's sweep may cost."""
    token = settings.token_of(plan.currency) if plan.kind != CANCEL else None
    gas_max = settings.gas_limit if plan.kind == SWEEP else settings.payout_gas_limit_max
    gas_max = gas_max if token is None else token.gas_limit
    if not 21_000 <= tx.gas <= gas_max:
        raise SignerError(f"{tx.gas} gas is outside 21000 … {gas_max}")
    if tx.max_fee_wei > settings.max_fee_wei:
        raise SignerError(f"{tx.max_fee_wei} wei per gas is above the configured {settings.max_fee_wei}")
    dearest = max((each.gas_limit for each in settings.tokens), default=0) * settings.max_fee_wei
    if plan.kind == TOP_UP and tx.value > dearest:
        raise SignerError(f"{tx.value} wei are more than the sweep of a token may cost")


def _script(node: PrivateNode) -> bytes:
    """Account (20 bytes) of a private node."""
    return script_of_public_key(PublicKey(public_key_of(node.secret)).format(compressed=False))
