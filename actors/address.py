"""Addresses of one currency: get or create, watched before they are shown."""

from __future__ import annotations

import hashlib
import json
import logging

from actors.answering import AnsweringActor
from actors.clock import Clock
from actors.directory import Directory
from actors.errors import DeliveryError
from actors.messages import IssueAddress, IssuedAddress, IssueScript
from actors.slot import AnyCoinSettings, CoinSlot
from coins.errors import CoinError
from coins.family import Coin
from coins.types import LOCATION_OF, Branch, OwnScript
from config.schema import ActorSettings, BitcoinCoinSettings
from ledger.commands import RecordScript, RegisterCoin, ReserveScript
from ledger.errors import CurrencyUnavailableError
from ledger.policy import Finality, Tier
from ledger.queries import GetAddress
from ledger.views import AddressView, Outcome

logger = logging.getLogger(__name__)

HOT_PURPOSE = "hot"
HOT_RETRY_S = 2.0


class AddressActor(AnsweringActor):
    """The first actor of a currency: opens the coin, makes it known to the ledger, gives addresses.

    An index is reserved in the ledger first, the script goes into the index of the watcher next, is
    recorded then, and only then shown: a block that pays it can not be scanned without it, or its
    delta is refused and scanned again.
    """

    def __init__(self, slot: CoinSlot, directory: Directory, clock: Clock, settings: ActorSettings) -> None:
        """Serve the currency in ``slot``."""
        super().__init__()
        self._slot = slot
        self._directory = directory
        self._clock = clock
        self._timeout_s = settings.ask_timeout_s

    async def on_start(self) -> None:
        """Open the coin and register it. Raises IdentityChangedError if it is not what it was."""
        coin = await self._slot.open()
        fingerprint = await identity_fingerprint(self._slot.settings, coin)
        await self._directory.ask(
            "ledger", registration(self._slot.settings, fingerprint), timeout_s=self._timeout_s
        )
        self.spawn(self._ensure_hot(), "hot")

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
        """Find the newest address, or make one."""
        if not request.is_fresh:
            found = await self._directory.ask(
                "ledger_reader", GetAddress(request.client_id, request.currency), timeout_s=self._timeout_s
            )
            if found is not None:
                return IssuedAddress(found, self._slot.coin.deriver.uri(found.address), is_new=False)
        key = request.idempotency
        suffix = f"{key.owner}:{key.key}" if request.is_fresh and key is not None else "0"
        purpose = f"client:{request.client_id}:{suffix}"
        index = await self._directory.ask(
            "ledger",
            ReserveScript(
                request.currency, Branch.DEPOSIT, purpose, request.client_id, request.addresses_max
            ),
            timeout_s=self._timeout_s,
        )
        own = await self._derive(Branch.DEPOSIT, index)
        outcome = await self._record(purpose, own, request)
        return IssuedAddress(
            outcome.value,
            self._slot.coin.deriver.uri(outcome.value.address),
            is_new=outcome.is_new,
            is_replayed=outcome.is_replayed,
        )

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
                LOCATION_OF[own.branch],
                request.client_id if request else None,
                request.idempotency if request else None,
            ),
            timeout_s=self._timeout_s,
        )
        self._slot.address_seq = max(self._slot.address_seq, outcome.value.sequence)
        return outcome

    async def _ensure_hot(self) -> None:
        """The hot address exists from the start; a wallet or ledger that does not answer is asked again."""
        while True:
            try:
                await self._own(Branch.HOT, HOT_PURPOSE)
                return
            except (CurrencyUnavailableError, DeliveryError) as error:
                logger.info("%s: the hot address has to wait: %s", self.address, error)
            await self._clock.sleep(HOT_RETRY_S)

    async def on_cleanup(self) -> None:
        """Close the coin with its last user: younger siblings are stopped before."""
        await self._slot.close()


async def identity_fingerprint(settings: AnyCoinSettings, coin: Coin) -> str:
    """SHA-256 (hex) of what may never change: network, address form and, with a seed, the keys.

    The keys are told by their first deposit address, so that an account key may be written into the
    configuration later without becoming another identity.
    """
    identity = {key: value for key, value in settings.identity().items() if not key.endswith("_xpub")}
    if settings.custody == "seed":
        identity["first_address"] = (await coin.deriver.derive(Branch.DEPOSIT, 0)).address
    return hashlib.sha256(json.dumps(identity, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def registration(settings: AnyCoinSettings, fingerprint: str) -> RegisterCoin:
    """What the ledger must know of a currency, from its settings."""
    is_draining = settings.draining
    return RegisterCoin(
        currency=settings.currency,
        chain=settings.currency,
        name=settings.name,
        family=settings.family,
        network=settings.network,
        decimals=settings.decimals,
        fingerprint=fingerprint,
        confirmations=settings.confirmations,
        final_depth=settings.final_depth,
        max_reorg=settings.max_reorg,
        minimum_deposit=settings.minimum_deposit,
        minimum_withdrawal=settings.minimum_withdrawal,
        maximum_withdrawal=settings.maximum_withdrawal,
        withdrawal_fee=settings.withdrawal_fee,
        approval_above=settings.approval_above,
        session_withdrawal_cap=settings.session_withdrawal_cap,
        client_day_limit=settings.client_day_limit,
        client_month_limit=settings.client_month_limit,
        day_limit=settings.day_limit,
        deposits="closed" if is_draining else settings.deposits,
        withdrawals="closed" if is_draining else settings.withdrawals,
        dust=settings.dust if isinstance(settings, BitcoinCoinSettings) else 0,
        sweep_threshold=0 if isinstance(settings, BitcoinCoinSettings) else settings.sweep_threshold,
        tiers=tuple(Tier(tier.above, tier.confirmations) for tier in settings.tiers),
        withdrawable_depth=settings.withdrawable_after,
        finality=(
            Finality.CONFIRMATIONS
            if isinstance(settings, BitcoinCoinSettings)
            else Finality(settings.finality)
        ),
    )
