"""The seed file: a BIP39 mnemonic of 24 words, encrypted with age under a passphrase.

Any age tool opens it (``age -d seed.age``), any BIP39 wallet takes the words. Opening costs about
a second of scrypt, once at start.
"""

from __future__ import annotations

import hashlib
import secrets
import time
import unicodedata
from pathlib import Path

import pyrage  # type: ignore[import-untyped]

from coins.eth_library import Language, Mnemonic
from coins.signer.errors import SeedFileError
from coins.signer.own_file import OwnFileError, read_own, write_new
from coins.signer.record import create_record, record_path

ENTROPY_BYTES = 32
PASSPHRASE_MIN = 8
_FILE_MAX = 65_536
_BIP39_ROUNDS = 2048
_TOO_MUCH_WORK = "Excessive work"  # how the age library begins to say it
_TRIES = 12
_TRY_AGAIN_S = 0.2


def generate_seed_file(path: Path, passphrase: str) -> None:
    """Write a new random seed to ``path`` (mode 0600), never over an existing file.

    Raises SeedFileError: the file exists, the folder cannot be written, the passphrase is shorter
    than eight characters.
    """
    write_seed_file(path, _words().to_mnemonic(secrets.token_bytes(ENTROPY_BYTES)), passphrase)


def write_seed_file(path: Path, mnemonic: str, passphrase: str) -> None:
    """Encrypt an existing mnemonic into a new file; as :func:`generate_seed_file`.

    The empty record of what it signed is made beside it.
    """
    normal = _normal(mnemonic)
    if not _words().is_mnemonic_valid(normal):
        raise SeedFileError("these words are no BIP39 mnemonic (a word or their checksum is wrong)")
    if len(passphrase) < PASSPHRASE_MIN:
        raise SeedFileError(f"the passphrase of the seed has less than {PASSPHRASE_MIN} characters")
    if path.exists():
        raise SeedFileError(f"{path} exists: a seed is never overwritten")
    if record_path(path).exists():
        raise SeedFileError(f"{record_path(path)} exists: it is the record of another seed")
    data = pyrage.passphrase.encrypt(normal.encode(), passphrase)
    try:
        write_new(path, data)
    except FileExistsError:
        raise SeedFileError(f"{path} exists: a seed is never overwritten") from None
    except OSError as error:
        raise SeedFileError(f"cannot write the seed file {path}: {error.strerror}", 3) from None
    create_record(record_path(path), seed_of(normal))


def load_seed(path: Path, passphrase: str) -> bytes:
    """The 64-byte BIP39 seed of a seed file. Raises SeedFileError; the text holds no secret."""
    data = _read(path)
    try:
        mnemonic = _normal(_decrypted(path, data, passphrase).decode())
    except UnicodeDecodeError:
        raise SeedFileError(f"the seed file {path} holds no mnemonic") from None
    if not _words().is_mnemonic_valid(mnemonic):
        raise SeedFileError(f"the seed file {path} holds no BIP39 mnemonic")
    return seed_of(mnemonic)


def _decrypted(path: Path, data: bytes, passphrase: str) -> bytes:
    """What an age file holds. Raises SeedFileError.

    The age library first measures for some milliseconds how fast this machine is, and refuses a file whose
    scrypt would take it much longer than a second. On a busy machine one such measurement says little.
    """
    for _ in range(_TRIES):
        try:
            found: bytes = pyrage.passphrase.decrypt(data, passphrase)
            return found
        except pyrage.DecryptError as error:
            if not str(error).startswith(_TOO_MUCH_WORK):
                raise SeedFileError(
                    f"cannot open the seed file {path}: wrong passphrase, or the file is damaged"
                ) from None
        time.sleep(_TRY_AGAIN_S)
    raise SeedFileError(
        f"cannot open the seed file {path}: its scrypt work factor is too high for this machine, "
        "or the machine is far too busy",
        3,
    )


def seed_of(mnemonic: str) -> bytes:
    """BIP39: 64-byte seed of a mnemonic, without a BIP39 passphrase."""
    return hashlib.pbkdf2_hmac("sha512", _normal(mnemonic).encode(), b"mnemonic", _BIP39_ROUNDS)


def _read(path: Path) -> bytes:
    """Content of a seed file that only its owner may read."""
    try:
        return read_own(path, "seed file", _FILE_MAX)
    except OwnFileError as error:
        raise SeedFileError(str(error), error.exit_code) from None


def _words() -> Mnemonic:
    """The English word list of BIP39."""
    return Mnemonic(Language.ENGLISH)


def _normal(mnemonic: str) -> str:
    """Words with one space between them, NFKD as BIP39 asks."""
    return " ".join(unicodedata.normalize("NFKD", mnemonic).split())
