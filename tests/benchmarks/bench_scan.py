"""Scanning a full block: against bitcoinlib's parser, against the number of watched scripts, and memory.

    python -m tests.benchmarks.bench_scan

The block is made here: 4,001 chain txs, 8,000 P2WPKH inputs with a witness of the usual size, 12,002
outputs, 1.6 MB. Keys and signatures are real ones, of random digests: no parser checks them.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable

from coincurve import PrivateKey

from coins.bitcoin.scan import BlockRules, scan_block
from coins.bitcoin.wire import Tx, TxIn, TxOut, sha256d, varint
from coins.index import WatchIndex
from coins.types import Outpoint
from tests.benchmarks.table import Row, row
from tests.coins.bitcoin.setup import merkle_root

TXS = 4_000
OUTPUTS = 12_002
SCRIPTS_FEW, SCRIPTS_MANY = 5_000, 1_000_000
RULES = BlockRules("BTC", 21 * 10**14)
LIBRARY_BAR, SIZE_BAR, MEMORY_BAR_MB = 100.0, 1.25, 150.0


def full_block(own: list[bytes], seed: int = 1, parent: bytes = sha256d(b"parent")) -> bytes:
    """A block as full as the network allows; it pays every script of ``own`` once.

    ``parent`` is the hash of the block before, as on the wire.
    """
    source = random.Random(seed)
    scripts = [b"\x00\x14" + source.randbytes(20) for _ in range(OUTPUTS - 2)]
    for place, script in zip(source.sample(range(len(scripts)), len(own)), own, strict=True):
        scripts[place] = script
    coinbase_in = TxIn(Outpoint("00" * 32, 2**32 - 1), 2**32 - 1, b"\x03\x01\x02\x03", (bytes(32),))
    commitment = TxOut(0, b"\x6a\x24\xaa\x21\xa9\xed" + source.randbytes(32))
    coinbase = Tx(2, (coinbase_in,), (TxOut(312_500_000, b"\x00\x14" + source.randbytes(20)), commitment), 0)
    txs = [coinbase]
    keys = [PrivateKey(source.randbytes(32)) for _ in range(50)]

    def witness() -> tuple[bytes, bytes]:
        key = source.choice(keys)
        return key.sign(source.randbytes(32), hasher=None) + b"\x01", key.public_key.format()

    for number in range(TXS):
        inputs = tuple(
            TxIn(
                Outpoint(source.randbytes(32).hex(), source.randrange(4)),
                0xFFFFFFFD,
                b"",
                witness(),
            )
            for _ in range(2)
        )
        outputs = tuple(TxOut(source.randrange(1, 10**9), s) for s in scripts[3 * number : 3 * number + 3])
        txs.append(Tx(2, inputs, outputs, 0))
    body = b"".join(each.serialize() for each in txs)
    root = merkle_root([bytes.fromhex(each.txid)[::-1] for each in txs])
    header = (4).to_bytes(4, "little") + parent + root + (1_700_000_000).to_bytes(4, "little")
    return header + bytes.fromhex("ffff001d") + bytes(4) + varint(TXS + 1) + body


def watch_index(count: int, seed: int = 2) -> WatchIndex:
    """An index of ``count`` scripts that the block does not pay, and as many own outputs, up to 100,000."""
    source = random.Random(seed)
    index = WatchIndex(b"\x00\x14" + source.randbytes(20) for _ in range(count))
    index.add_outpoint_keys(source.randbytes(36) for _ in range(min(count, 100_000)))
    return index


def best_of(work: Callable[[], object], rounds: int) -> float:
    """Shortest time of one round in seconds of processor time."""
    times = []
    gc.collect()
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def best_of_two(
    first: Callable[[], object], second: Callable[[], object], rounds: int
) -> tuple[float, float]:
    """As :func:`best_of` for two works in turns, so that both meet the same machine."""
    pairs = [(best_of(first, 1), best_of(second, 1)) for _ in range(rounds)]
    return min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)


def rows() -> list[Row]:
    """The rows of the table."""
    own = [b"\x00\x14" + random.Random(3 + number).randbytes(20) for number in range(20)]
    raw = full_block(own)
    few, many = watch_index(SCRIPTS_FEW), watch_index(SCRIPTS_MANY)
    few.add_scripts(own)
    many.add_scripts(own)
    assert len(scan_block(raw, few, RULES).receipts) == len(scan_block(raw, many, RULES).receipts) == len(own)
    few_s, many_s = best_of_two(lambda: scan_block(raw, few, RULES), lambda: scan_block(raw, many, RULES), 30)
    library_s = best_of(_library_parser(raw), 2)
    memory_mb = _index_memory_mb()
    block = f"full block ({OUTPUTS:,} outputs, {len(raw) / 1e6:.2f} MB) scanned"
    few_shown, library_shown = f"{few_s * 1e3:.1f} ms", f"{library_s * 1e3:,.0f} ms"
    return [
        row(f"{block}, 5k watched scripts", few_shown, f"bitcoinlib's block parser: {library_shown}",
            library_s / few_s, at_least=LIBRARY_BAR),
        row(f"{block}, 1M watched scripts", f"{many_s * 1e3:.1f} ms", f"5k watched scripts: {few_shown}",
            many_s / few_s, at_most=SIZE_BAR),
        row("memory of an index of 1M scripts", f"{memory_mb:.0f} MB", "the process before", memory_mb,
            at_most=MEMORY_BAR_MB, unit=" MB"),
    ]  # fmt: skip


def _library_parser(raw: bytes) -> Callable[[], object]:
    """bitcoinlib's parser on the same bytes, chain txs included."""
    folder = tempfile.mkdtemp(prefix="bench-")  # it writes its data folder while it is imported
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ.setdefault("BCL_DATA_DIR", folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        blocks = importlib.import_module("bitcoinlib.blocks")
    return lambda: blocks.Block.parse_bytes(raw, parse_transactions=True)


def _index_memory_mb() -> float:
    """Growth of a fresh process's resident memory by an index of 1M scripts."""
    code = (
        "import random\n"
        "from coins.index import WatchIndex\n"
        "def resident():\n"
        "    with open('/proc/self/statm') as file:\n"
        "        return int(file.read().split()[1]) * 4096\n"
        "before = resident()\n"
        "make = random.Random(2).randbytes\n"
        "index = WatchIndex()\n"
        f"index.add_scripts(b'\\x00\\x14' + make(20) for _ in range({SCRIPTS_MANY}))\n"
        f"assert len(index) == {SCRIPTS_MANY}\n"
        "print(resident() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return int(done.stdout) / 1e6


if __name__ == "__main__":
    for each in rows():
        print(each)
