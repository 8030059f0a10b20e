"""Small outputs of ours become one while chain tx are cheap: when that is looked at, and what stops it.

Payouts come first: it is looked at when a round has paid all that can be paid, now and then only.
"""

from __future__ import annotations

import logging

from actors.clock import Clock
from actors.directory import Directory
from actors.payer import Payer
from actors.slot import CoinSlot
from coins.errors import PlanError, SignerError, SignerSilentError
from config.schema import BitcoinCoinSettings
from ledger.commands import GetConsolidationWork
from ledger.errors import PayoutsHeldError

logger = logging.getLogger(__name__)

REFUSED_S = 3_600.0
"""Pause after a refusal of the signer: it says no again until its configuration is another."""


class Consolidation:
    """Brings outputs of one chain together, by the way of every chain tx out of the house."""

    def __init__(
        self, slot: CoinSlot, directory: Directory, clock: Clock, payer: Payer, timeout_s: float
    ) -> None:
        """The first look is at once."""
        self._slot = slot
        self._directory = directory
        self._clock = clock
        self._payer = payer
        self._timeout_s = timeout_s
        self._next_at = clock.monotonic()

    async def look(self) -> None:
        """Begin one where there are too many small outputs and the price is low.

        Raises NodeUnavailableError, WrongNetworkError, SignerSilentError.
        """
        settings, now = self._slot.settings, self._clock.monotonic()
        if not isinstance(settings, BitcoinCoinSettings) or now < self._next_at:
            return
        if settings.consolidate_fee_rate_max_sat_vb is None or self._slot.coin.consolidator is None:
            return
        self._next_at = now + settings.consolidate_interval_s
        terms = self._slot.coin.consolidator.consolidation(await self._slot.coin.spender.quote())
        if terms is None:
            return
        command = GetConsolidationWork(self._slot.currency, terms)
        work = await self._directory.ask("ledger", command, timeout_s=self._timeout_s)
        if work is None:
            return
        try:
            await self._payer.consolidate(work)
        except (PlanError, PayoutsHeldError) as error:
            logger.info("%s: no outputs are brought together: %s", self._slot.currency, error)
        except SignerSilentError:
            raise
        except SignerError as error:
            self._next_at = now + max(REFUSED_S, settings.consolidate_interval_s)
            logger.warning("%s: no outputs are brought together for a while: %s", self._slot.currency, error)
