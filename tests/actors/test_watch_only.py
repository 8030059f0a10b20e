"""Clients pay to a cold wallet: its change is watched ahead, payouts wait for hot money, keys stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.cold import AHEAD
from coins.types import Branch, OwnScript
from ledger.commands import AnnounceHouseFunding
from tests.actors.desk import Desk, open_desk
from tests.actors.doors import DeskDeriver
from tests.fakes.chain import FakeTx
from tests.fakes.coin import own_script
from tests.ledger.books import balance, rows

AMOUNT = 300_000


def environ(currency: str = "BTC", **more: str) -> dict[str, str]:
    name = f"CASHIER__COINS__{currency}__"
    xpub = ("xpub" if currency == "ETH" else "tpub") + "a" * 107
    values = {"CUSTODY": "watch_only", "DEPOSIT_XPUB": xpub} | more
    return {name + key: value for key, value in values.items()}


def watched(desk: Desk) -> list[int]:
    """Indices of the cold wallet's change addresses that are ours."""
    sql = "SELECT script_index FROM own_script WHERE branch = 'cold_change' AND location = 'cold' ORDER BY 1"
    return [index for (index,) in rows(desk.path, sql)]


async def told(desk: Desk, tx: FakeTx, currency: str = "BTC") -> None:
    await desk.ask("ledger", AnnounceHouseFunding(currency, tx.txid, "operator:op_ann", "float"))


async def spend(desk: Desk, client: str, *outputs: tuple[bytes, int]) -> FakeTx:
    """The cold wallet spends a client's payment, as announced."""
    source, chain = await desk.script_of(client), desk.chains["BTC"]
    unspent = chain.tip.state.outputs.items()
    inputs = tuple(point for point, (script, _) in unspent if script == source)
    tx = FakeTx(outputs=outputs, inputs=inputs)
    await told(desk, tx)
    chain.send(tx)
    return tx


@pytest.mark.parametrize("currency", ["BTC", "ETH"])
async def test_a_payout_waits_for_hot_money_and_resumes_alone(tmp_path: Path, currency: str) -> None:
    async with open_desk(tmp_path, currency, environ=environ(currency)) as desk:
        unit = 10**11 if currency == "ETH" else 1
        await desk.fund("alice", AMOUNT * unit, currency)
        assert await desk.balance("alice", currency) == (AMOUNT * unit, 0, 0)
        assert balance(desk.path, f"onchain:{currency}:cold") == AMOUNT * unit
        view = await desk.withdraw("alice", 100_000 * unit, currency)
        await desk.pass_time(5)
        waiting = await desk.withdrawal(view.id)
        assert (waiting.status, waiting.waiting_for) == ("approved", "funds")
        assert f"sweep:{currency}" not in await desk.tree_states()
        assert desk.attempts() == []
        hot = own_script(currency, Branch.HOT, 0).script
        await told(desk, desk.chains[currency].pay((hot, 2 * AMOUNT * unit)), currency)
        await desk.mine(6, currency)
        await desk.pass_time(3)
        await desk.mine(7, currency)
        done = await desk.withdrawal(view.id)
        assert (done.status, done.waiting_for) == ("final", None)
        assert balance(desk.path, f"onchain:{currency}:cold") == AMOUNT * unit
        await desk.check_chain(currency)


async def test_change_of_the_cold_wallet_is_watched_ahead_of_its_use(tmp_path: Path) -> None:
    async with open_desk(tmp_path, environ=environ()) as desk:
        assert watched(desk) == list(range(AHEAD))
        await desk.fund("alice", AMOUNT)
        hot = own_script("BTC", Branch.HOT, 0).script
        await told(desk, desk.chains["BTC"].pay((hot, AMOUNT)))
        await desk.mine(1)
        change = own_script("BTC", Branch.COLD_CHANGE, 60).script
        await spend(desk, "alice", (hot, 100_000), (change, AMOUNT - 100_500))
        await desk.mine(1)
        assert balance(desk.path, "onchain:BTC:hot") == AMOUNT + 100_000
        assert balance(desk.path, "onchain:BTC:cold") == AMOUNT - 100_500
        assert balance(desk.path, "unexplained:BTC") == 0
        await desk.pass_time(700, 100)
        assert watched(desk) == list(range(61 + AHEAD))
        await desk.check_chain()
    async with open_desk(tmp_path, environ=environ()) as desk:
        assert watched(desk) == list(range(61 + AHEAD))


