"""Addresses of one chain: get or create, watched before they are shown. A token's is its chain's."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from actors.answering import AnsweringActor
from actors.clock import Clock
from actors.cold import ColdScripts, keeps_change
from actors.directory import Directory
from actors.errors import DeliveryError
from actors.messages import IssueAddress, IssuedAddress, IssueScript
from actors.registration import identity_fingerprint, registration
from actors.slot import CoinSlot
from coins.errors import CoinError
from coins.types import Branch, OwnScript, location_of
from config.schema import ActorSettings, EvmCoinSettings
from ledger.commands import GetUnrecorded, RecordScript, ReserveScript, SetCurrencyState
from ledger.errors import CurrencyUnavailableError, IdentityChangedError, UnknownCurrencyError
from ledger.queries import GetAddress, ListCurrencies
from ledger.views import AddressView, Outcome

logger = logging.getLogger(__name__)

HOT_PURPOSE = "hot"
RETRY_S = 2.0
CHANGE_LOOK_S = 600.0
"""Pause between two looks whether the cold wallet needs more of its change addresses watched."""


class AddressActor(AnsweringActor):
    """The first actor of a currency: opens the coin, makes it known to the ledger, gives addresses.

    An index is reserved in the ledger first, the script goes into the index of the watcher next, is
    recorded then, and only then shown: a block that pays it can not be scanned without it, or its
    delta is refused and scanned again. What was reserved and not recorded when the process ended is recorded
    at the next start, before a block is read, as nobody's.
    """

    def __init__(self, slot: CoinSlot, directory: Directory, clock: Clock, settings: ActorSettings) -> None:
        """Serve the currency in ``slot``."""
        super().__init__()
        self._slot = slot
        self._directory = directory
        self._clock = clock
        self._timeout_s = settings.ask_timeout_s
        self._cold = ColdScripts(slot, directory, self._record, settings.ask_timeout_s)

    async def on_start(self) -> None:
        """Open the coin and register it. Raises IdentityChangedError if it is not what it was."""
        coin = await self._slot.open()
        fingerprint = await identity_fingerprint(self._slot.settings, coin)
        await self._directory.ask(
            "ledger", registration(self._slot.settings, fingerprint), timeout_s=self._timeout_s
        )
        await self._register_tokens()
        await self._cold.watch()
        if self._slot.settings.has_seed:
            await self._recover()  # before the watcher starts: every block is read with these scripts
        else:
            self.spawn(self._until_there(self._recover), "recover")
        if keeps_change(self._slot):
            await self._cold.watch_change()
            self.spawn(self._keep_change(), "cold change")
        self.spawn(self._until_there(self._ensure_hot), "hot")

    async def _register_tokens(self) -> None:
        """Make the chain's tokens known; one that is not what it was is left out, and the chain goes on.

        The coin is opened anew without it: nothing of its new contract may be read under the old name.
        """
        settings = self._slot.settings
        if not isinstance(settings, EvmCoinSettings):
            return
        accepted = []
        for token in settings.tokens:
            command = registration(token, token.fingerprint())
            try:
                await self._directory.ask("ledger", command, timeout_s=self._timeout_s)
                accepted.append(token)
            except IdentityChangedError as error:
                logger.error("%s: %s", token.currency, error.detail)
        if len(accepted) < len(settings.tokens):
            self._slot.settings = settings.model_copy(update={"tokens": tuple(accepted)})
            await self._slot.open()
        views = await self._directory.ask("ledger_reader", ListCurrencies(), timeout_s=self._timeout_s)
        for view in views:
            is_ours = view.chain == self._slot.currency and view.currency not in self._slot.currencies
            if is_ours and view.state != "disabled":
                command_off = SetCurrencyState(view.currency, "disabled", "not in the configuration")
                await self._directory.ask("ledger", command_off, timeout_s=self._timeout_s)

    async def on_receive(self, message: object) -> object:
        """Answer from a child task: a node's wallet may be slow, the next client does not wait."""
        match message:
            case IssueAddress():
                return self.answer_beside(self._issue(message))
            case IssueScript():
                return self.answer_beside(self._own(message.branch, message.purpose))
            case _:
                raise TypeError(f"{self.address} does not understand {message!r}")

    async def _derive(self, branch: Branch, index: int) -> OwnScript:
        """The script at an index. Raises CurrencyUnavailableError while the node's wallet does not answer."""
        try:
            return await self._slot.coin.deriver.derive(branch, index)
        except CoinError as error:
            logger.warning("%s: no address now: %s", self.address, error)
            raise CurrencyUnavailableError("addresses are not available at the moment") from error

    async def _issue(self, request: IssueAddress) -> IssuedAddress:
        """Find the newest address, or make one. Raises UnknownCurrencyError for what is not of this chain."""
        chain = self._slot.currency
        if request.currency not in self._slot.currencies:
            raise UnknownCurrencyError(f"{request.currency} is not a currency of {chain}")
        if not request.is_fresh:
            found = await self._directory.ask(
                "ledger_reader", GetAddress(request.client_id, chain), timeout_s=self._timeout_s
            )
            if found is not None:
                return self._issued(Outcome(found, is_new=False), request)
        key = request.idempotency
        suffix = f"{key.owner}:{key.key}" if request.is_fresh and key is not None else "0"
        purpose = f"client:{request.client_id}:{suffix}"
        index = await self._directory.ask(
            "ledger",
            ReserveScript(
                chain, Branch.DEPOSIT, purpose, request.client_id, request.addresses_max, request.currency
            ),
            timeout_s=self._timeout_s,
        )
        own = await self._derive(Branch.DEPOSIT, index)
        return self._issued(await self._record(purpose, own, request), request)

    def _issued(self, outcome: Outcome[AddressView], request: IssueAddress) -> IssuedAddress:
        """The chain's address as one of the currency that was asked for, and its payment link."""
        view = replace(outcome.value, currency=request.currency)
        uri = self._slot.coin.deriver.uri(view.address, request.currency)
        return IssuedAddress(view, uri, is_new=outcome.is_new, is_replayed=outcome.is_replayed)

    async def _own(self, branch: Branch, purpose: str) -> OwnScript:
        """A script of the house."""
        index = await self._directory.ask(
            "ledger", ReserveScript(self._slot.currency, branch, purpose), timeout_s=self._timeout_s
        )
        own = await self._derive(branch, index)
        await self._record(purpose, own, None)
        return own

    async def _record(
        self, purpose: str, own: OwnScript, request: IssueAddress | None
    ) -> Outcome[AddressView]:
        """Into the index first, then into the ledger: a committed script is never unknown to a scan."""
        await self._slot.may_record.wait()
        self._slot.coin.index.add_script(own.script)
        outcome = await self._directory.ask(
            "ledger",
            RecordScript(
                self._slot.currency,
                purpose,
                own,
                location_of(own.branch, is_watch_only=self._slot.settings.is_watch_only),
                request.client_id if request else None,
                request.idempotency if request else None,
            ),
            timeout_s=self._timeout_s,
        )
        self._slot.address_seq = max(self._slot.address_seq, outcome.value.sequence)
        return outcome

    async def _recover(self) -> None:
        """Watch what an earlier life reserved and did not come to record; nobody was shown it.

        It belongs to nobody until its client asks for an address again: what is paid to it is a case.
        """
        found = await self._directory.ask(
            "ledger", GetUnrecorded(self._slot.currency), timeout_s=self._timeout_s
        )
        for reserved in found:
            if reserved.branch is Branch.COLD:  # of the configuration, recorded by its own step
                continue
            own = await self._derive(reserved.branch, reserved.index)
            logger.warning("%s: %s was reserved and never given out", self.address, own.address)
            await self._record(reserved.purpose, own, None)

    async def _ensure_hot(self) -> None:
        """The hot address exists from the start."""
        await self._own(Branch.HOT, HOT_PURPOSE)

    async def _keep_change(self) -> None:
        """Stay ahead of the cold wallet's change; a ledger that does not answer is asked again."""
        while True:
            await self._clock.sleep(CHANGE_LOOK_S)
            await self._until_there(self._cold.watch_change)

    async def _until_there(self, get: Callable[[], Awaitable[None]]) -> None:
        """A wallet or ledger that does not answer is asked again."""
        while True:
            try:
                await get()
                return
            except (CurrencyUnavailableError, DeliveryError) as error:
                logger.info("%s: an address of the house has to wait: %s", self.address, error)
            await self._clock.sleep(RETRY_S)

    async def on_cleanup(self) -> None:
        """Close the coin with its last user: younger siblings are stopped before."""
        await self._slot.close()
