"""Random names of things, from a source of randomness that is handed in."""

from __future__ import annotations

import secrets
from collections.abc import Callable

RandomBytes = Callable[[int], bytes]


class Ids:
    """Makes ids such as ``at_3f…``: a prefix and 128 random bits in hex."""

    def __init__(self, random_bytes: RandomBytes = secrets.token_bytes) -> None:
        """Draw from ``random_bytes``; a simulation hands in a seeded source."""
        self.random_bytes = random_bytes

    def new(self, prefix: str) -> str:
        """A new id; two are equal once in 2^64 draws."""
        return f"{prefix}_{self.random_bytes(16).hex()}"
