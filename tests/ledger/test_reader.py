"""The read side: one state of the books per question, pages that neither repeat nor skip."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from coins.types import Block, BlockRef, Branch, ChainDelta, Location, OwnScript, Receipt
from ledger.commands import (
    ApplyChainDelta,
    Command,
    CreateKey,
    CreateSession,
    ExchangeCode,
    Idempotency,
    OpenWithdrawal,
    RecordScript,
    ReserveScript,
    RevokeKey,
    SetCurrencyState,
)
from ledger.errors import InvalidCursorError, StoreOpenError, StoreUnavailableError, UnknownCurrencyError
from ledger.queries import (
    Filter,
    GetAddress,
    GetBalances,
    GetBooks,
    GetDeposit,
    GetKey,
    GetSession,
    GetWatched,
    GetWithdrawal,
    ListCurrencies,
    ListDeposits,
    ListEvents,
    ListKeys,
    ListReconciliations,
    ListWithdrawals,
    Query,
)
from ledger.reader import READERS, LedgerReader
from ledger.reader_list import decode_cursor, encode_cursor
from ledger.store import SqliteStore
from ledger.verify import verify_file
from ledger.views import BalanceView, Page
from tests.fakes.oracle import check_books
from tests.ledger.books import ANCHOR, BTC, NOW, do, make_books, transfer

DEPOSITS = 7


class Clock:
    now = NOW

    def __call__(self) -> int:
        return self.now


def script_of(client: str) -> bytes:
    return f"script-{client}".encode()


def issue(store: SqliteStore, client: str) -> None:
    index = do(store, ReserveScript("BTC", Branch.DEPOSIT, f"client:{client}:0", client))
    own = OwnScript(script_of(client), f"address-{client}", Branch.DEPOSIT, index)
    do(store, RecordScript("BTC", f"client:{client}:0", own, Location.DEPOSIT, client))


def block(height: int, *receipts: Receipt) -> Block:
    parent = ANCHOR.block_hash if height == ANCHOR.height + 1 else f"{height - 1:064x}"
    return Block(BlockRef(height, f"{height:064x}", parent, NOW), receipts)


def fill(store: SqliteStore) -> None:
    """Seven deposits of alice's and one of bob's, all credited; two withdrawals of alice's."""
    for client in ("alice", "bob"):
        issue(store, client)
    blocks = [
        block(101 + n, Receipt("BTC", f"{n:064x}", "0", script_of("alice"), 10_000 + n))
        for n in range(DEPOSITS)
    ]
    blocks.append(block(101 + DEPOSITS, Receipt("BTC", "ff" * 32, "1", script_of("bob"), 2**70)))
    blocks += [block(109), block(110), block(111)]
    do(store, ApplyChainDelta(ChainDelta("BTC", (), tuple(blocks), 2)))
    for n in range(2):
        do(store, withdrawal(n))


def withdrawal(number: int) -> OpenWithdrawal:
    return OpenWithdrawal(
        id=f"wd_{number}",
        website="shop",
        client_id="alice",
        currency="BTC",
        amount=2_000,
        is_fee_included=False,
        address="somebody",
        script=b"foreign",
        external_id=f"out-{number}",
        by="key:shop",
        idempotency=Idempotency("key:shop", f"w-{number}", "h"),
    )


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return make_books(tmp_path)


@pytest.fixture
async def reader(store: SqliteStore) -> AsyncIterator[LedgerReader]:
    fill(store)
    reader = await LedgerReader(store.path, now_s=Clock(), connections=2).open()
    yield reader
    await reader.close()
    store.close()
    assert check_books(store.path) == []
    assert verify_file(store.path) == []


async def test_balances_name_what_is_free_reserved_and_pending(reader: LedgerReader) -> None:
    total = sum(10_000 + n for n in range(DEPOSITS))
    (alice,) = await reader.answer(GetBalances("alice"))
    assert alice == BalanceView("alice", "BTC", total - 5_000, total - 5_000, 5_000, 0, 0)
    (bob,) = await reader.answer(GetBalances("bob", ("BTC", "LTC")))
    assert bob.available == 2**70
    assert await reader.answer(GetBalances("bob", ("LTC",))) == ()
    assert await reader.answer(GetBalances("nobody")) == ()


