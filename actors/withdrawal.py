"""Withdrawals of one chain and its tokens: take the request, then pay, resume and follow on every tick."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar

from actors.answering import AnsweringActor
from actors.clock import Clock
from actors.consolidation import Consolidation
from actors.directory import Directory
from actors.errors import DeliveryError
from actors.identity import Ids
from actors.messages import RequestRefund, RequestWithdrawal, WorkReady
from actors.payer import Payer, waiting_for
from actors.policy import doubled
from actors.slot import CoinSlot
from actors.ticking import Tick, TickingActor
from coins.errors import CoinError, InvalidAddressError, PlanError, SignerError, SignerSilentError
from coins.failpoint import failpoint
from coins.types import CONSOLIDATE, CPFP, ForeignAddress, PayoutWork, StuckWork
from config.schema import ActorSettings, BitcoinCoinSettings
from ledger.commands import (
    GetPayoutWork,
    GetStuckWork,
    OpenWithdrawal,
    ProposeCold,
    RefundCase,
    RefusePayout,
    SetWaiting,
)
from ledger.errors import (
    AddressRefusedError,
    DomainError,
    ForbiddenAddressError,
    PayoutsHeldError,
    UnknownCurrencyError,
)
from ledger.request import Request
from monitoring.metrics import Metrics

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WorkDone(Request[None]):
    """The working task has come to its end.

    ``has_more`` when there is surely more to do, ``is_refused`` when the signer gave no signature.
    """

    receiver: ClassVar[str] = "withdrawal"
    has_more: bool
    is_refused: bool = False


COLD = "cold"
"""Kind of what goes to the cold address."""
SIGNER_PAUSE_S = 2.0
"""Pause after the first answer of the signer that was no signature."""
REPLANS_MAX = 3
"""Times in a row that inputs may be gone when they are reserved; then the next tick goes on."""


class PayingActor(TickingActor):
    """At most one working task at a time; hints and ticks that come meanwhile start the next one.

    After an answer of the signer that is no signature the rounds pause, each time longer: the attempt was
    written down and given up, and neither the books nor the signer shall be flooded with more of them.
    """

    KINDS: ClassVar[frozenset[str]]
    """Kinds of the intents whose attempts this actor brings on."""

    def __init__(
        self,
        slot: CoinSlot,
        directory: Directory,
        clock: Clock,
        settings: ActorSettings,
        metrics: Metrics,
        ids: Ids,
    ) -> None:
        """Work for the chain in ``slot`` and its tokens."""
        super().__init__(clock, settings.tick_s)
        self._slot = slot
        self._directory = directory
        self._timeout_s = settings.ask_timeout_s
        self._batch = settings.tick_batch
        self._ids = ids
        self._payer = Payer(slot, directory, clock, ids, settings.ask_timeout_s, metrics, self.KINDS)
        self._waiting: dict[str, str | None] = {}
        self._told: dict[str, str] = {}
        self._bump_rests: dict[str, float] = {}
        self._is_working = False
        self._is_wanted = False
        self._is_hinted = False
        self._refusals = 0
        self._rests_until = 0.0
        self._pause_max_s = settings.backoff_max_s

    async def on_start(self) -> None:
        """Resume what a crash left, then look again and again."""
        self.start_ticking()
        self._begin()

    async def on_receive(self, message: object) -> object:
        """Hints and ticks begin a working task, its end may begin the next."""
        match message:
            case Tick():
                self.tick_taken()
                self._begin()
            case WorkReady():
                self._is_hinted = False
                self._begin()
            case WorkDone():
                self._is_working = False
                self._rest(message.is_refused)
                if message.has_more or self._is_wanted:
                    self._begin()
            case _:
                raise TypeError(f"{self.address} does not understand {message!r}")
        return None

    def _begin(self) -> None:
        """Start the working task, or remember that somebody wanted it."""
        if self._is_working:
            self._is_wanted = True
            return
        if self.clock.monotonic() < self._rests_until:
            return
        self._is_working, self._is_wanted = True, False
        self.spawn(self._work_once(), "work")

    def _rest(self, is_refused: bool) -> None:
        """Pause after a refusal of the signer, twice as long as after the one before."""
        self._refusals = self._refusals + 1 if is_refused else 0
        pause_s = doubled(SIGNER_PAUSE_S, self._refusals - 1, self._pause_max_s) if is_refused else 0.0
        self._rests_until = self.clock.monotonic() + pause_s

    async def _work_once(self) -> None:
        """One round; trouble outside the house ends it quietly and the next tick goes on."""
        has_more = is_refused = False
        try:
            has_more = await self._work()
        except SignerError as error:
            is_refused = True
            logger.error("%s: the signer gave no signature: %s", self.address, error)
        except (CoinError, DeliveryError, DomainError) as error:
            logger.warning("%s: the round ended early: %s", self.address, error)
        self.tell_self(WorkDone(has_more, is_refused))

    async def _work(self) -> bool:
        """Do open work; True when there is surely more."""
        raise AssertionError("the subclass works")

    async def _bump_stuck(self) -> None:
        """Pay more for what is not mined. What the signer refuses rests for a while, and holds nothing else.

        Raises NodeUnavailableError, WrongNetworkError, SignerSilentError.
        """
        settings, now = self._slot.settings, self.clock.monotonic()
        if self._slot.coin.bumper is None:
            return
        self._bump_rests = {name: until for name, until in self._bump_rests.items() if until > now}
        for currency in self._slot.currencies:
            command = GetStuckWork(currency, settings.bump_after_s, tuple(sorted(self.KINDS)))
            for work in await self._directory.ask("ledger", command, timeout_s=self._timeout_s):
                if work.plan.intent_id in self._bump_rests:
                    continue
                try:
                    await self._payer.bump(work)
                except SignerSilentError:
                    raise
                except SignerError as error:
                    self._bump_rests[work.plan.intent_id] = now + settings.bump_after_s
                    await self._cannot_bump(work, error)
                except PlanError as error:
                    await self._cannot_bump(work, error)

    async def _cannot_bump(self, work: StuckWork, error: PlanError | SignerError) -> None:
        """A higher price cannot be offered now: said when the reason changes, tried again and again."""
        if self._told.get(work.plan.intent_id) != str(error):
            logger.warning("%s: %s stays at its price: %s", self.address, work.plan.intent_id, error)
            self._told[work.plan.intent_id] = str(error)


class WithdrawalActor(PayingActor, AnsweringActor):
    """Takes withdrawals and pays them in order, oldest first, each currency on its own.

    The gas that sweeps wait for is sent here too: one actor alone uses the nonces of the hot account.
    A request is checked (the foreign address) and written by the ledger in one commit. Everything after
    that starts from the ledger's rows, so that a lost hint or a crash changes nothing.
    """

    KINDS = frozenset({"payout", COLD, "top_up", "cancel", CPFP, CONSOLIDATE})

    def __init__(
        self,
        slot: CoinSlot,
        directory: Directory,
        clock: Clock,
        settings: ActorSettings,
        metrics: Metrics,
        ids: Ids,
    ) -> None:
        """Pay on the chain in ``slot``."""
        super().__init__(slot, directory, clock, settings, metrics, ids)
        self._consolidation = Consolidation(slot, directory, clock, self._payer, settings.ask_timeout_s)

    async def on_receive(self, message: object) -> object:
        """Take a request, or work."""
        if isinstance(message, RequestWithdrawal):
            return self._open(message)
        if isinstance(message, RequestRefund):
            return self._refund(message)
        return await super().on_receive(message)

    def _open(self, request: RequestWithdrawal) -> object:
        """Check the address and ask the ledger; refusals of either are the answer."""
        foreign = self._parse(request.address, request.currency)
        return self.forward(
            self._directory,
            "ledger",
            OpenWithdrawal(
                id=request.id,
                website=request.website,
                client_id=request.client_id,
                currency=request.currency,
                amount=request.amount,
                is_fee_included=request.is_fee_included,
                address=foreign.address,
                script=foreign.script,
                external_id=request.external_id,
                by=request.by,
                idempotency=request.idempotency,
                session_id=request.session_id,
                nonce=request.nonce,
            ),
            timeout_s=self._timeout_s,
            then=self._opened,
        )

    def _opened(self) -> None:
        failpoint("withdrawal.opened")
        self._want_work()

    def _refund(self, request: RequestRefund) -> object:
        """The same for money that is sent back."""
        foreign = self._parse(request.address, request.currency)
        return self.forward(
            self._directory,
            "ledger",
            RefundCase(
                case_id=request.case_id,
                withdrawal_id=request.withdrawal_id,
                currency=request.currency,
                address=foreign.address,
                script=foreign.script,
                by=request.by,
                reason=request.reason,
                idempotency=request.idempotency,
            ),
            timeout_s=self._timeout_s,
            then=self._want_work,
        )

    def _want_work(self) -> None:
        """What was committed is paid in the next round; one that is wanted already begins after this.

        One hint of its own waits at most: it is taken by a full inbox too.
        """
        if not self._is_wanted and not self._is_hinted:
            self._is_hinted = True
            self.tell_self(WorkReady())

    def _parse(self, address: str, currency: str) -> ForeignAddress:
        """Where to pay to. Raises AddressRefusedError for what is no address of this network,
        ForbiddenAddressError for a token's contract, UnknownCurrencyError."""
        if currency not in self._slot.currencies:
            raise UnknownCurrencyError(f"{currency} is not a currency of {self._slot.currency}")
        try:
            foreign = self._slot.coin.deriver.parse(address)
        except InvalidAddressError as error:
            raise AddressRefusedError(str(error), code=error.code) from error
        if any(foreign.script == token.contract_script for token in self._slot.tokens):
            raise ForbiddenAddressError("this is the contract of a token: what it is sent is lost")
        return foreign

    async def _work(self) -> bool:
        """Resume, then pay each currency; what one of them lacks does not hold the others."""
        try:
            if await self._payer.resume():
                await self._bump_stuck()
            await self._propose_cold()
        except CoinError as error:
            for currency in self._slot.currencies:
                await self._hold(currency, error)
            if isinstance(error, SignerError):
                raise
            return False
        has_more, refusal = False, None
        for currency in self._slot.currencies:
            try:
                has_more |= await self._pay(currency)
            except (CoinError, PayoutsHeldError) as error:
                await self._hold(currency, error)
                refusal = error if isinstance(error, SignerError) else refusal
        if refusal is not None:
            raise refusal
        if not has_more:
            await self._consolidation.look()
        return has_more

    async def _propose_cold(self) -> None:
        """Propose what is above a ceiling to operators, at most one movement per currency."""
        for currency, settings in self._slot.currencies.items():
            if settings.cold_address is None or settings.hot_ceiling is None:
                continue
            cold = self._slot.coin.deriver.parse(settings.cold_address)
            target = settings.hot_ceiling if settings.hot_target is None else settings.hot_target
            command = ProposeCold(
                self._ids.new("wd"), currency, cold.address, cold.script, settings.hot_ceiling, target
            )
            view = await self._directory.ask("ledger", command, timeout_s=self._timeout_s)
            if view is not None:
                logger.warning("%s: %s to the cold address waits for an approval", currency, view.id)

    async def _pay(self, currency: str) -> bool:
        """Pay in order until nothing is left, or something is missing; True when there is surely more."""
        replanned = 0
        for _ in range(self._batch):
            works = await self._directory.ask("ledger", self._wanted(currency), timeout_s=self._timeout_s)
            if not works:
                self._told[currency] = ""
                await self._wait_for(currency, None)
                return False
            if await self._takes_back(works[0]):
                continue
            replanned = 0 if await self._payer.pay(works[0]) else replanned + 1
            if replanned == REPLANS_MAX:
                return False
        return True

    async def _takes_back(self, work: PayoutWork) -> bool:
        """Whether money was approved for a cold address of before, which the signer would refuse for ever:
        the movement is ended, and what there is above the ceiling then proposed again."""
        if work.kind != COLD:
            return False
        address = self._slot.currencies[work.currency].cold_address
        if address is not None and self._slot.coin.deriver.parse(address).script == work.output.script:
            return False
        command = RefusePayout(work.intent_id, "this is not the cold address any more")
        await self._directory.ask("ledger", command, timeout_s=self._timeout_s)
        return True

    def _wanted(self, currency: str) -> GetPayoutWork:
        """As many payouts as may share a chain tx, by the currency's settings.

        After a refusal of the signer the oldest goes alone: what the signer has against several together, or
        against one of them, holds nobody else for long.
        """
        coin = self._slot.settings
        if not isinstance(coin, BitcoinCoinSettings) or self._refusals:
            return GetPayoutWork(currency)
        return GetPayoutWork(currency, coin.batch_max, coin.batch_interval_s, coin.batch_urgent_above)

    async def _hold(self, currency: str, error: CoinError | PayoutsHeldError) -> None:
        """Say why the payouts of a currency wait; looked at every second, told when it changes."""
        if self._told.get(currency) != str(error):
            logger.warning("%s: payouts wait: %s", currency, error)
            self._told[currency] = str(error)
        await self._wait_for(currency, waiting_for(error))

    async def _wait_for(self, currency: str, reason: str | None) -> None:
        """Show what the approved withdrawals wait for; written only when it changes or may have."""
        if reason is None and self._waiting.get(currency, "") is None:
            return
        await self._directory.ask("ledger", SetWaiting(currency, reason), timeout_s=self._timeout_s)
        self._waiting[currency] = reason
