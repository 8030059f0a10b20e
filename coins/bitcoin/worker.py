"""A worker process: fetches blocks from the node and outlines them. Knows no script, no key, no password.

    python -m coins.bitcoin.worker FD DOOR RULES

Standard input brings a block's hash, standard output takes back the size of the block and of its outline,
which then stand in the file FD one behind the other; :data:`FAILED` for a block that did not come or has no
outline. Ends when its standard input does.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys

from coins.bitcoin.download import Door, Download
from coins.bitcoin.outline import BROKEN, outline_block
from coins.bitcoin.scan import BlockRules

HASH_BYTES = 64  # hex digits
SIZES = struct.Struct("<qq")
FAILED = (-1, -1)
HTTP_OK = 200


def rest_path(block_hash: str) -> str:
    """Where a node's REST has the bytes of a block."""
    return f"/rest/block/{block_hash}.bin"


def answer(fd: int, block_hash: str, door: Door, rules: BlockRules) -> tuple[int, int]:
    """Write a block and its outline into the file; their sizes, or FAILED."""
    found = Download(door, rest_path(block_hash)).run()
    if found is None or found[0] != HTTP_OK:
        return FAILED  # the parent asks itself and says what is wrong
    raw = found[1]
    try:
        outline = outline_block(raw, rules).encode()
    except BROKEN:
        return FAILED
    if os.pwrite(fd, raw, 0) != len(raw) or os.pwrite(fd, outline, len(raw)) != len(outline):
        return FAILED
    return len(raw), len(outline)


def main() -> None:
    """Serve until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    fd, door, rules = int(sys.argv[1]), Door(**json.loads(sys.argv[2])), BlockRules(**json.loads(sys.argv[3]))
    while len(asked := sys.stdin.buffer.read(HASH_BYTES)) == HASH_BYTES:
        sys.stdout.buffer.write(SIZES.pack(*answer(fd, asked.decode("ascii"), door, rules)))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
