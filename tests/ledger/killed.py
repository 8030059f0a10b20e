"""Run in a process that is killed: batches of transfers, each acknowledged on disk only after its commit.

``python -m tests.ledger.killed FOLDER SEED`` opens the books of ``FOLDER`` and appends the id of every
answered transfer to ``acknowledged``, written through to the disk before the next batch.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

from ledger.commands import PostTransfer
from tests.ledger.books import NOW, open_store, transfer

BATCHES = 12
BATCH = 8
PARTIES = ("alice", "bob", "carol", "house")


def next_batch(chance: random.Random, seed: int, batch_number: int) -> list[PostTransfer]:
    """The next transfers of a run; the same seed gives the same ones."""
    first = seed * 10_000 + batch_number * BATCH
    commands = []
    for number in range(first, first + BATCH):
        source, target = chance.sample(PARTIES, 2)
        commands.append(transfer(number, source, target, chance.randint(1, 400)))
    return commands


def main(folder: Path, seed: int) -> None:
    """Apply batches until done or killed."""
    chance = random.Random(seed)
    store = open_store(folder)
    log = os.open(folder / "acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for batch_number in range(BATCHES):
        commands = next_batch(chance, seed, batch_number)
        results = store.apply_batch(commands, NOW)
        store.checkpoint()
        ids = [result.value.value.id for result in results if result.error is None]
        os.write(log, "".join(f"{transfer_id}\n" for transfer_id in ids).encode())
        os.fsync(log)
    store.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
