"""Blocks made to mislead: the search finds in each what the scan of every byte finds, or both refuse it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import pytest

from coins.bitcoin.match import scan_outlined
from coins.bitcoin.outline import BROKEN, Outline, decode, outline_block
from coins.bitcoin.scan import BlockRules, Scan, scan_block
from coins.bitcoin.wire import sha256d, varint
from coins.errors import NodeDataError
from coins.index import WatchIndex, outpoint_key
from coins.types import Outpoint
from tests.coins.bitcoin import test_scan as shapes

KEY, PROGRAM = b"\x11" * 20, b"\x33" * 32
OURS = (
    b"\x00\x14" + KEY,
    b"\x00\x14" + b"\x16\x00\x14" + KEY[:17],  # its bytes look like the beginning of another
    b"\x76\xa9\x14" + KEY + b"\x88\xac",
    b"\xa9\x14" + KEY + b"\x87",
    b"\x51\x20" + PROGRAM,
    b"\x00\x20" + PROGRAM,
    b"\x51" * 20,  # one that overlaps itself
    b"\x6a\x4c" + b"\x22" * 250,
)
SPENT = tuple(Outpoint(f"{number:064x}", number % 300) for number in range(1, 6))
KEYS = [outpoint_key(each) for each in SPENT]
ALL_RULES = (
    shapes.RULES,
    shapes.LITECOIN,
    BlockRules("DOGE", 10**18, has_segwit=False, has_auxpow=True),
)
FILLERS = (0, 1, 2, 22, 23, 25, 32, 34, 64, 65, 71, 72, 107, 251, 252, 253, 254, 300)


class Forger:
    """Makes blocks from one source of randomness."""

    def __init__(self, source: random.Random) -> None:
        self.source = source
        self.rules = source.choice(ALL_RULES)
        self.made: list[bytes] = []  # outpoints of this block, ours and others
        self.oddity = source.choice((0.0, 0.0, 0.002, 0.02))  # how often something is not as it should be

    def block(self) -> bytes:
        """A block, in about a third of the cases with some bytes that are not as they were."""
        txs = [self.tx() for _ in range(self.source.choice((0, 1, 2, 3, 6, 12, 70)))]
        if txs and self.source.random() < 0.2:
            txs.append(self.source.choice(txs))
        self.source.shuffle(txs)
        txs.insert(0, self.tx(is_coinbase=True))
        tail = b""
        if self.rules.has_mweb and self.source.random() < 0.6:
            txs.append(self.tx(flag=8))
            tail = b"\x01" + self.script()
        if self.is_odd():
            tail += self.script()
        raw = self.header() + self.size(len(txs)) + b"".join(txs) + tail
        return self.broken(raw) if self.source.random() < 0.35 else raw

    def header(self) -> bytes:
        version = self.source.choice((4, 0x20000000, 0x620104))
        plain = shapes.header(version)
        if not self.rules.has_auxpow or not version & 0x100:
            return plain
        branch = varint(2) + self.script()[:1].ljust(64, b"\x16") + bytes(4)
        return plain + self.tx() + bytes(32) + branch + varint(0) + bytes(4) + bytes(80)

    def tx(self, *, is_coinbase: bool = False, flag: int | None = None) -> bytes:
        """A chain tx of any shape; what it makes may be spent by one before it or behind it."""
        if flag is None:
            flag = 1 if self.rules.has_segwit and self.source.random() < 0.6 else 0
        if self.is_odd():
            flag = self.source.choice((0, 1, 2, 8, 9))
        inputs = self.count(1) if not is_coinbase else 1
        outputs = self.count(0)
        version, locktime = self.source.choice((bytes(4), b"\x02\0\0\0", OURS[0][:4])), bytes(4)
        spends = [self.outpoint() if not is_coinbase else outpoint_key(shapes.NOTHING) for _ in range(inputs)]
        body = self.size(inputs)
        for key in spends:
            script = b"" if self.source.random() < 0.5 else self.script()
            body += key + self.sized(script) + b"\xff" * 4
        body += self.size(outputs) + b"".join(
            self.amount() + self.sized(self.script()) for _ in range(outputs)
        )
        digest = sha256d(version + body + locktime)
        self.made += [digest + number.to_bytes(4, "little") for number in range(min(outputs, 3))]
        mark = bytes((0, flag)) if flag or self.is_odd() else b""
        witness = b"".join(self.stack() for _ in range(inputs)) if flag & 1 else b""
        extension = b"\x00" if flag & 8 else b""
        return version + mark + body + witness + extension + locktime

    def script(self) -> bytes:
        """One of ours, one that holds or resembles one of ours, or filler."""
        own, size = self.source.choice(OURS), self.source.choice(FILLERS)
        at = self.source.randrange(len(own))
        choices: Sequence[Callable[[], bytes]] = (
            lambda: own,
            lambda: b"\x6a" + varint(len(own)) + own,
            lambda: (varint(len(own)) + own) * self.source.randrange(1, 4),
            lambda: b"\x51\x21\x02" + KEY + own[:12] + b"\x51\xae",
            lambda: own[:at] + bytes((own[at] ^ 1,)) + own[at + 1 :],
            lambda: own[:-1],
            lambda: own + b"\x16",
            lambda: varint(len(own)) + own[:-3],
            lambda: self.source.choice(KEYS),
            lambda: bytes(size),
            lambda: b"\xfd" * size,
            lambda: self.source.randbytes(size),
            lambda: b"\x00\x14" + self.source.randbytes(20),
        )
        return self.source.choice(choices)()

    def outpoint(self) -> bytes:
        kind = self.source.random()
        if kind < 0.12:
            return self.source.choice(KEYS)
        if kind < 0.3 and self.made:
            return self.source.choice(self.made)
        if kind < 0.35:
            return (varint(22) + OURS[0]).ljust(36, b"\x14")
        return self.source.randbytes(36)

    def stack(self) -> bytes:
        items = [self.script() for _ in range(self.source.choice((0, 1, 2, 2, 2, 3, 4, 5)))]
        return self.size(len(items)) + b"".join(self.sized(item) for item in items)

    def amount(self) -> bytes:
        most = self.rules.max_money
        top = most >> 8 * ((most.bit_length() - 1) // 8) << 8 * ((most.bit_length() - 1) // 8)
        value = self.source.choice((0, 1, 546, most, most - 1, top, top - 1, self.source.randrange(most)))
        if self.is_odd():
            value = self.source.choice((most + 1, 2**63, 2**64 - 1, top + 2**48))
        return value.to_bytes(8, "little")

    def count(self, least: int) -> int:
        if self.source.random() < 0.01:
            return self.source.choice((252, 253, 254))
        return self.source.choice((least, 1, 1, 2, 2, 3, 4, 5, 6, 7))

    def sized(self, data: bytes) -> bytes:
        return self.size(len(data)) + data

    def size(self, number: int) -> bytes:
        """As it is written; an odd one is longer than it need be, or another."""
        if not self.is_odd():
            return varint(number)
        wide = self.source.choice((2, 4, 8))
        odd = self.source.choice((number, number, number + 1, 2 ** (8 * wide) - 1))
        return {2: b"\xfd", 4: b"\xfe", 8: b"\xff"}[wide] + odd.to_bytes(wide, "little")

    def is_odd(self) -> bool:
        return self.source.random() < self.oddity

    def broken(self, raw: bytes) -> bytes:
        at, size = self.source.randrange(len(raw)), self.source.choice((1, 1, 2, 5, 40))
        other = self.source.randrange(len(raw))
        choices: Sequence[bytes] = (
            raw[:at],
            raw[:at] + bytes((raw[at] ^ 1 << self.source.randrange(8),)) + raw[at + 1 :],
            raw[:at] + raw[at + size :],
            raw[:at] + self.script() + raw[at:],
            raw[:at] + raw[other : other + size] + raw[at + size :],
            raw + self.script(),
        )
        return self.source.choice(choices)


def ways(raw: bytes, rules: BlockRules, forms: set[bytes]) -> Iterator[Outline]:
    """The block's outline as this process makes it, and as workers give it that knew more or fewer forms."""
    yield outline_block(raw, rules)
    for told in ((), forms, set(sorted(forms)[::2])):
        yield decode(outline_block(raw, rules, told).encode())


