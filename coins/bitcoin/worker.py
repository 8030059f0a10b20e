"""A worker process: fetches blocks from the node and outlines them. Knows no script, no key, no password.

    python -m coins.bitcoin.worker FDS DOOR RULES

Standard input brings a block's hash and the forms of scripts to search it for, standard output takes back
the size of the block and of its outline; :data:`FAILED` for a block that did not come or has no outline.
Both then stand one behind the other in a file of FDS (numbers with commas between them), which take turns:
while the parent reads one, the next block comes into another. Ends when its standard input does.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
from collections.abc import Collection
from itertools import cycle

from coins.bitcoin.download import Door, Download
from coins.bitcoin.outline import BROKEN, FORM_BYTES, outline_block
from coins.bitcoin.scan import BlockRules
from coins.bitcoin.search import FORMS_MAX, records

QUESTION = struct.Struct(f"<64sB{FORMS_MAX * FORM_BYTES}s")  # hash in hex digits, number of forms, forms
NICENESS = 5  # catching up is urgent to nobody who waits for an answer: they and the node go first
SIZES = struct.Struct("<qq")
FAILED = (-1, -1)
HTTP_OK = 200


def rest_path(block_hash: str) -> str:
    """Where a node's REST has the bytes of a block."""
    return f"/rest/block/{block_hash}.bin"


def question(block_hash: str, forms: Collection[bytes]) -> bytes:
    """What a worker is asked. More forms than it searches for are left out: the parent searches then."""
    known = list(forms)[:FORMS_MAX]
    return QUESTION.pack(block_hash.encode("ascii"), len(known), b"".join(known))


def asked(data: bytes) -> tuple[str, list[bytes]]:
    """Inverse of :func:`question`."""
    block_hash, number, forms = QUESTION.unpack(data)
    return block_hash.decode("ascii"), records(forms, 0, FORM_BYTES, number)


def answer(
    fd: int, block_hash: str, forms: Collection[bytes], door: Door, rules: BlockRules
) -> tuple[int, int]:
    """Write a block and its outline into the file; their sizes, or FAILED."""
    found = Download(door, rest_path(block_hash)).run()
    if found is None or found[0] != HTTP_OK:
        return FAILED  # the parent asks itself and says what is wrong
    raw = found[1]
    try:
        outline = outline_block(raw, rules, forms).encode()
    except BROKEN:
        return FAILED
    if os.pwrite(fd, raw, 0) != len(raw) or os.pwrite(fd, outline, len(raw)) != len(outline):
        return FAILED
    return len(raw), len(outline)


def main() -> None:
    """Serve until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    os.nice(NICENESS)
    fds = cycle(int(fd) for fd in sys.argv[1].split(","))
    door, rules = Door(**json.loads(sys.argv[2])), BlockRules(**json.loads(sys.argv[3]))
    while len(data := sys.stdin.buffer.read(QUESTION.size)) == QUESTION.size:
        sys.stdout.buffer.write(SIZES.pack(*answer(next(fds), *asked(data), door, rules)))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
