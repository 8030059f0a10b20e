"""The machine's clock is set back an hour, on by a day, or stands in 1970: order, sessions, nonces, retries
and months stay what they are.
"""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ledger.commands import EndSession, ExchangeCode, SpentNonce, UseNonce
from ledger.errors import NonceUsedError, SessionInvalidError
from ledger.period_command import ListPeriods
from ledger.period_view import PeriodView
from ledger.verify import verify_file
from tests.fakes.oracle import check_books
from tests.ledger.books import NOW, balance, codes, do, fund, make_books, rows, transfer
from tests.ledger.life import STEPS, Life
from tests.ledger.test_period import ask, check_report, close, months
from tests.ledger.test_session import SESSION

HOUR, DAY = 3_600, 86_400
JUMPS = (-HOUR, DAY, -NOW)
THERE_AND_BACK = (0, *JUMPS, 0, -HOUR, 0, DAY, -NOW, 1)


def test_l19_the_journal_is_ordered_by_its_numbers_whatever_the_clock_says(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 1_000)
    for number, jump in enumerate(THERE_AND_BACK):
        do(store, transfer(number, "alice", "bob", 1), NOW + jump)
    entries = rows(store.path, "SELECT id, ref_id, at FROM journal ORDER BY id")
    assert [entry for entry, _, _ in entries] == list(range(1, len(THERE_AND_BACK) + 2))
    assert [ref for _, ref, _ in entries[1:]] == [f"tr_{number}" for number in range(len(THERE_AND_BACK))]
    assert all(earlier <= later for (_, _, earlier), (_, _, later) in pairwise(entries))
    events = rows(store.path, "SELECT object_id FROM event WHERE type = 'transfer.posted' ORDER BY sequence")
    assert [ref for (ref,) in events] == [ref for _, ref, _ in entries[1:]]
    assert verify_file(store.path) == []
    assert check_books(store.path) == []
    store.close()


@pytest.mark.parametrize("jump", JUMPS)
def test_l19_a_session_is_opened_once_in_its_time_and_an_ended_one_stays_so(
    tmp_path: Path, jump: int
) -> None:
    store = make_books(tmp_path)
    do(store, SESSION)
    at = NOW + jump
    (code,) = codes(store.apply_batch([ExchangeCode("code", "token")], at))
    assert code == ("session_invalid" if jump > 0 else None)
    if jump > 0:  # a code that is too old is not used up: its client may still come when the clock is right
        do(store, ExchangeCode("code", "token"), NOW + 1)
    for now_s in (at, NOW, NOW + 1):
        with pytest.raises(SessionInvalidError):
            do(store, ExchangeCode("code", "another"), now_s)
    second = replace(
        SESSION, id="ses_2", code_hash="code-2", idempotency=replace(SESSION.idempotency, key="2")
    )
    made = do(store, second, at).value
    assert (made.code_expires_at, made.expires_at) == (at + 60, at + 900)
    do(store, EndSession("ses_2", "shop"), at)
    for now_s in (at, NOW, at - DAY, NOW - HOUR):
        with pytest.raises(SessionInvalidError):
            do(store, ExchangeCode("code-2", "token-2"), now_s)
    store.close()


def test_l19_a_spent_nonce_is_never_fresh_and_a_repeated_request_happens_once(tmp_path: Path) -> None:
    store = make_books(tmp_path)
    fund(store, "alice", 100)
    spent = SpentNonce("key_1", "n-1", NOW + 360)
    paid = replace(transfer(1, "alice", "bob", 10), nonce=spent)
    first = do(store, paid).value
    for number, jump in enumerate(THERE_AND_BACK):
        at = NOW + jump
        do(store, UseNonce(SpentNonce("key_1", f"other-{number}", at + 360)), at)
        with pytest.raises(NonceUsedError):
            do(store, UseNonce(replace(spent, expires_at=at + 360)), at)
        # What had no answer is sent again: signed anew, with the same key.
        again = do(store, replace(paid, nonce=SpentNonce("key_1", f"again-{number}", at + 360)), at)
        assert (again.is_replayed, again.value) == (True, first)
    assert balance(store.path, "client:bob:BTC:available") == 10
    assert rows(store.path, "SELECT count(*) FROM transfer") == [(1,)]
    store.close()


@pytest.mark.parametrize("currency", ["BTC", "ETH"])
@pytest.mark.parametrize(
    "seed", [1, 2, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(3, 40))]
)
def test_l19_months_close_at_the_right_cut_while_the_clock_jumps(
    tmp_path: Path, currency: str, seed: int
) -> None:
    life = Life(tmp_path, currency)
    till, chosen = life.till, random.Random(seed)
    till.chain.block_time_s = 3 * DAY

    def pick(choices: Any) -> Any:
        return choices[chosen.randrange(len(choices))]

    for _ in range(60):
        till.now_s = max(0, till.chain.tip.ref.time + pick((0, 0, -HOUR, DAY, -till.chain.tip.ref.time)))
        getattr(life, pick(STEPS))(pick)
    till.mine(till.coin.final_depth + 1)
    closed: list[PeriodView] = []
    for month in months(till):
        (period,) = close(till, month).periods
        check_report(till, period, closed[-1] if closed else None)
        booked = till.rows(
            "SELECT max(id) FROM journal WHERE chain = ? AND height <= ?", till.currency, period.height
        )
        assert period.cut >= booked[0][0]
        after = till.rows("SELECT height FROM journal WHERE id = ? AND chain IS NOT NULL", period.cut + 1)
        assert all(height > period.height for (height,) in after)
        closed.append(period)
    assert len(closed) > 2
    assert [*ask(till, ListPeriods(currency))][::-1] == closed
    till.check()
    assert verify_file(till.store.path) == []
    life.close()
