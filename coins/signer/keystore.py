"""Keystore files, version 3 (Web3 Secret Storage): one key of an account chain under a passphrase.

The file is hostile until parsed: what is not exactly of the form is refused by the name of its field, and
work that would take the machine down (memory of scrypt, rounds of PBKDF2) before it is begun.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from coincurve import PrivateKey

from coins.eth_library import Account
from coins.signer.errors import KeystoreError
from coins.signer.own_file import OwnFileError, read_own

_FILE_MAX = 16_384
_KEY_BYTES = 32
SCRYPT_N_MAX, SCRYPT_MEMORY_MAX, SCRYPT_WORK_MAX = 2**20, 2**29, 2**23
"""Most blocks, most bytes (128 x n x r), most work (n x r x p): four times what wallets ask for. With more
of it a busy machine would not have the signer ready in its time (30 s), again and again."""
PBKDF2_ROUNDS_MAX = 4_000_000
_HEX = re.compile(r"(?:0x)?((?:[0-9a-fA-F]{2})+)", re.ASCII)


def open_keystore(path: Path, passphrase: str, address: str) -> bytes:
    """The secret key (32 bytes) in a keystore, whose account must be ``address``.

    Some seconds of work at most. Raises KeystoreError; the text holds no secret and nothing of the file.
    """
    try:
        data = read_own(path, "keystore", _FILE_MAX)
    except OwnFileError as error:
        raise KeystoreError(str(error), error.exit_code) from None
    try:
        tree = json.loads(data.decode())
    except (ValueError, RecursionError):
        raise KeystoreError(f"the keystore {path} is no JSON") from None
    try:
        checked = _checked(tree)
    except _FormError as error:
        raise KeystoreError(f"the keystore {path}: {error}") from None
    try:
        secret = bytes(Account.decrypt(checked, passphrase))
        PrivateKey(secret)  # zero and numbers beyond the curve's are no keys
        found = Account.from_key(secret).address
    except ValueError:  # of the library's own texts none is repeated
        raise KeystoreError(
            f"cannot open the keystore {path}: wrong passphrase, or the file is damaged"
        ) from None
    if found.lower() != address.lower():
        raise KeystoreError(f"the keystore {path} holds the key of {found}, hot_address is {address}")
    return secret


class _FormError(Exception):
    """Which field is wrong, and how."""


def _checked(tree: object) -> dict[str, Any]:
    """The parts that are needed, each of its exact form, and nothing else. Raises _FormError."""
    whole = _table(tree, "it")
    if whole.get("version") != 3 or type(whole["version"]) is not int:
        raise _FormError("version is not 3")
    crypto = _table(whole.get("crypto"), "crypto")
    if crypto.get("cipher") != "aes-128-ctr":
        raise _FormError("crypto.cipher is not aes-128-ctr")
    iv = _hex(_table(crypto.get("cipherparams"), "crypto.cipherparams").get("iv"), "cipherparams.iv", 16)
    kdf, params = crypto.get("kdf"), _table(crypto.get("kdfparams"), "crypto.kdfparams")
    if kdf == "scrypt":
        needed = _scrypt(params)
    elif kdf == "pbkdf2":
        needed = _pbkdf2(params)
    else:
        raise _FormError("crypto.kdf is neither scrypt nor pbkdf2")
    return {
        "version": 3,
        "crypto": {
            "cipher": "aes-128-ctr",
            "cipherparams": {"iv": iv},
            "ciphertext": _hex(crypto.get("ciphertext"), "crypto.ciphertext", _KEY_BYTES),
            "kdf": kdf,
            "kdfparams": needed | {"dklen": _number(params, "dklen", 32, 32), "salt": _salt(params)},
            "mac": _hex(crypto.get("mac"), "crypto.mac", 32),
        },
    }


def _scrypt(params: dict[str, Any]) -> dict[str, Any]:
    """n, r and p within what this machine shall do. RFC 7914: n is a power of two."""
    n = _number(params, "n", 2, SCRYPT_N_MAX)
    r, p = _number(params, "r", 1, 64), _number(params, "p", 1, 64)
    if n & (n - 1):
        raise _FormError("crypto.kdfparams.n is no power of two")
    if 128 * n * r > SCRYPT_MEMORY_MAX or n * r * p > SCRYPT_WORK_MAX:
        raise _FormError("crypto.kdfparams ask for more memory or work than is given")
    return {"n": n, "r": r, "p": p}


def _pbkdf2(params: dict[str, Any]) -> dict[str, Any]:
    """Rounds and hash."""
    if params.get("prf") != "hmac-sha256":
        raise _FormError("crypto.kdfparams.prf is not hmac-sha256")
    return {"c": _number(params, "c", 1, PBKDF2_ROUNDS_MAX), "prf": "hmac-sha256"}


def _table(value: object, name: str) -> dict[str, Any]:
    """An object with its names in lower case, as some wallets write ``Crypto``; none twice."""
    if not isinstance(value, dict):
        raise _FormError(f"{name} is no object")
    found = {str(key).lower(): item for key, item in value.items()}
    if len(found) != len(value):
        raise _FormError(f"{name} has a name twice")
    return found


def _number(params: dict[str, Any], name: str, least: int, most: int) -> int:
    value = params.get(name)
    if type(value) is not int or not least <= value <= most:
        raise _FormError(f"crypto.kdfparams.{name} is no whole number from {least} to {most}")
    return value


def _salt(params: dict[str, Any]) -> str:
    match = _HEX.fullmatch(params["salt"]) if isinstance(params.get("salt"), str) else None
    if match is None or len(match[1]) > 128:
        raise _FormError("crypto.kdfparams.salt is no hex text of 1 to 64 bytes")
    return match[1]


def _hex(value: object, name: str, size: int) -> str:
    match = _HEX.fullmatch(value) if isinstance(value, str) else None
    if match is None or len(match[1]) != 2 * size:
        raise _FormError(f"{name} is no hex text of {size} bytes")
    return match[1]
