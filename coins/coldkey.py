"""The account key of a cold wallet that clients pay to: custody ``watch_only``."""

from __future__ import annotations

from coins.bip32 import HARDENED, Bip32Error, PublicNode, parse_xpub
from coins.errors import UnsupportedError
from coins.family import Signer

_NO_PARENT = b"\0\0\0\0"


def cold_account(currency: str, xpub: str) -> PublicNode:
    """The node of a configured account key. Raises UnsupportedError; the text is checked whole.

    An account is three levels deep and hardened (BIP 44): a key of another level has other addresses than the
    wallet shows.
    """
    try:
        node = parse_xpub(xpub)
    except Bip32Error as error:
        raise UnsupportedError(f"{currency}: deposit_xpub: {error}") from None
    if node.depth != 3 or node.child_number < HARDENED:
        raise UnsupportedError(
            f"{currency}: deposit_xpub: an account key is needed (m/purpose'/coin'/account'),"
            f" this one is {node.depth} levels deep"
        )
    return node


async def check_cold(currency: str, xpub: str, signer: Signer) -> None:
    """Refuse a key of the signer's own seed, which would be cold by name only. Raises UnsupportedError.

    An account of the same parent is of the same seed; most wallets write the parent's fingerprint.
    """
    cold = cold_account(currency, xpub)
    for account in (0, 1):
        held = parse_xpub(await signer.account_xpub(currency, account))
        is_sibling = cold.parent_fingerprint == held.parent_fingerprint != _NO_PARENT
        if cold.public_key == held.public_key or is_sibling:
            raise UnsupportedError(
                f"{currency}: deposit_xpub is of the cashier's own seed, so its keys are not cold:"
                ' name the key of another wallet, or set custody = "seed"'
            )
