"""A worker process: outlines raw blocks. Knows no script, no key and no node.

    python -m coins.bitcoin.worker FD RULES

The block's bytes are in the file FD, and so is the outline afterwards; standard input brings the number
of bytes, standard output takes it back (:data:`FAILED` for a block that has no outline). Ends when its
standard input does.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys

from coins.bitcoin.outline import BROKEN, outline_block
from coins.bitcoin.scan import BlockRules

NUMBER = struct.Struct("<q")
FAILED = -1


def answer(fd: int, size: int, rules: BlockRules) -> int:
    """Replace the ``size`` bytes of a block by its outline; the outline's size, or FAILED."""
    try:
        data = outline_block(os.pread(fd, size, 0), rules).encode()
    except BROKEN:
        return FAILED  # the parent scans it itself and says what is wrong
    os.pwrite(fd, data, 0)
    return len(data)


def main() -> None:
    """Serve until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    fd, rules = int(sys.argv[1]), BlockRules(**json.loads(sys.argv[2]))
    while len(asked := sys.stdin.buffer.read(NUMBER.size)) == NUMBER.size:
        sys.stdout.buffer.write(NUMBER.pack(answer(fd, NUMBER.unpack(asked)[0], rules)))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
