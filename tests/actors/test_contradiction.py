"""A node that tells two things about one block: a finding of its own, no money missing, over when it is of
one mind again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actors.contradiction import check_consistent, check_told_before, found_of, record_doubt
from actors.messages import Reconcile
from coins.errors import NodeDoubtError
from coins.types import Asked, BlockRef, Branch, Holdings, Location, OwnScript
from ledger.commands import RecordNodeDoubt
from ledger.errors import CurrencyUnavailableError
from ledger.journal import Posting
from ledger.queries import GetStanding
from ledger.reconciliation_view import ReconciliationView
from ledger.views import Watched
from tests.actors.desk import TOKEN, Desk, chain_of, open_desk
from tests.actors.planting import available, compared, explained, onchain, plant
from tests.ledger.books import rows

US, HOT = b"\x01" * 20, b"\x02" * 20
PLACES = {US: "deposit", HOT: "hot"}
WATCHED = (
    Watched(OwnScript(US, "us", Branch.DEPOSIT, 0), Location.DEPOSIT, 1),
    Watched(OwnScript(HOT, "hot", Branch.HOT, 0), Location.HOT, 2),
)
AT = BlockRef(7, "aa" * 32, "99" * 32)
ASKED = Asked("fake", "state", 2, 7)
CASES = "SELECT kind, status, currency, amount, block_height FROM unclaimed_case ORDER BY ordinal"
QUIET = {"CASHIER__ACTORS__RECONCILE_INTERVAL_S": "600000"}


def told(deposit: int, hot: int, **changes: Any) -> Holdings:
    amounts = {"BTC": {Location.DEPOSIT: deposit, Location.HOT: hot}}
    return replace(Holdings(AT, amounts, {"BTC": {US: deposit, HOT: hot}}, ASKED), **changes)


def view(deposit: int, hot: int, **inputs: Any) -> ReconciliationView:
    lines = ({"location": "deposit", "chain": deposit}, {"location": "hot", "chain": hot})
    return ReconciliationView(
        "rec_1", "BTC", 7, AT.block_hash, "ok", 1, lines, inputs={"method": "state", "scripts": 2} | inputs
    )


def test_l11_two_answers_about_one_block_that_are_not_the_same_are_a_contradiction() -> None:
    check_consistent(told(5, 3), told(5, 3), PLACES)
    with pytest.raises(NodeDoubtError, match="about block 7") as caught:
        check_consistent(told(5, 3), told(4, 4), PLACES)
    assert (caught.value.height, caught.value.block_hash) == (7, AT.block_hash)
    assert caught.value.apart == {"BTC": {("deposit", US): 1, ("hot", HOT): -1}}
    with pytest.raises(NodeDoubtError) as caught:
        check_consistent(told(5, 3, scripts={}), told(5, 4), PLACES)
    assert caught.value.apart == {"BTC": {("hot", b""): -1}}


def test_another_block_and_what_was_not_told_contradict_nothing() -> None:
    other = told(4, 3, at=replace(AT, block_hash="bb" * 32))
    check_consistent(told(5, 3), other, PLACES)
    check_consistent(told(5, 3), told(5, 3, amounts={}), PLACES)
    check_told_before(view(4, 3), told(5, 3, at=other.at), WATCHED)
    check_told_before(view(4, 3), told(5, 3, amounts={}), WATCHED)
    check_told_before(view(4, 3), told(5, 3, asked=None), WATCHED)


def test_l11_what_an_earlier_comparison_was_told_of_the_block_counts_if_it_was_asked_the_same() -> None:
    check_told_before(view(5, 3), told(5, 3), WATCHED)
    with pytest.raises(NodeDoubtError) as caught:
        check_told_before(view(5, 4), told(5, 3), WATCHED)
    assert caught.value.apart == {"BTC": {("hot", b""): 1}}
    check_told_before(view(5, 4), told(5, 3), (*WATCHED, WATCHED[0]))
    check_told_before(view(5, 4, method="rewound"), told(5, 3), WATCHED)


def test_change_is_compared_with_change_where_it_was_told_apart() -> None:
    watched = (WATCHED[0], Watched(OwnScript(HOT, "hot", Branch.CHANGE, 0), Location.HOT, 2))
    apart = view(5, 0)
    lines = (*apart.lines, {"location": "change", "chain": 3})
    check_told_before(replace(apart, lines=lines), told(5, 3), watched)
    check_told_before(view(5, 3), told(5, 3), watched)
    with pytest.raises(NodeDoubtError) as caught:
        check_told_before(replace(apart, lines=lines), told(5, 4), watched)
    assert caught.value.apart == {"BTC": {("change", b""): -1}}


def test_one_finding_for_each_location() -> None:
    many = {("deposit", US): 3, ("deposit", HOT): -3, ("hot", HOT): -2}
    found = [(each.kind, each.location, each.amount, each.script) for each in found_of(many, "so")]
    assert found == [("node_doubt", "deposit", 3, b""), ("node_doubt", "hot", -2, HOT)]


async def test_each_currency_has_its_own_command() -> None:
    asked: list[Any] = []

    async def ask(name: str, message: Any) -> Any:
        asked.append((name, message))

    places = {("hot", HOT): 2}
    error = NodeDoubtError("so", 7, AT.block_hash, {"ETH": places, TOKEN: places})
    await record_doubt(ask, error)
    assert asked == [
        ("ledger", RecordNodeDoubt(each, 7, AT.block_hash, found_of(places, "so"))) for each in ("ETH", TOKEN)
    ]


class Lying:
    """The node tells other amounts of one script at its tip, as often as is said; then the truth."""

    def __init__(self, desk: Desk, currency: str, script: bytes, *changes: int) -> None:
        self.reader = desk.readers[chain_of(currency)]
        self.honest = self.reader.holdings
        self.currency, self.script, self.changes = currency, script, list(changes)

    async def holdings(self, scripts: Any) -> Holdings:
        held = await self.honest(scripts)
        change = self.changes.pop(0) if self.changes else 0
        place, owned = dict(scripts)[self.script], held.scripts[self.currency]
        amounts = {**held.amounts[self.currency]}
        amounts[place] += change
        owned = owned | {self.script: owned.get(self.script, 0) + change}
        return replace(
            held,
            amounts=held.amounts | {self.currency: amounts},
            scripts=held.scripts | {self.currency: owned},
        )

    def __enter__(self) -> None:
        self.reader.holdings = self.holdings  # type: ignore[method-assign]

    def __exit__(self, *_: object) -> None:
        self.reader.holdings = self.honest  # type: ignore[method-assign]


async def is_paid(desk: Desk, currency: str, amount: int) -> bool:
    """Whether a payout leaves now."""
    order = await desk.withdraw("alice", amount, currency)
    await desk.pass_time(3)
    return (await desk.withdrawal(order.id)).status == "broadcast"


@pytest.mark.parametrize(("currency", "unit"), [("BTC", 100_000), ("ETH", 10**16), (TOKEN, 20 * 10**6)])
async def test_l11_a_node_that_tells_two_things_of_one_block_is_doubted_and_no_money_is_missing(
    tmp_path: Path, currency: str, unit: int
) -> None:
    chain = chain_of(currency)
    coins = ("BTC",) if chain == "BTC" else ("ETH", TOKEN)
    async with open_desk(tmp_path, *coins, environ=QUIET) as desk:
        await desk.fund("alice", 10 * unit, currency)
        script = await desk.script_of("alice", currency)
        if chain == "ETH":
            ((hot,),) = rows(desk.path, "SELECT script FROM own_script WHERE purpose = 'hot'")
            desk.chains[chain].pay((hot, 10**18))
            desk.chains[chain].pay((hot, 10 * unit), token=currency if currency == TOKEN else "")
            await desk.mine(6, chain)
        kept = rows(desk.path, "SELECT count(*) FROM reconciliation")
        with Lying(desk, currency, script, -7, -9):
            with pytest.raises(CurrencyUnavailableError, match="contradicts itself"):
                await desk.ask("reconciler", Reconcile(chain))
            height = desk.height(chain)
            doubt = ("node_doubt", "open", currency, "2", height)
            assert doubt in rows(desk.path, CASES)
            assert rows(desk.path, "SELECT count(*) FROM reconciliation") == kept
            found = [
                (each.kind, each.amount, each.height, "contradicts itself" in each.detail)
                for each in await desk.ask("ledger_reader", GetStanding(currency))
                if each.kind == "node_doubt"
            ]
            assert found == [("node_doubt", 2, height, True)]
            assert await is_paid(desk, currency, unit)
        assert (await compared(desk, currency)).status == "ok"
        assert ("node_doubt", "closed", currency, "2", height) in rows(desk.path, CASES)
        await desk.mine(1, chain)
        assert (await compared(desk, currency)).status == "ok"


async def test_l11_what_was_told_of_the_block_before_and_agreed_is_no_shortfall_now(tmp_path: Path) -> None:
    async with open_desk(tmp_path, environ=QUIET) as desk:
        await desk.fund("alice", 1_000_000)
        script = await desk.script_of("alice")
        assert (await compared(desk)).status == "ok"
        with Lying(desk, "BTC", script, -5, -5, -5, -5):
            with pytest.raises(CurrencyUnavailableError, match="contradicts itself"):
                await desk.ask("reconciler", Reconcile("BTC"))
            assert rows(desk.path, CASES) == [("node_doubt", "open", "BTC", "5", 106)]
            await desk.mine(1)
            # Of a new block it told nothing else yet: what it says twice counts, and ends the doubt.
            (now,) = await desk.ask("reconciler", Reconcile("BTC"))
            assert now.status == "mismatch"
        await desk.rest()
        assert rows(desk.path, CASES)[0][:2] == ("node_doubt", "closed")


async def test_l11_a_shortfall_that_the_node_takes_back_does_not_count(tmp_path: Path) -> None:
    async with open_desk(tmp_path, environ=QUIET) as desk:
        await desk.fund("alice", 1_000_000)
        script = await desk.script_of("alice")
        with Lying(desk, "BTC", script, -5, -5):
            found = await compared(desk)
        assert (found.status, found.height) == ("mismatch", 106)
        answer = await explained(desk, found)
        ((each,),) = [block.found for block in answer.blocks]
        assert (each.kind, each.location, each.amount) == ("node_doubt", "deposit", -5)
        assert rows(desk.path, CASES) == [("node_doubt", "open", "BTC", "5", 106)]
        assert await is_paid(desk, "BTC", 100_000)
        await desk.mine(1)
        assert (await compared(desk)).status == "ok"
        assert rows(desk.path, CASES) == [("node_doubt", "closed", "BTC", "5", 106)]


@pytest.mark.parametrize("change", [-66, 66])
async def test_l11_a_state_that_the_next_block_has_not_is_the_nodes_contradiction(
    tmp_path: Path, change: int
) -> None:
    async with open_desk(tmp_path, "ETH", environ=QUIET) as desk:
        await desk.fund("alice", 10**17, "ETH")
        script, chain = await desk.script_of("alice", "ETH"), desk.chains["ETH"]
        await desk.mine(3, "ETH")
        height = desk.height("ETH") - 1
        ref = next(each for each in chain.refs() if each.height == height)
        block = chain.blocks[ref.block_hash]
        balances = {**block.state.balances, script: block.state.balances[script] + change}
        chain.blocks[ref.block_hash] = replace(block, state=replace(block.state, balances=balances))
        (past,) = await desk.ask("reconciler", Reconcile("ETH", height))
        assert past.status == "mismatch"
        ((found,),) = [bad.found for bad in (await explained(desk, past)).blocks]
        assert (found.kind, found.amount, found.script) == ("node_doubt", change, script)
        assert rows(desk.path, CASES) == [("node_doubt", "open", "ETH", "66", height)]
        assert (await compared(desk, "ETH")).status == "ok"
        assert rows(desk.path, CASES)[0][:2] == ("node_doubt", "closed")


async def test_l11_a_state_that_is_told_otherwise_when_it_is_asked_again_is_the_nodes_contradiction(
    tmp_path: Path,
) -> None:
    async with open_desk(tmp_path, "ETH", environ=QUIET) as desk:
        await desk.fund("alice", 10**17, "ETH")
        script = await desk.script_of("alice", "ETH")
        await desk.mine(4, "ETH")
        reader, bad = desk.readers["ETH"], desk.height("ETH") - 1
        honest, opened = reader.history, []

        async def history(*arguments: Any) -> Any:
            made = await honest(*arguments)
            opened.append(made)
            is_lying = len(opened) <= 3  # the comparison, asked twice, and its explanation

            class Told:
                async def at(self, height: int) -> Holdings:
                    held = await made.at(height)
                    if not is_lying or height < bad:
                        return held
                    amounts = {**held.amounts["ETH"], Location.DEPOSIT: held.scripts["ETH"][script] - 8}
                    scripts = {**held.scripts["ETH"], script: held.scripts["ETH"][script] - 8}
                    return replace(held, amounts={"ETH": amounts}, scripts={"ETH": scripts})

            return Told()

        reader.history = history  # type: ignore[assignment,method-assign]
        (past,) = await desk.ask("reconciler", Reconcile("ETH", desk.height("ETH")))
        assert past.status == "mismatch"
        answer = await explained(desk, past)
        ((found,),) = [block.found for block in answer.blocks]
        assert (found.kind, found.amount, found.location, len(opened)) == ("node_doubt", -8, "deposit", 4)
        assert "contradicts itself" in answer.note
        assert rows(desk.path, CASES) == [("node_doubt", "open", "ETH", "8", bad)]


class Kinder:
    """What a forgiving node tells of each block."""

    def __init__(self, honest: Any, node: Lying, place: Any) -> None:
        self.honest, self.node, self.place = honest, node, place

    async def at(self, height: int) -> Holdings:
        """More at one place."""
        held: Holdings = await self.honest.at(height)
        amounts = {**held.amounts[self.node.currency]}
        amounts[self.place] += self.node.changes[0]
        return replace(held, amounts={self.node.currency: amounts})


class Forgiving(Lying):
    """The node tells more of one script when it is asked about a block, and the truth about its tip."""

    async def history(self, scripts: Any, low: int, known: Any) -> Any:
        """What looks into a difference asks this."""
        return Kinder(await self.past(scripts, low, known), self, dict(scripts)[self.script])

    def __enter__(self) -> None:
        self.past = self.reader.history
        self.reader.history = self.history  # type: ignore[method-assign]

    def __exit__(self, *_: object) -> None:
        self.reader.history = self.past  # type: ignore[method-assign]


async def test_l11_a_shortfall_that_was_taken_back_and_is_told_again_gets_its_case(tmp_path: Path) -> None:
    async with open_desk(tmp_path, environ=QUIET, is_checked=False) as desk:
        await desk.fund("alice", 1_000_000)
        script = await desk.script_of("alice")
        assert (await compared(desk)).status == "ok"
        await desk.mine()
        credit = Posting(onchain("BTC"), available("alice", "BTC"), 5)
        plant(desk, "BTC", desk.height(), "deposit_received", "ab" * 32, credit)
        await desk.mine()
        with Forgiving(desk, "BTC", script, 5):
            assert (await compared(desk)).status == "mismatch"
        assert [row[:2] for row in rows(desk.path, CASES)] == [("node_doubt", "open")]
        await desk.mine(1)
        assert (await compared(desk)).status == "mismatch"
        states = [row[:2] for row in rows(desk.path, CASES)]
        assert states == [("node_doubt", "closed"), ("short", "open")]
