"""What can be wrong with the signer before it serves. Pure. Texts hold no secret."""

from __future__ import annotations

from coins.errors import SignerError


class SignerStartError(Exception):
    """The signer cannot start: one clear line why. ``exit_code`` 2 is wrong usage, 3 is a missing thing."""

    def __init__(self, reason: str, exit_code: int = 2) -> None:
        super().__init__(reason)
        self.exit_code = exit_code


class SeedFileError(SignerStartError):
    """The seed file is missing, unreadable, of a wrong form, or the passphrase does not open it."""


class KeystoreError(SignerStartError):
    """A keystore is missing, of a wrong form, of another key, or the passphrase does not open it."""


class SignerChildError(SignerError):
    """The signer's process ended before it served; ``exit_code`` is that of its SignerStartError."""

    def __init__(self, reason: str, exit_code: int) -> None:
        super().__init__(reason)
        self.exit_code = exit_code
