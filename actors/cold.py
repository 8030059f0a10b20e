"""Scripts of cold storage: watched as ours, and no key of theirs is in the house."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from actors.directory import Directory
from actors.errors import ColdAddressError
from actors.slot import CoinSlot
from coins.errors import InvalidAddressError
from coins.types import Branch, OwnScript
from config.schema import EvmCoinSettings
from ledger.commands import ReserveScript
from ledger.errors import IdentityChangedError
from ledger.queries import GetColdChange

AHEAD = 100
"""Indices of each branch that a cold address is compared with, given or not; and change addresses of the cold
wallet that are watched beyond the last one used. Wallets go on to the next with each payment."""

Record = Callable[[str, OwnScript, None], Awaitable[object]]


def keeps_change(slot: CoinSlot) -> bool:
    """Whether clients pay to a cold wallet that gets change back when it pays: chains of outputs only."""
    return slot.settings.is_watch_only and slot.settings.family == "bitcoin"


class ColdScripts:
    """What the address actor makes known of cold storage, by ``record``, its own way to do that."""

    def __init__(self, slot: CoinSlot, directory: Directory, record: Record, timeout_s: float) -> None:
        self._slot = slot
        self._directory = directory
        self._record = record
        self._timeout_s = timeout_s

    async def watch(self) -> None:
        """Watch the cold addresses before a block is read; one that was configured once stays watched.

        Raises ColdAddressError for what is no address of this network, or is another address of ours.
        """
        for name, settings in self._slot.currencies.items():
            if settings.cold_address is None:
                continue
            try:
                foreign = self._slot.coin.deriver.parse(settings.cold_address)
            except InvalidAddressError as error:
                raise ColdAddressError(f"cold_address of {name} {error}") from error
            if any(foreign.script == token.contract_script for token in self._slot.tokens):
                raise ColdAddressError(f"cold_address of {name} is the contract of a token")
            await self._check_is_no_other(name, foreign.script)
            purpose = f"cold:{foreign.address}"
            own = OwnScript(
                foreign.script, foreign.address, Branch.COLD, await self._reserve(Branch.COLD, purpose)
            )
            try:
                await self._record(purpose, own, None)
            except IdentityChangedError as error:
                raise ColdAddressError(f"cold_address of {name} is an address of ours: {error}") from error

    async def watch_change(self) -> None:
        """Watch change addresses of the cold wallet, some ahead of the last one it used.

        What it pays to itself would else be taken for money gone.
        """
        currency = self._slot.currency
        view = await self._directory.ask("ledger_reader", GetColdChange(currency), timeout_s=self._timeout_s)
        for number in range(view.watched, view.used + AHEAD):
            purpose = f"{Branch.COLD_CHANGE.value}:{number}"
            index = await self._reserve(Branch.COLD_CHANGE, purpose)
            own = await self._slot.coin.deriver.derive(Branch.COLD_CHANGE, index)
            await self._record(purpose, own, None)

    async def _reserve(self, branch: Branch, purpose: str) -> int:
        """The index of a purpose."""
        command = ReserveScript(self._slot.currency, branch, purpose)
        index: int = await self._directory.ask("ledger", command, timeout_s=self._timeout_s)
        return index

    async def _check_is_no_other(self, name: str, script: bytes) -> None:
        """Refuse a script that is among the first of our own: recorded as cold it could never become what it
        is. Raises ColdAddressError."""
        is_watch_only = self._slot.settings.is_watch_only
        whose = {
            Branch.DEPOSIT: "is an address that clients are given" if is_watch_only else "",
            Branch.HOT: "",
        }
        if self._slot.settings.family == "bitcoin":
            whose[Branch.CHANGE] = ""
        if keeps_change(self._slot):
            whose[Branch.COLD_CHANGE] = "is a change address of deposit_xpub: take one of another account"
        settings = self._slot.settings
        is_one = isinstance(settings, EvmCoinSettings) and settings.hot_keystore is not None
        for branch, reason in whose.items():
            for index in range(1 if is_one and branch is Branch.HOT else AHEAD):
                if (await self._slot.coin.deriver.derive(branch, index)).script == script:
                    reason = reason or "has its key in the cashier's own house"
                    raise ColdAddressError(f"cold_address of {name} {reason}")
