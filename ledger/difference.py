"""What makes chain and books differ at one block: named by kind, script, chain tx and amount. Pure.

Given are the block's movements of our scripts as the chain tells them and as the books have them, by how much
the state of each script changed, and the postings booked at the block. An amount is the chain's less the
books': below zero the books have more than there is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from coins.types import Location, booked_at

MISSING_DEPOSIT = "missing_deposit"  # on the chain, not in the books
EXTRA_CREDIT = "extra_credit"  # in the books, not on the chain
UNKNOWN_OUTGOING = "unknown_outgoing"  # left our scripts, the books do not know of it
STOLEN_UTXO = "stolen_utxo"  # the same of an output, and nothing of it came back to the house
WRONG_FEE = "wrong_fee"  # what a chain tx of ours cost is booked otherwise
FORCED_BALANCE = "forced_balance"  # more is there than any movement of the block brought
STUCK_WITHDRAWAL = "stuck_withdrawal"  # a payout that is paid in one of the two and not in the other
ORPHAN = "orphan"  # booked at a block that is not in the chain
WRONG_DECIMALS = "wrong_decimals"  # booked with an amount that is a power of ten off
WRONG_AMOUNT = "wrong_amount"  # booked with another amount
DUPLICATE = "duplicate"  # booked twice
UNEXPLAINED = "unexplained"  # none of these: somebody must look
NODE_DOUBT = "node_doubt"  # the node's answers contradict each other

CORRECTED = "corrected"  # an operator's correction of the books: explained by the case it is of

KINDS = (
    MISSING_DEPOSIT, EXTRA_CREDIT, UNKNOWN_OUTGOING, STOLEN_UTXO, WRONG_FEE, FORCED_BALANCE, STUCK_WITHDRAWAL,
    ORPHAN, WRONG_DECIMALS, WRONG_AMOUNT, DUPLICATE, UNEXPLAINED, NODE_DOUBT,
    CORRECTED,
)  # fmt: skip

CORRECTION, CORRECTION_REVERSED = "difference_corrected", "correction_reversed"
CORRECTIONS = (CORRECTION, CORRECTION_REVERSED)
"""Kinds of the entries by which operators bring the books to the chain, and take that back."""

FEES = ("network_fee", "token_fee")


@dataclass(frozen=True, slots=True)
class Moved:
    """One change of what a script holds, in a block: of the chain, or of the books (``journal_id``).

    ``block_hash`` is the block it was booked at, which may be another one than the chain's.
    """

    script: bytes
    txid: str
    position: str
    amount: int
    journal_id: int | None = None
    block_hash: str = ""


@dataclass(frozen=True, slots=True)
class Booked:
    """What one entry of the block did to what is onchain at a location: more (above zero) or less.

    ``others`` are the kinds of the accounts on the other side, ``ref`` the object the entry is about.
    """

    journal_id: int
    kind: str
    ref: str
    txid: str
    location: str
    amount: int
    others: tuple[str, ...]
    block_hash: str


@dataclass(frozen=True, slots=True)
class Facts:
    """All about one block and one currency. ``places`` are our scripts with their locations (``change`` for
    change scripts, booked at ``hot``), ``attempts`` the txids of our own chain txs, ``state`` by how
    much the chain changed what each script holds."""

    block_hash: str
    places: Mapping[bytes, str]
    chain: Sequence[Moved]
    books: Sequence[Moved]
    state: Mapping[bytes, int]
    booked: Sequence[Booked]
    attempts: frozenset[str]


@dataclass(frozen=True, slots=True)
class Found:
    """One difference. ``script`` is empty where the books alone are wrong."""

    kind: str
    location: str
    amount: int
    txid: str = ""
    position: str = ""
    script: bytes = b""
    detail: str = ""


def explain(facts: Facts) -> tuple[Found, ...]:
    """Every difference of the block; they sum to it by location."""
    found = [each for script in sorted(_touched(facts)) for each in _of_script(facts, script)]
    found += _of_postings(facts)
    return tuple(found)


def _touched(facts: Facts) -> set[bytes]:
    moved = {each.script for each in (*facts.chain, *facts.books)}
    return (moved | facts.state.keys()) & facts.places.keys()


def _of_script(facts: Facts, script: bytes) -> Iterable[Found]:
    """Movements that one side has and the other has not, then what no movement of either side tells."""
    location = facts.places[script]
    chain = _by_place(each for each in facts.chain if each.script == script)
    books = _by_place(each for each in facts.books if each.script == script)
    for place in sorted(chain.keys() | books.keys()):
        told, held = chain.get(place, []), books.get(place, [])
        difference = sum(each.amount for each in told) - sum(each.amount for each in held)
        if difference:
            kind, detail = _kind_of(facts, told, held)
            yield Found(kind, location, difference, *place, script, detail)
    unseen = unseen_by(facts, script)
    if unseen > 0:
        detail = "no movement of the block brought it"
        yield Found(FORCED_BALANCE, location, unseen, script=script, detail=detail)
    elif unseen < 0:
        detail = "the node's state has less than its block moved"
        yield Found(UNKNOWN_OUTGOING, location, unseen, script=script, detail=detail)


def unseen_by(facts: Facts, script: bytes) -> int:
    """By how much the state of a script changed that no movement of the block tells."""
    return facts.state.get(script, 0) - sum(each.amount for each in facts.chain if each.script == script)


def _by_place(moves: Iterable[Moved]) -> dict[tuple[str, str], list[Moved]]:
    found: dict[tuple[str, str], list[Moved]] = defaultdict(list)
    for each in moves:
        found[each.txid, each.position].append(each)
    return found


def _kind_of(facts: Facts, told: Sequence[Moved], held: Sequence[Moved]) -> tuple[str, str]:
    """What a place of a chain tx is that the two sides tell differently."""
    first = (told or held)[0]
    is_ours = first.txid in facts.attempts
    if told and held:
        return _kind_of_amounts(told, held, is_ours)
    is_incoming = first.amount > 0
    if held:
        if any(each.block_hash not in ("", facts.block_hash) for each in held):
            return ORPHAN, f"booked at block {held[0].block_hash}, which is not in the chain"
        if is_incoming:
            return EXTRA_CREDIT, "booked, and not in this block"
        kind = STUCK_WITHDRAWAL if is_ours else UNEXPLAINED
        return kind, "booked as gone, and not in this block"
    if first.position == "gas":
        return WRONG_FEE, "gas that is not booked"
    if is_ours:
        return STUCK_WITHDRAWAL, "a chain tx of ours is in this block, and not booked"
    with_change = first.txid in _paid_with_change(facts)
    if is_incoming and with_change and booked_at(facts.places[first.script]) is Location.HOT:
        return UNKNOWN_OUTGOING, "came back of what left by a chain tx that the books do not know"
    if is_incoming:
        return MISSING_DEPOSIT, "in this block, and not booked"
    if with_change:
        return UNKNOWN_OUTGOING, "left by a chain tx that the books do not know, which paid us change"
    kind = STOLEN_UTXO if first.position.startswith("in:") else UNKNOWN_OUTGOING
    return kind, "left by a chain tx that is not ours, and is not booked"


def _paid_with_change(facts: Facts) -> set[str]:
    """Chain txs that spent outputs of ours and paid a part of it to the house's own scripts.

    That is what a payment of ours looks like that the books do not know, as behind an old copy of them.
    """
    spenders = {each.txid for each in facts.chain if each.position.startswith("in:")}
    ours = {script for script, place in facts.places.items() if booked_at(place) is Location.HOT}
    back = {each.txid for each in facts.chain if each.amount > 0 and each.script in ours}
    return spenders & back


def _kind_of_amounts(told: Sequence[Moved], held: Sequence[Moved], is_ours: bool) -> tuple[str, str]:
    """The same place with two amounts."""
    said, booked = sum(each.amount for each in told), sum(each.amount for each in held)
    detail = f"the chain says {said}, the books {booked}"
    if len(held) > len(told) and held[0].amount == told[0].amount:
        return DUPLICATE, detail
    if told[0].position == "gas" or (is_ours and said > 0):
        return WRONG_FEE, detail
    if is_power_of_ten(said, booked):
        return WRONG_DECIMALS, detail
    return WRONG_AMOUNT, detail


def is_power_of_ten(one: int, other: int) -> bool:
    """Whether the larger amount is ten, a hundred, … times the smaller one."""
    small, large = sorted((abs(one), abs(other)))
    if not small or large % small or large == small:
        return False
    return str(large // small).strip("0") == "1"


def _of_postings(facts: Facts) -> Iterable[Found]:
    """Entries that moved more, or less, onchain than their movements: the books differ from themselves."""
    moved: dict[tuple[int | None, str], int] = defaultdict(int)
    for each in facts.books:
        place = facts.places.get(each.script)
        moved[each.journal_id, booked_at(place).value if place else ""] += each.amount
    posted: dict[tuple[int, str], list[Booked]] = defaultdict(list)
    for entry in facts.booked:
        posted[entry.journal_id, entry.location].append(entry)
    for (journal_id, location), entries in sorted(posted.items()):
        excess = sum(each.amount for each in entries) - moved.pop((journal_id, location), 0)
        if excess:
            kind, detail = _kind_of_entry(facts, entries[0], excess)
            yield Found(kind, location, -excess, entries[0].txid, f"journal:{journal_id}", detail=detail)
    for (lost_id, location), amount in sorted(moved.items(), key=str):
        if amount and location:
            detail = f"moved without a posting of entry {lost_id}"
            yield Found(UNEXPLAINED, location, amount, position=f"journal:{lost_id}", detail=detail)


def _kind_of_entry(facts: Facts, entry: Booked, excess: int) -> tuple[str, str]:
    """What an entry is whose posting no movement of the chain stands behind."""
    name = f"entry {entry.journal_id} ({entry.kind} {entry.ref})"
    if entry.kind in CORRECTIONS:
        return CORRECTED, f"{name} is an operator's"
    if entry.block_hash not in ("", facts.block_hash):
        return ORPHAN, f"{name} was booked at block {entry.block_hash}, which is not in the chain"
    twins = [
        each
        for each in facts.booked
        if each.journal_id < entry.journal_id
        and (each.txid, each.location, each.amount) == (entry.txid, entry.location, entry.amount)
    ]
    if twins and entry.txid:
        return DUPLICATE, f"{name} books again what entry {twins[0].journal_id} booked"
    if set(entry.others) & set(FEES):
        return WRONG_FEE, f"{name} books another fee than the chain took"
    if excess > 0:
        return EXTRA_CREDIT, f"{name} has no movement on the chain"
    kind = STUCK_WITHDRAWAL if entry.txid in facts.attempts else UNEXPLAINED
    return kind, f"{name} takes out what did not leave"
