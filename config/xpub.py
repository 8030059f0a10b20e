"""Extended public keys (BIP 32, prefixes by SLIP-132), as far as their text tells.

Checksum, depth and curve are checked when the coin is opened.
"""

from __future__ import annotations

import re

from config.fields import problem

_XPUB = re.compile(r"[xyztuv]pub[1-9A-HJ-NP-Za-km-z]{100,112}", re.ASCII)
_PRIVATE = re.compile(r"\s*[a-z]prv", re.ASCII | re.IGNORECASE)


def check_xpub(text: str) -> str:
    """The text of an extended public key. Raises PydanticCustomError, which never shows the text.

    A private key is told as such: whoever wrote it there must know that it is no secret any more.
    """
    if _PRIVATE.match(text):
        raise problem(
            "is an extended private key and is not taken: write the public one; who could read this has the"
            " private one, so move what it holds"
        )
    if not _XPUB.fullmatch(text):
        raise problem("is not an extended public key")
    return text


def check_p2wpkh_key(text: str, network: str) -> None:
    """Whether the prefix of a cold wallet's key fits P2WPKH addresses and the network.

    That is `zpub` or `vpub`, and `xpub` or `tpub`, which many wallets write for any kind of script. A wallet
    of another kind would show other addresses for the same key. Raises PydanticCustomError.
    """
    prefix = text[:4]
    if prefix in ("ypub", "upub"):
        raise problem(f"deposit_xpub: {prefix} is of a wallet with P2SH-P2WPKH addresses, ours are P2WPKH")
    wanted = ("xpub", "zpub") if network == "mainnet" else ("tpub", "vpub")
    if prefix not in wanted:
        raise problem(f"deposit_xpub begins with {' or '.join(wanted)} on {network}, not with {prefix}")


def check_account_key(text: str) -> None:
    """Whether a key is written as chains without own prefixes do. Raises PydanticCustomError."""
    if not text.startswith("xpub"):
        raise problem(f"deposit_xpub begins with xpub on this chain, not with {text[:4]}")
