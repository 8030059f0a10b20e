"""Tables of rates: hostile until parsed, whole or not at all, never through a float."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.rate_table import RateTableError, parse_table

NOW = 1_777_593_600  # 2026-05-01T00:00:00Z


def test_json_and_csv_say_the_same() -> None:
    json_table = parse_table(b'{"rates": {"BTC": "61234.50", "ETH": 3000.12}}', "EUR", NOW)
    csv_table = parse_table(b"currency,rate\r\nBTC,61234.50\r\nETH, 3000.12\r\n", "EUR", NOW)
    assert json_table == csv_table
    assert json_table.rates == {"BTC": "61234.50", "ETH": "3000.12"}
    assert json_table.quoted_at == NOW


def test_a_table_has_its_own_time_and_money() -> None:
    text = b'{"at": "2026-04-30T23:00:00+01:00", "quote": "EUR", "rates": {"BTC": 1}}'
    table = parse_table(text, "EUR", NOW)
    assert table.quoted_at == NOW - 7_200


def test_l10_numbers_are_taken_as_they_are_written() -> None:
    text = b'{"rates": {"BTC": 0.100000000000000005, "ETH": 123456789012345678}}'
    assert parse_table(text, "EUR", NOW).rates == {"BTC": "0.100000000000000005", "ETH": "123456789012345678"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff", "UTF-8"),
        (b"", "first line"),
        (b"[]", "object"),
        (b"{", "neither JSON nor CSV"),
        (b"[" * 100_000, "neither JSON nor CSV"),
        (b"{}", "`rates` must be"),
        (b'{"rates": {}}', "holds no rate"),
        (b'{"rates": [], "at": 1}', "`rates` must be"),
        (b'{"rates": {"BTC": 1}, "more": 1}', "'more' is not known"),
        (b'{"rates": {"BTC": 1}, "rates": {"BTC": 2}}', "a member is repeated"),
        (b'{"rates": {"BTC": 1, "BTC": 2}}', "BTC is there twice"),
        (b'{"rates": {"btc": 1}}', "not a currency"),
        (b'{"rates": {"BTC": null}}', "must be a number"),
        (b'{"rates": {"BTC": {}}}', "must be a number"),
        (b'{"rates": {"BTC": true}}', "must be a number"),
        (b'{"rates": {"BTC": NaN}}', "NaN is not a number"),
        (b'{"rates": {"BTC": -Infinity}}', "not a number"),
        (b'{"rates": {"BTC": -1}}', "plain positive"),
        (b'{"rates": {"BTC": 0}}', "plain positive"),
        (b'{"rates": {"BTC": "0.000"}}', "plain positive"),
        (b'{"rates": {"BTC": 1e400}}', "plain positive"),
        (b'{"rates": {"BTC": "1,5"}}', "plain positive"),
        (b'{"rates": {"BTC": "\\u0661"}}', "plain positive"),
        (b'{"rates": {"BTC": ' + b"9" * 5_000 + b"}}", "plain positive"),
        (b'{"quote": "USD", "rates": {"BTC": 1}}', "must be EUR"),
        (b'{"at": 1777593600, "rates": {"BTC": 1}}', "`at` must be"),
        (b'{"at": "2026-05-01T00:00:00", "rates": {"BTC": 1}}', "`at` must be"),
        (b'{"at": "2026-05-01T01:00:00Z", "rates": {"BTC": 1}}', "future"),
        (b"currency,rate\nBTC", "line 2"),
        (b"currency,rate\nBTC,1,2", "line 2"),
        (b'currency,rate\n"BTC,1', "neither JSON nor CSV"),
        (b"currency;rate\nBTC;1", "first line"),
        (b"currency,rate\n" + b"".join(b"C%d,1\n" % n for n in range(1_001)), "more than 1000"),
    ],
)
def test_what_is_no_table_is_refused_with_words(data: bytes, words: str) -> None:
    with pytest.raises(RateTableError, match=words):
        parse_table(data, "EUR", NOW)


LIKE_A_TABLE = st.text(alphabet='{}[]":,.0123456789eBTCrates \n', max_size=200).map(str.encode)


@given(st.binary(max_size=300) | LIKE_A_TABLE)
def test_any_bytes_are_a_table_or_an_error_with_words(data: bytes) -> None:
    with suppress(RateTableError):
        assert parse_table(data, "EUR", NOW).rates
