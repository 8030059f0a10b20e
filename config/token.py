"""The settings of one token: an ERC-20 contract on a chain that has a file of its own.

A token has no node, no keys and no custody: it travels with its parent, whose `tokens` the loader fills.
"""

import re
from typing import Annotated, ClassVar, Literal

from eth_hash.auto import keccak
from pydantic import AfterValidator, Field

from config.currency import Amount, CurrencySettings
from config.fields import problem

__all__ = ["ContractAddress", "Finality", "TokenSettings"]

Finality = Literal["confirmations", "safe", "finalized"]

_CONTRACT = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)


def _contract(text: str) -> str:
    """Check the address of a contract, EIP-55 when its letters are of both cases; gives it in EIP-55 form."""
    if not _CONTRACT.fullmatch(text):
        raise problem("is no address of a contract: expected 0x and 40 hex digits")
    digits = text[2:].lower()
    if not int(digits, 16):
        raise problem("is the zero address: no contract is there")
    digest = keccak(digits.encode("ascii")).hex()
    letters = zip(digits, digest, strict=False)
    checked = "".join(letter.upper() if int(nibble, 16) >= 8 else letter for letter, nibble in letters)
    if text[2:] not in (digits, digits.upper(), checked):
        raise problem("has a wrong EIP-55 checksum: a letter was changed")
    return "0x" + checked


ContractAddress = Annotated[str, AfterValidator(_contract)]
"""Address of a contract; mixed case must be right (EIP-55), kept in that form."""


class TokenSettings(CurrencySettings):
    """A token (ERC-20) of a chain of Ethereum's kind."""

    IDENTITY: ClassVar[tuple[str, ...]] = (
        *CurrencySettings.IDENTITY, "family", "parent", "chain_id", "contract",
    )  # fmt: skip

    family: Literal["evm"]
    """The kind of node."""
    parent: str
    """Currency of the chain the token lives on; its node, keys and gas are used."""
    contract: ContractAddress
    """Address of the token's contract on this network; the name a contract gives itself means nothing."""
    chain_id: Annotated[int, Field(ge=1, le=2**63 - 1)]
    """Chain id (EIP-155), the parent's."""
    finality: Finality = "confirmations"
    """When a credit is safe, the parent's."""
    gas_limit: Annotated[int, Field(ge=21_000, le=30_000_000)] = 100_000
    """Gas of a transfer of this token."""
    sweep_threshold: Amount
    """Balance of a deposit address, in this token, from which it is swept to the hot wallet."""

    @property
    def contract_script(self) -> bytes:
        """The contract's address as 20 bytes."""
        return bytes.fromhex(self.contract[2:])
