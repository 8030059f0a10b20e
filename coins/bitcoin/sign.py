"""What the signer process does for this family: account keys, and signatures for exactly one plan.

bitcoinlib signs, for it was found right for P2WPKH. It is fenced in:
- importing it writes a folder, so it is imported on demand, with BCL_DATA_DIR set to a private one;
- its network name does not matter, since it is given scripts, never addresses (its regtest network
  has wrong address bytes, its taproot addresses cannot be spent from);
- its own txid is stale after signing, so the txid is computed from the signed bytes;
- every signature is checked against a digest computed here (BIP 143) before the bytes leave.
"""

from __future__ import annotations

import atexit
import importlib
import logging
import os
import shutil
import tempfile
import warnings
from functools import cache
from typing import Any

from coincurve import PublicKey

from coins.bip32 import (
    TPUB_VERSION,
    XPUB_VERSION,
    Bip32Error,
    PrivateNode,
    account_node,
    derive_private,
    neuter,
    public_key_of,
    serialize,
)
from coins.bitcoin.address import parse_address, script_of_key_hash
from coins.bitcoin.derive import PATH_OF, PURPOSE, hash160, network_of
from coins.bitcoin.plan import check_signed, unsigned_tx
from coins.bitcoin.select import INPUTS_MAX, tx_vsize
from coins.bitcoin.wire import SIGHASH_ALL, Tx, TxOut, decode_tx, p2wpkh_sighashes
from coins.errors import InvalidAddressError, SignerError
from coins.types import CONSOLIDATE, CPFP, AttemptPlan, Branch, OwnScript, SignedTx
from config.schema import BitcoinCoinSettings

COLD = "cold"
_CHANGE_VSIZE = 31  # virtual bytes of a P2WPKH output
_INPUT_VSIZE = 69  # and of the input that spends it


def account_xpub(seed: bytes, settings: BitcoinCoinSettings, account: int) -> str:
    """Extended public key of ``m/84'/coin'/account'``: ``xpub`` on a main network, else ``tpub``."""
    version = XPUB_VERSION if settings.network == "mainnet" else TPUB_VERSION
    return serialize(neuter(_account(seed, settings, account)), version)


def sign_plan(seed: bytes, settings: BitcoinCoinSettings, plan: AttemptPlan) -> SignedTx:
    """Sign exactly this plan; the same plan gives the same bytes.

    Raises SignerError, and has signed nothing then, when: the payload is not the chain tx that the
    plan describes; an input or the change is not a script of this seed; fee, fee rate, amount or
    number of inputs is outside the configured bounds; a child pays anywhere but back to its change script;
    small outputs are brought together anywhere but on one change script.
    """
    if plan.currency != settings.currency or plan.kind not in ("payout", COLD, CPFP, CONSOLIDATE):
        raise SignerError(f"no {plan.kind} of {plan.currency} is signed with the key of {settings.currency}")
    if plan.kind == COLD:
        _check_cold(plan, settings)
    tx = unsigned_tx(plan)
    _check_bounds(plan, settings)
    if plan.kind == CPFP:
        _check_child(plan)
    if plan.kind == CONSOLIDATE:
        _check_consolidation(plan, settings)
    keys = [_own_key(seed, settings, utxo.own) for utxo in plan.inputs]
    if plan.change is not None:
        if plan.change.branch is not Branch.CHANGE:
            raise SignerError("the change does not go to the change branch")
        _own_key(seed, settings, plan.change)
    spent = [TxOut(utxo.amount, utxo.own.script) for utxo in plan.inputs]
    signed = check_signed(plan, _sign(tx, spent, keys).hex())
    _check_signatures(signed, spent)
    return signed


def _check_cold(plan: AttemptPlan, settings: BitcoinCoinSettings) -> None:
    """Money for the cold address pays the one of our own configuration and nobody beside it."""
    if settings.cold_address is None:
        raise SignerError(f"no cold_address of {settings.currency} is configured")
    try:
        cold = parse_address(settings.cold_address, network_of(settings)).script
    except InvalidAddressError as error:
        raise SignerError(f"the configured cold_address {error}") from None
    payees = plan.outputs[:-1] if plan.change is not None else plan.outputs
    if plan.more or [output.script for output in payees] != [cold]:
        raise SignerError("this does not go to the configured cold_address alone")


def _account(seed: bytes, settings: BitcoinCoinSettings, account: int) -> PrivateNode:
    """Private account node. Raises SignerError."""
    if account not in (0, 1):
        raise SignerError(f"there is no account {account}: 0 holds deposits, 1 the hot wallet")
    try:
        return account_node(seed, PURPOSE, settings.bip44_coin, account)
    except Bip32Error as error:
        raise SignerError(str(error)) from None


def _own_key(seed: bytes, settings: BitcoinCoinSettings, own: OwnScript) -> bytes:
    """Secret key of an own script, after the proof that the script is that key's."""
    if own.branch not in PATH_OF:
        raise SignerError(f"no key of this seed is on the branch {own.branch.value}")
    if settings.is_watch_only and own.branch is Branch.DEPOSIT:
        raise SignerError(f"deposits of {settings.currency} are in a cold wallet, not on this seed")
    account, chain = PATH_OF[own.branch]
    try:
        secret = derive_private(_account(seed, settings, account), (chain, own.index)).secret
    except Bip32Error as error:
        raise SignerError(str(error)) from None
    if own.script != script_of_key_hash(hash160(public_key_of(secret))):
        raise SignerError(f"the script at {own.branch.value}:{own.index} is not one of this seed")
    return secret


