"""What a simulated day must have left behind, held against the chains themselves and seen from outside."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from coins.types import Location
from ledger.verify import verify_file
from tests.fakes.chain import FakeBlock, FakeChain, FakeTx
from tests.fakes.coin import foreign
from tests.fakes.holding import by_location, state_holdings
from tests.fakes.oracle import check_books
from tests.ledger.books import rows
from tests.simulation.alarms import Alarm
from tests.simulation.cashier import CHAINS
from tests.simulation.world import CURRENCIES, World

PLANNED_CASES = {"parked", "funding", "illiquid"}
"""Money that came and credits nobody, and a token that could not be moved: the day has them on purpose."""

Places = dict[bytes, Location]


def judge(world: World) -> list[str]:
    """Everything that is wrong; empty when the books are the chains' and nobody was alarmed for nothing."""
    wrong = list(check_books(world.cashier.path))
    wrong += [f"{found.kind} {found.row}: {found.detail}" for found in verify_file(world.cashier.path)]
    for check in (_reconciliations, _cases, _unexplained, _explained, _clients, _payees):
        wrong += check(world)
    wrong += [f"false alarm: {alarm}" for alarm in false_alarms(world)]
    return wrong + [f"{currency}: deposits were reversed, and nobody alarmed" for currency in missed(world)]


def scheduled(world: World) -> Counter[str]:
    """How many comparisons on schedule each currency had."""
    sql = "SELECT currency, count(*) FROM reconciliation WHERE cause = 'schedule' GROUP BY currency"
    return Counter(dict(rows(world.cashier.path, sql)))


def false_alarms(world: World) -> list[Alarm]:
    """Alarms that fired without anything planned behind them."""
    return [alarm for alarm in world.alarms.fired if not _is_excused(world, alarm)]


def missed(world: World) -> set[str]:
    """Currencies of which credited deposits were undone without an alarm."""
    sql = "SELECT DISTINCT json_extract(data, '$.currency') FROM event WHERE type = 'deposit.reversed'"
    told = {alarm.currency for alarm in world.alarms.fired if alarm.name == "CashierDepositsReversed"}
    return {str(currency) for (currency,) in rows(world.cashier.path, sql)} - told


def _is_excused(world: World, alarm: Alarm) -> bool:
    return any(
        (each.alarm, each.currency) == (alarm.name, alarm.currency)
        and each.since_s <= alarm.fired_at <= each.until_s
        for each in world.excuses
    )


def _reconciliations(world: World) -> Iterator[str]:
    """Each comparison agreed, and each currency had some."""
    sql = "SELECT currency, height, cause, lines FROM reconciliation WHERE status <> 'ok'"
    yield from (f"differed: {row}" for row in rows(world.cashier.path, sql))
    counts = scheduled(world)
    yield from (f"{name} was never compared" for name in CURRENCIES if not counts[name])


def _cases(world: World) -> Iterator[str]:
    """No case but of money that came as planned."""
    sql = "SELECT kind, currency, amount, reason FROM unclaimed_case"
    yield from (f"a case: {row}" for row in rows(world.cashier.path, sql) if row[0] not in PLANNED_CASES)


def _unexplained(world: World) -> Iterator[str]:
    """Nothing was ever booked as unexplained, and nothing lost."""
    sql = (
        "SELECT j.id, j.kind, a.name, p.amount FROM posting p JOIN journal j ON j.id = p.journal_id"
        " JOIN account a ON a.id IN (p.debit_id, p.credit_id)"
        " WHERE a.name LIKE 'unexplained:%' OR a.name LIKE 'loss:%'"
    )
    yield from (f"unexplained: {row}" for row in rows(world.cashier.path, sql))


# -- block by block --------------------------------------------------------------------------------


def branch(chain: FakeChain) -> list[FakeBlock]:
    """The best branch, the lowest block first."""
    return [chain.blocks[ref.block_hash] for ref in reversed(chain.refs())]


def _explained(world: World) -> Iterator[str]:
    """Each block's change of what we own is what the books have moved at it, by currency and location."""
    for name in CHAINS:
        places = _places(world, name)
        blocks = branch(world.chains[name])
        for currency in (each for each in CURRENCIES if each.rpartition("-")[2] == name):
            token = currency if currency != name else ""
            moved = _moved(world, currency)
            before = _held(blocks[0], places, token)
            for block in blocks[1:]:
                after = _held(block, places, token)
                change = {each: after[each] - before[each] for each in after if after[each] != before[each]}
                booked = moved.pop(block.ref.block_hash, {})
                if change != booked:
                    yield f"{currency} at {block.ref.height}: the chain moved {change}, the books {booked}"
                before = after
            yield from (f"{currency}: booked at {lost}, which is no block" for lost in moved)
            yield from _totals(world, currency, before)


