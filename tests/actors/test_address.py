"""Addresses: one per client however many ask, watched before they are shown, never half made."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from actors.errors import Unavailable
from actors.messages import Idempotency, IssueScript, ListCases
from actors.registration import identity_fingerprint, registration
from coins.errors import NodeUnavailableError, SignerError
from coins.types import Branch
from config.schema import Tier as TierSettings
from ledger.commands import RecordScript, ReserveScript
from ledger.errors import CurrencyClosedError, CurrencyUnavailableError, TooManyAddressesError
from ledger.policy import Finality, Tier
from tests.actors.desk import open_desk
from tests.actors.doors import UNAVAILABLE, DeskDeriver
from tests.fakes.chain import FakeChain
from tests.fakes.coin import FakeDeriver, make_coin, own_script
from tests.ledger.books import rows


async def test_fifty_at_once_get_the_same_one(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        issued = await asyncio.gather(*(desk.address("alice") for _ in range(50)))
        assert len({each.view.address for each in issued}) == 1
        assert sum(each.is_new for each in issued) == 1
        assert issued[0].uri == f"fake:{issued[0].view.address}"
        count = "SELECT count(*) FROM own_script WHERE client_id = 'alice'"
        assert rows(desk.path, count) == [(1,)]
        again = await desk.address("alice")
        assert not again.is_new
        assert again.view == issued[0].view


async def test_d46_e20_the_ledger_is_told_the_policy_of_the_file(tmp_path: Path) -> None:
    environ = {"CASHIER__COINS__ETH__FINALITY": "safe", "CASHIER__COINS__ETH__WITHDRAWABLE_DEPTH": "4"}
    async with open_desk(tmp_path, "BTC", "ETH", environ=environ) as desk:
        await desk.address("alice")
        sql = "SELECT currency, tiers, withdrawable_depth, finality FROM coin"
        found = {currency: policy for currency, *policy in rows(desk.path, sql)}
        assert found["ETH"] == ["[]", 4, "safe"]
        assert found["BTC"][1:] == [3, "confirmations"]
    ether = desk.parts.settings.coins["ETH"]
    told = registration(ether.model_copy(update={"tiers": (TierSettings(above=7, confirmations=5),)}), "x")
    assert (told.tiers, told.withdrawable_depth, told.finality) == ((Tier(7, 5),), 4, Finality.SAFE)


async def test_each_client_has_an_index_of_its_own(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        issued = await asyncio.gather(*(desk.address(f"client{number}") for number in range(30)))
        assert sorted(each.view.index for each in issued) == list(range(30))
        assert len({each.view.address for each in issued}) == 30


async def test_fresh_ones_are_bounded_and_the_same_key_gives_the_same_one(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        keys = [Idempotency("key:shop", f"k{number}", "hash") for number in range(4)]
        first = await desk.address("alice")
        second = await desk.address("alice", is_fresh=True, addresses_max=3, idempotency=keys[0])
        again = await desk.address("alice", is_fresh=True, addresses_max=3, idempotency=keys[0])
        third = await desk.address("alice", is_fresh=True, addresses_max=3, idempotency=keys[1])
        assert again.view == second.view
        assert again.is_replayed
        assert len({each.view.address for each in (first, second, third)}) == 3
        with pytest.raises(TooManyAddressesError):
            await desk.address("alice", is_fresh=True, addresses_max=3, idempotency=keys[2])
        assert (await desk.address("alice")).view == third.view


async def test_an_address_is_watched_before_it_is_written(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        watched_at_commit: list[bool] = []
        store = desk.stores[-1]
        apply = store.apply_batch

        def spying(commands: list[object], now_s: int) -> object:
            for command in commands:
                if isinstance(command, RecordScript):
                    watched_at_commit.append(command.own.script in desk.coins["BTC"].index.scripts)  # type: ignore[attr-defined]
            return apply(commands, now_s)

        store.apply_batch = spying  # type: ignore[assignment,method-assign]
        await desk.address("alice")
        assert watched_at_commit == [True]


async def test_a_payment_to_an_address_issued_a_moment_ago_is_found(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        chain = desk.chains["BTC"]
        chain.mine(3)
        desk.readers["BTC"].poke()
        script = await desk.script_of("alice")
        chain.pay((script, 40_000))
        await desk.mine(3)
        assert await desk.balance("alice") == (40_000, 0, 0)


async def test_the_hot_address_is_there_from_the_start_and_always_the_same(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        hot = await desk.ask("address:BTC", IssueScript(Branch.HOT, "hot"))
        assert (hot.branch, hot.index) == (Branch.HOT, 0)
        where = "SELECT location, client_id FROM own_script WHERE purpose = 'hot'"
        assert rows(desk.path, where) == [("hot", None)]
    async with open_desk(tmp_path) as desk:
        assert await desk.ask("address:BTC", IssueScript(Branch.HOT, "hot")) == hot


async def test_a_wallet_of_the_node_that_is_down_leaves_nothing_half_done(tmp_path: Path) -> None:
    environ = {"CASHIER__COINS__BTC__CUSTODY": "node", "CASHIER__COINS__BTC__WALLET": "cashier"}
    async with open_desk(tmp_path, environ=environ, is_started=False) as desk:
        deriver = desk.derivers["BTC"] = DeskDeriver("BTC")
        deriver.trouble = NodeUnavailableError("the wallet is not loaded")
        await desk.start()
        await desk.rest()
        assert await desk.state() == "open"
        with pytest.raises(CurrencyUnavailableError):
            await desk.address("alice")
        assert rows(desk.path, "SELECT count(*) FROM own_script") == [(0,)]
        assert rows(desk.path, "SELECT count(*) FROM event WHERE type = 'address.issued'") == [(0,)]
        deriver.trouble = None
        await desk.pass_time(3)
        assert rows(desk.path, "SELECT purpose FROM own_script") == [("hot",)]
        assert (await desk.address("alice")).view.index == 0


async def test_a_closed_currency_gives_no_new_address_and_keeps_the_old(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        old = await desk.address("alice")
    async with open_desk(tmp_path, environ={"CASHIER__COINS__BTC__DRAINING": "true"}) as desk:
        assert (await desk.address("alice")).view == old.view
        with pytest.raises(CurrencyClosedError):
            await desk.address("bob")


async def test_l04_a_full_disk_refuses_and_later_gives_the_same_index(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        desk.faults.append(UNAVAILABLE)
        with pytest.raises(Unavailable):
            await desk.address("alice")
        assert (await desk.address("alice")).view.index == 0


async def test_another_identity_halts_the_coin_and_touches_nothing_else(tmp_path: Path) -> None:
    async with open_desk(tmp_path, "BTC", "LTC") as desk:
        await desk.address("alice")
    async with open_desk(tmp_path, "BTC", "LTC", is_started=False) as desk:
        # Another seed: the first address differs.
        desk.derivers["BTC"] = DeskDeriver("LTC")
        await desk.start()
        await desk.rest()
        tree = await desk.tree_states()
        assert tree["coin:BTC"] == "halted"
        assert tree["coin:LTC"] == "up"
        assert await desk.state("LTC") == "open"
        assert await desk.state("BTC") == "halted"
        await desk.pass_time(120, 10)
        assert (await desk.tree_states())["coin:BTC"] == "halted"
        assert rows(desk.path, "SELECT count(*) FROM own_script WHERE currency = 'BTC'") == [(2,)]


async def test_without_a_signer_the_coin_waits_halted_and_opens_when_there_is_one(tmp_path: Path) -> None:
    async with open_desk(tmp_path, "BTC", "LTC", is_started=False) as desk:
        desk.open_errors["BTC"] = SignerError("the signer does not answer")
        await desk.start()
        await desk.rest()
        assert (await desk.tree_states())["coin:BTC"] == "halted"
        assert await desk.state("LTC") == "open"
        del desk.open_errors["BTC"]
        await desk.pass_time(31)
        assert (await desk.tree_states())["coin:BTC"] == "up"
        assert await desk.state("BTC") == "open"


async def test_the_identity_is_that_of_the_keys_and_not_of_a_written_down_account_key(tmp_path: Path) -> None:
    async with open_desk(tmp_path, "BTC") as desk:
        settings = desk.parts.settings.coins["BTC"]
        coin = make_coin(FakeChain())
        plain = await identity_fingerprint(settings, coin)
        with_key = settings.model_copy(update={"deposit_xpub": "xpub" + "a" * 107})
        assert await identity_fingerprint(with_key, coin) == plain
        object.__setattr__(coin, "deriver", FakeDeriver("LTC"))
        assert await identity_fingerprint(settings, coin) != plain
        other_network = settings.model_copy(update={"network": "testnet"})
        assert await identity_fingerprint(other_network, make_coin(FakeChain())) != plain


async def test_d44_an_index_reserved_and_lost_in_a_crash_is_watched_and_nobodys(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.address("bob")
        await desk.ask("ledger", ReserveScript("BTC", Branch.DEPOSIT, "client:alice:0", "alice"))
    async with open_desk(tmp_path, is_started=False) as desk:
        lost = own_script("BTC", Branch.DEPOSIT, 1).script
        desk.chains["BTC"].pay((lost, 40_000))
        desk.chains["BTC"].mine(1)  # while we were away
        await desk.start()
        await desk.mine(5)
        assert await desk.balance("alice") == (0, 0, 0)
        (case,) = (await desk.ask("ledger_reader", ListCases())).data
        assert (case.kind, case.reason, case.amount) == ("funding", "unissued_address", 40_000)
        await desk.check_chain()
        issued = await desk.address("alice")
        assert (issued.view.index, issued.is_new, issued.view.client_id) == (1, True, "alice")
        desk.chains["BTC"].pay((lost, 50_000))
        await desk.mine(3)
        assert await desk.balance("alice") == (50_000, 0, 0)
        await desk.check_chain()


async def test_d44_a_wallet_of_the_node_finds_its_lost_address_again(tmp_path: Path) -> None:
    environ = {"CASHIER__COINS__BTC__CUSTODY": "node", "CASHIER__COINS__BTC__WALLET": "cashier"}
    async with open_desk(tmp_path, environ=environ) as desk:
        await desk.ask("ledger", ReserveScript("BTC", Branch.DEPOSIT, "client:alice:0", "alice"))
    async with open_desk(tmp_path, environ=environ, is_started=False) as desk:
        deriver = desk.derivers["BTC"] = DeskDeriver("BTC")
        deriver.trouble = NodeUnavailableError("the wallet is not loaded")
        await desk.start()
        await desk.rest()
        assert rows(desk.path, "SELECT 1 FROM own_script WHERE purpose = 'client:alice:0'") == []
        deriver.trouble = None
        await desk.clock.advance(2.5)
        await desk.rest()
        where = "SELECT client_id, location FROM own_script WHERE purpose = 'client:alice:0'"
        assert rows(desk.path, where) == [(None, "deposit")]
