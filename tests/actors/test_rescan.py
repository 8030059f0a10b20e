"""A chain read again beside the books of a whole cashier."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from actors.rescan import Rescanned, rescan
from coins.errors import NodeBehindError, NodeUnavailableError
from ledger.backup import back_up
from ledger.connection import connect
from ledger.queries import GetScanned
from ledger.reader_scan import get_scanned
from ledger.snapshot import Snapshot
from ledger.verify import verify_file
from ledger.views import ScannedView
from tests.actors.desk import Desk, open_desk
from tests.fakes.chain import FakeIndex
from tests.fakes.coin import FakeReader
from tests.ledger.books import rows


def scanned(path: Path, from_height: int, currency: str) -> ScannedView:
    """What the books know of a chain."""
    db = connect(path, read_only=True)
    try:
        return get_scanned(Snapshot(db, 0), GetScanned(currency, from_height))
    finally:
        db.close()


async def again(
    desk: Desk, from_height: int = 0, currency: str = "BTC", path: Path | None = None
) -> Rescanned:
    """Rescan with a reader of its own; ``path`` is of a copy of the books."""
    book = scanned(path or desk.path, from_height, currency)
    told: list[tuple[int, int, int]] = []
    reader = FakeReader(desk.chains[currency])
    done = await rescan(reader, FakeIndex(), book, from_height, lambda *place: told.append(place))
    assert [height for height, _, _ in told] == list(range(done.from_height, done.to_height + 1))
    return done


async def lively(desk: Desk, currency: str = "BTC") -> None:
    """Deposits, a reorg and a payout."""
    unit = 10**11 if currency == "ETH" else 1
    await desk.fund("alice", 400_000 * unit, currency)
    await desk.pay("bob", 60_000 * unit, currency)
    await desk.mine(2, currency)
    desk.chains[currency].reorg(1)
    await desk.poke(currency)
    await desk.withdraw("alice", 60_000 * unit, currency=currency)
    await desk.rest()
    await desk.mine(4, currency)


@pytest.mark.parametrize("currency", ["BTC", "ETH"])
async def test_d42_every_receipt_and_spend_is_found_again_from_any_height(
    tmp_path: Path, currency: str
) -> None:
    async with open_desk(tmp_path, currency) as desk:
        await lively(desk, currency)
        before = desk.height(currency)
        anchor = desk.chains[currency].anchor.ref.height
        whole = await again(desk, 0, currency)
        assert (whole.differences, whole.from_height, whole.to_height) == ((), anchor + 1, before)
        assert whole.movements >= 4
        for height in range(anchor, before + 3):
            assert (await again(desk, height, currency)).differences == ()
        assert desk.height(currency) == before


MONEY = "SELECT id, debit_id, credit_id, amount FROM posting ORDER BY id"


@pytest.mark.parametrize("currency", ["BTC", "ETH"])
async def test_l15_wiped_indexes_are_found_again_from_birth_and_nothing_is_credited(
    tmp_path: Path, currency: str
) -> None:
    async with open_desk(tmp_path, currency) as desk:
        await lively(desk, currency)
        assert (await again(desk, 0, currency)).differences == ()
        copy = tmp_path / "copy.sqlite"
        back_up(desk.path, copy, lambda *_: None)
        moved, money = scanned(copy, 0, currency).movements, rows(copy, MONEY)
        db = connect(copy)
        db.execute("PRAGMA foreign_keys = OFF").fetchall()
        for table in ("chain_movement", "deposit", "utxo", "script_balance"):
            for (name,) in db.execute(
                "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", (table,)
            ).fetchall():
                db.execute(f"DROP TRIGGER {name}")
            db.execute(f"DELETE FROM {table}")
        db.close()
        done = await again(desk, 0, currency, copy)
        assert {each.kind for each in done.differences} == {"missing"}
        assert Counter(each.movement for each in done.differences) == Counter(moved)
        assert len(moved) >= 4
        assert rows(copy, MONEY) == money
        assert {"rebuild", "movement"} & {finding.kind for finding in verify_file(copy)}


async def test_each_difference_is_named(tmp_path: Path) -> None:
    async with open_desk(tmp_path, is_checked=False) as desk:
        await lively(desk)
        db = connect(desk.path)
        height, txid = db.execute(
            "SELECT height, txid FROM chain_movement WHERE position LIKE 'out:%' AND is_disconnected = 0"
        ).fetchone()
        db.execute("DELETE FROM chain_movement WHERE txid = ? AND position LIKE 'out:%'", (txid,))
        db.close()
        (missing,) = (await again(desk)).differences
        assert (missing.kind, missing.movement.height, missing.movement.txid) == ("missing", height, txid)
        assert str(missing).startswith(f"missing at height {height}: {txid} out:0 ")


async def test_another_chain_ends_the_comparison_there(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await lively(desk)
        height = desk.height()
        desk.chains["BTC"].reorg(2)
        done = await again(desk)
        assert [each.kind for each in done.differences] == ["block"]
        assert (done.differences[0].movement.height, done.to_height) == (height - 1, height - 2)
        chain = desk.chains["BTC"]
        chain.switch(chain.anchor.ref.block_hash)
        with pytest.raises(NodeBehindError, match=f"the books at {height}"):
            await again(desk)
        await desk.stop()


async def test_a_node_that_is_gone_is_no_difference(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await lively(desk)
        db = connect(desk.path, read_only=True)
        book = get_scanned(Snapshot(db, 0), GetScanned("BTC", 0))
        db.close()
        reader = FakeReader(desk.chains["BTC"])
        reader.is_down = True
        with pytest.raises(NodeUnavailableError):
            await rescan(reader, FakeIndex(), book, 0, lambda *_: None)
