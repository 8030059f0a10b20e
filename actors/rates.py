"""Keeps what currencies are worth: reads the configured table again and again, for the ledger to remember.

A table that cannot be had or read changes nothing: the last good one holds, and says how old it is.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import ClassVar

from actors.clock import Clock, Timer
from actors.directory import Directory
from actors.errors import DeliveryError
from actors.rate_source import RateSourceError, fetch
from actors.rate_table import RateTableError, parse_table
from actors.ticking import Tick, TickingActor
from config.schema import ActorSettings, RatesSettings
from ledger.errors import DomainError
from ledger.rate_command import RecordRates
from ledger.request import Request

SOON_S = 5.0
"""First pause after which a table is read again for a currency that the ledger did not know yet."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RatesRead(Request[None]):
    """The reading task has come to its end."""

    receiver: ClassVar[str] = ""


class RatesActor(TickingActor):
    """One reading at a time, in a child task."""

    def __init__(
        self,
        directory: Directory,
        clock: Clock,
        bounds: ActorSettings,
        settings: RatesSettings,
        currencies: Collection[str],
        fetch_table: Callable[[RatesSettings], Awaitable[bytes]] = fetch,
    ) -> None:
        """``currencies`` are those that run here, ``fetch_table`` is the door to the file or the address."""
        super().__init__(clock, settings.poll_s)
        self._directory = directory
        self._timeout_s = bounds.ask_timeout_s
        self._settings = settings
        self._currencies = frozenset(currencies)
        self._soon: Timer | None = None
        self._soon_s = SOON_S
        self._fetch = fetch_table
        self._is_reading = False

    async def on_start(self) -> None:
        """Read at once, then at every tick."""
        self._begin()
        self.start_ticking()

    async def on_receive(self, message: object) -> object:
        """A tick begins a reading, unless one is under way."""
        match message:
            case Tick():
                self.tick_taken()
                self._begin()
            case RatesRead():
                self._is_reading = False
            case _:
                raise TypeError(f"{self.address} does not understand {message!r}")
        return None

    def _begin(self) -> None:
        settings = self._settings
        if (settings.file is None and settings.url is None) or self._is_reading:
            return
        self._is_reading = True
        self.spawn(self._read(), "read")

    async def _read(self) -> None:
        """One table from its source into the books, or a line in the log."""
        settings = self._settings
        try:
            data = await self._fetch(settings)
            table = parse_table(data, settings.quote, self.clock.now_s())
            source = "file" if settings.file is not None else "http"
            command = RecordRates(table.quote, table.rates, table.quoted_at, settings.max_age_s, source)
            unknown = await self._directory.ask("ledger", command, timeout_s=self._timeout_s)
            self._read_again(unknown)
            logger.info("%d rates are known", len(table.rates) - len(unknown))
        except RateSourceError as error:
            logger.warning("no rates this time: %s", error)
        except RateTableError as error:
            logger.warning("the table of rates is not usable: it %s", error)
        except (DeliveryError, DomainError) as error:
            logger.warning("the rates were not kept this time: %s", error)
        self.tell_self(RatesRead())

    def _read_again(self, unknown: Collection[str]) -> None:
        """At the first start of a currency the ledger learns of it a little later than we read: again soon.

        And later each time, for one that cannot start is no reason to ask a source every few seconds.
        """
        if not self._currencies.isdisjoint(unknown) and self._soon_s < self._settings.poll_s:
            self._soon = self.clock.timer(self._soon_s, self._begin)
            self._soon_s *= 2

    async def on_cleanup(self) -> None:
        """Call the timers off."""
        await super().on_cleanup()
        if self._soon is not None:
            self._soon.cancel()