def compare(raw: bytes, rules: BlockRules, exact: WatchIndex, quick: WatchIndex) -> Scan | None:
    """All ways give one result and leave the same outpoints, or all refuse; answers that result."""
    for index in (exact, quick):
        index.outpoints.clear()
        index.add_outpoint_keys(KEYS)
    try:
        wanted = scan_block(raw, exact, rules)
    except NodeDataError:
        with pytest.raises(BROKEN):
            outline_block(raw, rules)
        return None
    for outline in ways(raw, rules, quick.forms):
        quick.outpoints.clear()
        quick.add_outpoint_keys(KEYS)
        assert scan_outlined(raw, outline, quick, rules) == wanted
        assert quick.outpoints == exact.outpoints
    return wanted


def test_d23_hostile_blocks_give_the_same_whichever_way_they_are_read() -> None:
    exact, quick = WatchIndex(OURS), WatchIndex(OURS)
    found: list[Scan | None] = []
    for seed in range(600):
        forger = Forger(random.Random(seed))
        raw = forger.block()
        found.append(compare(raw, forger.rules, exact, quick))
    whole = [scan for scan in found if scan is not None]
    assert len(whole) > 200
    assert len(found) - len(whole) > 100
    assert sum(bool(scan.receipts) for scan in whole) > 100
    assert sum(bool(scan.spends) for scan in whole) > 100
