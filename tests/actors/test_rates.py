"""The keeper of rates: what it reads the ledger remembers; what it cannot read changes nothing."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from actors.errors import NotDelivered
from actors.rate_source import RateSourceError
from actors.rates import RatesActor
from config.schema import ActorSettings, RatesSettings
from ledger.rate_command import RecordRates
from tests.fakes.clock import FakeClock, settle

SOURCE = RatesSettings(url="https://rates.example/table", poll_s=60, max_age_s=3_600)


class Books:
    """In place of the directory: remembers what the ledger is asked."""

    def __init__(self) -> None:
        self.asked: list[RecordRates] = []
        self.trouble: Exception | None = None
        self.unknown: tuple[str, ...] = ("DOGE",)

    async def ask(self, name: str, message: Any, **_: Any) -> tuple[str, ...]:
        assert name == "ledger"
        if self.trouble is not None:
            raise self.trouble
        self.asked.append(message)
        return self.unknown


class Source:
    """What the address answers, in turn; the last answer again and again."""

    def __init__(self, *answers: bytes | Exception) -> None:
        self.answers = list(answers)
        self.count = 0

    async def __call__(self, settings: RatesSettings) -> bytes:
        self.count += 1
        answer = self.answers[min(self.count, len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


@asynccontextmanager
async def running(source: Source, settings: RatesSettings = SOURCE) -> AsyncIterator[tuple[Books, FakeClock]]:
    books, clock = Books(), FakeClock()
    directory: Any = books
    ref = RatesActor.start(directory, clock, ActorSettings(), settings, ["BTC"], source)
    try:
        await settle()
        yield books, clock
    finally:
        await ref.stop(block=False)


async def test_it_reads_at_once_and_then_at_every_tick() -> None:
    async with running(Source(b'{"rates": {"BTC": 1}}', b"currency,rate\nBTC,2\nETH,3\n")) as (books, clock):
        first_at = clock.now_s()
        await clock.advance(60)
        assert books.asked == [
            RecordRates("EUR", {"BTC": "1"}, first_at, 3_600, "http"),
            RecordRates("EUR", {"BTC": "2", "ETH": "3"}, first_at + 60, 3_600, "http"),
        ]


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (RateSourceError("the source answers HTTP 500"), "no rates this time: the source answers HTTP 500"),
        (b"<html>", "the table of rates is not usable: it "),
    ],
)
async def test_a_source_in_trouble_changes_nothing_and_is_asked_again(
    trouble: bytes | Exception, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with running(Source(trouble, b'{"rates": {"BTC": 1}}')) as (books, clock):
            assert books.asked == []
            assert words in caplog.text
            await clock.advance(60)
            assert len(books.asked) == 1


async def test_a_ledger_that_is_away_is_told_at_the_next_tick() -> None:
    async with running(Source(b'{"rates": {"BTC": 1}}')) as (books, clock):
        books.trouble = NotDelivered("ledger", "restarts")
        await clock.advance(60)
        assert len(books.asked) == 1
        books.trouble = None
        await clock.advance(60)
        assert len(books.asked) == 2


async def test_a_currency_that_starts_a_little_later_has_its_rate_soon() -> None:
    """And one that does not start at all is asked for less and less, until the next tick comes anyway."""
    async with running(Source(b'{"rates": {"BTC": 1}}')) as (books, clock):
        books.unknown = ("BTC",)
        await clock.advance(60)
        seen = []
        for _ in range(11):
            await clock.advance(5)
            seen.append(len(books.asked))
        assert seen == [3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 5]
        books.unknown = ()
        await clock.advance(120)
        assert len(books.asked) == 8


async def test_without_a_source_nothing_is_asked() -> None:
    source = Source(b"")
    async with running(source, RatesSettings(poll_s=60)) as (books, clock):
        await clock.advance(600)
        assert (source.count, books.asked) == (0, [])