def _check_bounds(plan: AttemptPlan, settings: BitcoinCoinSettings) -> None:
    """Fee, fee rate, amount and size within what the configuration allows."""
    if plan.fee > settings.max_tx_fee:
        raise SignerError(f"fee {plan.fee} is above max_tx_fee {settings.max_tx_fee}")
    if len(plan.inputs) > INPUTS_MAX:
        raise SignerError(f"{len(plan.inputs)} inputs are more than {INPUTS_MAX}")
    vsize = tx_vsize([utxo.own.script for utxo in plan.inputs], [out.script for out in plan.outputs])
    if plan.fee < vsize * settings.fee_rate.min:
        raise SignerError(
            f"fee {plan.fee} for {vsize} bytes is below the lowest rate {settings.fee_rate.min}"
        )
    if plan.kind == CPFP:  # pays for its parent too, whose size is not told here, and moves nothing out
        return
    # Change not worth its output and its spending some day went to the fee: that much more is right.
    rates = settings.fee_rate
    spared = _CHANGE_VSIZE * rates.max + max(settings.dust, _INPUT_VSIZE * rates.fallback)
    if plan.fee > rates.max * vsize + (0 if plan.change else spared):
        raise SignerError(
            f"fee {plan.fee} for {vsize} bytes is above the highest rate {settings.fee_rate.max}"
        )
    paid = sum(out.amount for out in plan.payees)
    if plan.kind != COLD and paid > settings.signer_tx_cap:
        raise SignerError(f"amount {paid} is above signer_tx_cap {settings.signer_tx_cap}")
    if len(plan.more) >= settings.batch_max:
        raise SignerError(f"{1 + len(plan.more)} payees are more than batch_max {settings.batch_max}")


def _check_child(plan: AttemptPlan) -> None:
    """It spends one output of our change and pays it back to the same script, less the fee."""
    scripts = [out.script for out in plan.outputs]
    own = [utxo.own for utxo in plan.inputs]
    is_back = len(own) == 1 and scripts == [own[0].script] and own[0].branch is Branch.CHANGE
    if not is_back or plan.change is not None or plan.more:
        raise SignerError("a child pays one change output back to its own script, and nobody else")


def _check_consolidation(plan: AttemptPlan, settings: BitcoinCoinSettings) -> None:
    """Its only output is its change, whose key is derived and compared as any change's."""
    if settings.consolidate_fee_rate_max_sat_vb is None:
        raise SignerError(f"no consolidate_fee_rate_max_sat_vb of {settings.currency} is configured")
    if plan.change is None or plan.payees or plan.more:
        raise SignerError("what brings outputs together pays one change script of ours, and nobody else")


def _sign(tx: Tx, spent: list[TxOut], keys: list[bytes]) -> bytes:
    """Signed bytes by bitcoinlib."""
    keys_module, transactions = _bitcoinlib()
    signed = transactions.Transaction(network="bitcoin", witness_type="segwit", version=tx.version)
    holders = [keys_module.Key(secret.hex(), network="bitcoin", compressed=True) for secret in keys]
    for txin, out, holder in zip(tx.inputs, spent, holders, strict=True):
        signed.add_input(
            txin.outpoint.txid,
            txin.outpoint.index,
            keys=holder.public_hex,
            value=out.amount,
            witness_type="segwit",
            sequence=txin.sequence,
        )
    for out in tx.outputs:
        signed.add_output(out.amount, lock_script=out.script)
    signed.locktime = tx.locktime
    for number, holder in enumerate(holders):
        signed.sign(holder, index_n=number)
    raw: bytes = signed.raw()
    return raw


def _check_signatures(signed: SignedTx, spent: list[TxOut]) -> None:
    """Every input must hold a good signature of the key its script names, and nothing else."""
    tx = decode_tx(bytes.fromhex(signed.raw))
    for txin, out, digest in zip(tx.inputs, spent, p2wpkh_sighashes(tx, spent), strict=True):
        if len(txin.witness) != 2 or txin.script_sig:
            raise SignerError("an input was not signed as P2WPKH")
        signature, key = txin.witness
        if script_of_key_hash(hash160(key)) != out.script or signature[-1:] != bytes((SIGHASH_ALL,)):
            raise SignerError("an input was signed with another key or hash type")
        try:
            is_good = PublicKey(key).verify(signature[:-1], digest, hasher=None)
        except ValueError:
            is_good = False
        if not is_good:
            raise SignerError("a signature does not fit its chain tx")


@cache
def _bitcoinlib() -> tuple[Any, Any]:
    """bitcoinlib's modules ``keys`` and ``transactions``; its folder is removed at exit."""
    folder = tempfile.mkdtemp(prefix="signer-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["BCL_DATA_DIR"] = folder
    with warnings.catch_warnings():
        # It warns about its own use of an older SQLAlchemy, which nobody here can change.
        warnings.simplefilter("ignore")
        keys_module = importlib.import_module("bitcoinlib.keys")
        transactions = importlib.import_module("bitcoinlib.transactions")
    logger = logging.getLogger("bitcoinlib")  # nothing of the signer is written into a file of its choice
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return keys_module, transactions