def _places(world: World, chain: str) -> Places:
    sql = "SELECT script, location FROM own_script WHERE chain = ?"
    return {bytes(script): Location(location) for script, location in rows(world.cashier.path, sql, chain)}


def _held(block: FakeBlock, places: Places, token: str) -> dict[Location, int]:
    return dict.fromkeys(Location, 0) | by_location(state_holdings(block.state, token), places)


def _moved(world: World, currency: str) -> dict[str, dict[Location, int]]:
    """What the books moved, by block and location."""
    found: dict[str, dict[Location, int]] = defaultdict(lambda: defaultdict(int))
    sql = "SELECT block_hash, location, delta FROM chain_movement WHERE currency = ? AND is_disconnected = 0"
    for block_hash, location, delta in rows(world.cashier.path, sql, currency):
        found[block_hash][Location(location)] += int(delta)
    known = {at: {place: amount for place, amount in sums.items() if amount} for at, sums in found.items()}
    return {at: sums for at, sums in known.items() if sums}


def _totals(world: World, currency: str, held: dict[Location, int]) -> Iterator[str]:
    """At the end each location has what the chain says."""
    for location, amount in held.items():
        booked = _balance(world, f"onchain:{currency}:{location}")
        if booked != amount:
            yield f"{currency} {location}: {booked} in the books, {amount} on the chain"


def _balance(world: World, name: str) -> int:
    found = rows(world.cashier.path, "SELECT balance FROM account WHERE name = ?", name)
    return int(found[0][0]) if found else 0


# -- client by client ------------------------------------------------------------------------------


def _clients(world: World) -> Iterator[str]:
    """A client has what came for him, less what went, told by the chain and by what was asked for."""
    expected = _received(world)
    path = world.cashier.path
    for source, target, currency, amount in rows(
        path, "SELECT source, target, currency, amount FROM transfer"
    ):
        expected[source, currency] -= int(amount)
        expected[target, currency] += int(amount)
    final = "SELECT client_id, currency, amount, fee FROM withdrawal WHERE status = 'final'"
    for client, currency, amount, fee in rows(path, final):
        expected[client, currency] -= int(amount) + int(fee)
    for client in world.clients:
        for currency in CURRENCIES:
            account = f"{client}:{currency}"
            held = _balance(world, f"client:{account}:available") - _balance(
                world, f"client_deficit:{account}"
            )
            if held != expected[client, currency]:
                yield f"{account} has {held}, expected {expected[client, currency]}"
            for part in ("pending", "reserved"):
                if _balance(world, f"client:{account}:{part}"):
                    yield f"{account} still has money {part}"


def _received(world: World) -> dict[tuple[str, str], int]:
    """What outsiders paid to each client on the best branches, without what is parked and not assigned."""
    parked = (
        "SELECT txid, position, client_id FROM unclaimed_case WHERE kind = 'parked' AND status = 'assigned'"
    )
    assigned = {(txid, position): client for txid, position, client in rows(world.cashier.path, parked)}
    owners = {(script, currency): client for (client, currency), script in world.scripts.items()}
    found: dict[tuple[str, str], int] = defaultdict(int)
    for currency, tx, position, script, amount in _receipts(world):
        client = owners.get((script, currency))
        if client is None:
            continue
        if amount >= world.settings.currencies[currency].minimum_deposit:
            found[client, currency] += amount
        elif (tx.txid, position) in assigned:
            found[assigned[tx.txid, position], currency] += amount
    return found


def _receipts(world: World) -> Iterator[tuple[str, FakeTx, str, bytes, int]]:
    """Each output of an outsider's chain tx on the best branches: currency, chain tx, position, to whom."""
    for name in CHAINS:
        for block in branch(world.chains[name]):
            for tx in block.txs:
                is_ours = tx.sender not in (None, b"faucet") or any(i.txid != "faucet" for i in tx.inputs)
                for index, (script, amount) in enumerate(tx.outputs):
                    kind = "log:0" if tx.token else "native"
                    position = kind if tx.sender is not None else str(index)
                    if not is_ours and tx.is_success:
                        yield tx.token or name, tx, position, script, amount


def _payees(world: World) -> Iterator[str]:
    """Each final withdrawal arrived once with its exact amount, no other one ever."""
    paid: dict[tuple[str, bytes], list[int]] = defaultdict(list)
    for name in CHAINS:
        for block in branch(world.chains[name]):
            for tx in block.txs:
                for script, amount in tx.outputs:
                    if tx.is_success:
                        paid[tx.token or name, script].append(amount)
    cold = {foreign("cold", name).script for name in CHAINS}
    sql = "SELECT id, currency, script, amount, status FROM withdrawal"
    for withdrawal_id, currency, script, amount, status in rows(world.cashier.path, sql):
        expected = [int(amount)] if status == "final" else []
        found: list[Any] = paid[currency, bytes(script)]
        if bytes(script) not in cold and found != expected:
            yield f"{withdrawal_id} ({status}) was paid {found}, expected {expected}"
