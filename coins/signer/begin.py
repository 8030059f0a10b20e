"""The two files of a new cashier: its seed, and the record of what was signed with it."""

from __future__ import annotations

from pathlib import Path

from coins.signer.errors import SignerStartError
from coins.signer.record import create_record, record_path
from coins.signer.seed import generate_seed_file, load_seed
from config.schema import SignerSettings


def begin_seed(settings: SignerSettings) -> Path:
    """Make the seed and its empty record; answers the path. Raises SignerStartError, never overwrites."""
    generate_seed_file(settings.seed_file, passphrase_of(settings))
    return settings.seed_file


def begin_record(settings: SignerSettings) -> Path:
    """Make the empty record of a seed that has none (any more). Raises SignerStartError, never overwrites."""
    path = record_path(settings.seed_file)
    create_record(path, load_seed(settings.seed_file, passphrase_of(settings)))
    return path


def passphrase_of(settings: SignerSettings) -> str:
    """The passphrase of the seed. Raises SignerStartError where none is set."""
    if settings.passphrase is None:
        raise SignerStartError(
            "no passphrase of the seed: set CASHIER__SIGNER__PASSPHRASE_FILE (or CASHIER__SIGNER__PASSPHRASE)"
        )
    return settings.passphrase.get_secret_value()