async def test_a_write_that_was_answered_is_read(reader: LedgerReader, store: SqliteStore) -> None:
    for n in range(20):
        do(store, transfer(n, "bob", "carol", 1))
        (carol,) = await reader.answer(GetBalances("carol"))
        assert carol.available == n + 1


async def test_a_deposit_is_shown_with_its_confirmations(reader: LedgerReader, store: SqliteStore) -> None:
    page = await reader.answer(ListDeposits(Filter(txid=f"{0:064x}")))
    (first,) = page.data
    assert (first.amount, first.output_index, first.block_height) == (10_000, 0, 101)
    assert (first.confirmations, first.confirmations_required, first.status) == (11, 3, "final")
    do(store, ApplyChainDelta(ChainDelta("BTC", (), (block(112),), 2)))
    again = await reader.answer(GetDeposit(first.id))
    assert again is not None
    assert again.confirmations == 12
    assert await reader.answer(GetDeposit(first.id, client_id="bob")) is None
    assert await reader.answer(GetDeposit("dep_none")) is None


async def test_pages_neither_repeat_nor_skip_while_new_rows_arrive(
    reader: LedgerReader, store: SqliteStore
) -> None:
    seen, cursor = [], None
    for step in range(10):
        page = await reader.answer(ListDeposits(Filter(client_id="alice"), limit=2, cursor=cursor))
        seen += [view.amount for view in page.data]
        tip = 112 + step
        fresh = Receipt("BTC", f"{1000 + step:064x}", "0", script_of("alice"), 50_000)
        do(store, ApplyChainDelta(ChainDelta("BTC", (), (block(tip, fresh),), 2)))
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [10_000 + n for n in reversed(range(DEPOSITS))]


async def test_filters_are_all_applied(reader: LedgerReader) -> None:
    async def count(**chosen: object) -> int:
        return len((await reader.answer(ListDeposits(Filter(**chosen)))).data)  # type: ignore[arg-type]

    assert await count() == DEPOSITS + 1
    assert await count(client_id="bob") == 1
    assert await count(client_id="bob", currency="BTC", status="credited") == 1
    assert await count(status="confirming") == 0
    assert await count(currency="LTC") == 0
    assert await count(since=NOW) == DEPOSITS + 1
    assert await count(since=NOW + 1) == 0
    assert await count(until=NOW) == 0


async def test_a_withdrawal_is_its_owners_alone(reader: LedgerReader) -> None:
    view = await reader.answer(GetWithdrawal("wd_1", client_id="alice", website="shop"))
    assert view is not None
    assert (view.amount, view.fee, view.status, view.history[0].by) == (2_000, 500, "approved", "key:shop")
    assert await reader.answer(GetWithdrawal("wd_1", client_id="bob")) is None
    assert await reader.answer(GetWithdrawal("wd_1", website="other")) is None
    first = await reader.answer(ListWithdrawals(limit=1, website="shop"))
    assert [item.id for item in first.data] == ["wd_1"]
    second = await reader.answer(ListWithdrawals(limit=1, cursor=first.next_cursor))
    assert [item.id for item in second.data] == ["wd_0"]
    assert second.next_cursor is None
    assert (await reader.answer(ListWithdrawals(website="other"))).data == ()


@pytest.mark.parametrize(
    "cursor", ["", "x", "b25l", "bzE=x", "o1", "é", encode_cursor(5)[:-1] + "!", "A" * 500]
)
async def test_a_made_up_cursor_is_refused(reader: LedgerReader, cursor: str) -> None:
    with pytest.raises(InvalidCursorError):
        await reader.answer(ListDeposits(cursor=cursor))
    assert decode_cursor(encode_cursor(2**40)) == 2**40


async def test_events_are_read_in_order_without_a_gap(reader: LedgerReader) -> None:
    everything = await reader.answer(ListEvents(0, limit=500))
    assert [event.sequence for event in everything] == list(range(1, len(everything) + 1))
    rest = await reader.answer(ListEvents(5, limit=3))
    assert [event.sequence for event in rest] == [6, 7, 8]
    alices = await reader.answer(ListEvents(0, limit=500, client_id="alice"))
    assert {event.client_id for event in alices} == {"alice"}
    assert alices[-1].data["amount"] == 2_000