@pytest.mark.parametrize("command", ["ReserveScript", "RecordScript"])
async def test_l04_change_that_the_ledger_could_not_take_is_watched_at_the_next_look(
    tmp_path: Path, command: str
) -> None:
    async with open_desk(tmp_path, environ=environ()) as desk:
        await desk.fund("alice", AMOUNT)
        hot = own_script("BTC", Branch.HOT, 0).script
        await told(desk, desk.chains["BTC"].pay((hot, AMOUNT)))
        await desk.mine(1)
        change = own_script("BTC", Branch.COLD_CHANGE, 60).script
        await spend(desk, "alice", (hot, 100_000), (change, AMOUNT - 100_500))
        await desk.mine(1)
        desk.fail_at(command, "disk full")
        await desk.pass_time(700, 100)
        assert desk.failed_at == [command]
        assert watched(desk) == list(range(61 + AHEAD))


@pytest.mark.parametrize("branch", [Branch.DEPOSIT, Branch.HOT])
async def test_another_cold_or_hot_key_halts_the_coin_and_touches_nothing_else(
    tmp_path: Path, branch: Branch
) -> None:
    async with open_desk(tmp_path, "BTC", "LTC", environ=environ()) as desk:
        await desk.address("alice")
        before = rows(desk.path, "SELECT count(*) FROM own_script WHERE currency = 'BTC'")
    async with open_desk(tmp_path, "BTC", "LTC", environ=environ(), is_started=False) as desk:
        desk.derivers["BTC"] = OtherKey(branch)
        await desk.start()
        await desk.rest()
        assert (await desk.tree_states())["coin:BTC"] == "halted"
        assert (await desk.state("BTC"), await desk.state("LTC")) == ("halted", "open")
        ((detail,),) = rows(desk.path, "SELECT state_detail FROM coin WHERE currency = 'BTC'")
        assert "registered with another network, key" in detail
        assert rows(desk.path, "SELECT count(*) FROM own_script WHERE currency = 'BTC'") == before


class OtherKey(DeskDeriver):
    """One of the two account keys is another one."""

    def __init__(self, branch: Branch, currency: str = "BTC") -> None:
        super().__init__(currency)
        self._branch, self._name = branch, currency

    async def derive(self, branch: Branch, index: int) -> OwnScript:
        return own_script("LTC" if branch is self._branch else self._name, branch, index)


async def test_another_key_in_the_keystore_of_the_hot_account_halts_its_coin(tmp_path: Path) -> None:
    name = "CASHIER__COINS__ETH__HOT_"
    address = own_script("ETH", Branch.HOT, 0).script.hex()
    keystore = {
        f"{name}KEYSTORE": str(tmp_path / "hot.json"),
        f"{name}KEYSTORE_PASSPHRASE": "pass",
        f"{name}ADDRESS": f"0x{address}",
    }
    async with open_desk(tmp_path, "ETH", environ=keystore) as desk:
        assert await desk.state("ETH") == "open"
    async with open_desk(tmp_path, "ETH", environ=keystore, is_started=False) as desk:
        desk.derivers["ETH"] = OtherKey(Branch.HOT, "ETH")
        await desk.start()
        await desk.rest()
        assert await desk.state("ETH") == "halted"
    async with open_desk(tmp_path, "ETH") as desk:  # back to the seed's key
        assert await desk.state("ETH") == "halted"


async def test_custody_cannot_change_under_addresses_that_were_given(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        await desk.address("alice")
    async with open_desk(tmp_path, environ=environ()) as desk:
        assert await desk.state() == "halted"
        assert watched(desk) == []


@pytest.mark.parametrize("branch", [Branch.DEPOSIT, Branch.COLD_CHANGE, Branch.HOT])
async def test_the_cold_address_is_none_of_the_addresses_of_the_cold_key(
    tmp_path: Path, branch: Branch
) -> None:
    address = own_script("BTC", branch, AHEAD - 1).address
    settings = environ(COLD_ADDRESS=address, HOT_CEILING="0.005", HOT_TARGET="0.003")
    async with open_desk(tmp_path, environ=settings) as desk:
        assert await desk.state() == "halted"
        assert rows(desk.path, "SELECT 1 FROM own_script") == []
