"""Sweeps of one account chain: deposit addresses to the hot wallet."""

from __future__ import annotations

import logging

from actors.withdrawal import PayingActor
from coins.errors import PlanError
from config.schema import EvmCoinSettings
from ledger.commands import GetSweepWork

logger = logging.getLogger(__name__)


class SweepActor(PayingActor):
    """Moves final deposits above the threshold to the hot account, each from its own nonce lane.

    No more are under way at once than configured.
    """

    @property
    def _parallel_max(self) -> int:
        settings = self._slot.settings
        return settings.sweeps_parallel_max if isinstance(settings, EvmCoinSettings) else 0

    async def _work(self) -> bool:
        """Resume, then sweep what is worth it; an account that cannot pay its gas waits."""
        free = self._parallel_max - await self._payer.resume()
        if free <= 0:
            return False
        works = await self._directory.ask(
            "ledger", GetSweepWork(self._slot.currency, min(free, self._batch)), timeout_s=self._timeout_s
        )
        for work in works:
            try:
                await self._payer.pay(work)
            except PlanError as error:
                logger.info("%s: %s is not swept now: %s", self._slot.currency, work.intent_id, error)
        return False