async def test_keys_and_sessions_are_found_by_hash(reader: LedgerReader, store: SqliteStore) -> None:
    do(store, CreateKey("key_1", "shop", "hash-1", ("read",), "op"))
    do(store, CreateKey("key_2", "shop", "hash-2", ("read",), "op"))
    do(store, RevokeKey("key_1", "op"))
    key = await reader.answer(GetKey("hash-1"))
    assert key is not None
    assert key.revoked_at == NOW
    assert await reader.answer(GetKey("hash-3")) is None
    assert [item.id for item in await reader.answer(ListKeys())] == ["key_2", "key_1"]
    session = CreateSession(
        "s",
        "shop",
        "alice",
        ("deposit",),
        None,
        900,
        60,
        "code",
        None,
        None,
        None,
        Idempotency("k", "s", "h"),
    )
    do(store, session)
    do(store, ExchangeCode("code", "token"))
    found = await reader.answer(GetSession("token"))
    assert found is not None
    assert found.state == "open"
    Clock.now = NOW + 900
    expired = await reader.answer(GetSession("token"))
    Clock.now = NOW
    assert expired is not None
    assert expired.state == "expired"
    assert await reader.answer(GetSession("code")) is None


async def test_currencies_addresses_and_books(reader: LedgerReader, store: SqliteStore) -> None:
    (currency,) = await reader.answer(ListCurrencies())
    assert (currency.currency, currency.height, currency.state) == ("BTC", 111, "open")
    do(store, SetCurrencyState("BTC", "disabled", ""))
    assert await reader.answer(ListCurrencies()) == ()
    do(store, BTC)
    address = await reader.answer(GetAddress("bob", "BTC"))
    assert address is not None
    assert address.address == "address-bob"
    assert await reader.answer(GetAddress("carol", "BTC")) is None
    watched = await reader.answer(GetWatched("BTC"))
    assert [item.own.script for item in watched] == [script_of("alice"), script_of("bob")]
    books = await reader.answer(GetBooks("BTC"))
    assert books.at is not None
    assert books.at.height == 111
    assert books.onchain["deposit"] == books.accounts["onchain:BTC:deposit"]
    assert books.accounts["client:*:BTC:reserved"] == 5_000
    with pytest.raises(UnknownCurrencyError):
        await reader.answer(GetBooks("XMR"))
    assert await reader.answer(ListReconciliations()) == Page((), None)


async def test_many_questions_at_once_wait_for_a_connection(reader: LedgerReader) -> None:
    replies = await asyncio.gather(*(reader.answer(GetBalances("bob")) for _ in range(200)))
    assert {reply[0].available for reply in replies} == {2**70}


async def test_a_cancelled_question_leaves_its_connection_usable(reader: LedgerReader) -> None:
    for _ in range(30):
        task = asyncio.create_task(reader.answer(ListEvents(0, limit=500)))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (await reader.answer(GetBalances("bob")))[0].available == 2**70


async def test_quick_questions_are_answered_from_one_state(reader: LedgerReader) -> None:
    asked: list[Query[Any]] = [GetBalances("alice"), GetKey("nobody's"), GetAddress("bob", "BTC")]
    results = await reader.answer_quick(asked)
    assert [result.unwrap() for result in results] == [await reader.answer(query) for query in asked]
    assert await reader.answer_quick([]) == []


async def test_what_is_no_question_is_a_fault(reader: LedgerReader) -> None:
    class Unheard(Query[None]):
        pass

    with pytest.raises(TypeError, match="no answer to Unheard"):
        await reader.answer(Unheard())


async def test_a_closed_reader_and_a_missing_database_say_so(tmp_path: Path) -> None:
    with pytest.raises(StoreOpenError, match="cannot open the database"):
        await LedgerReader(tmp_path / "none.sqlite", now_s=Clock()).open()
    store = make_books(tmp_path)
    reader = await LedgerReader(store.path, now_s=Clock()).open()
    await reader.close()
    with pytest.raises(StoreUnavailableError):
        await reader.answer(ListKeys())
    store.close()


def test_every_question_has_an_answer() -> None:
    declared = {type_.__name__ for type_ in Query.__subclasses__() if type_.__module__.startswith("ledger.")}
    assert declared == {question.__name__ for question in READERS}
    assert not any(issubclass(question, Command) for question in READERS)
