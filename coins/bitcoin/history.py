"""What scripts owned at earlier blocks: the node's answer at its tip, taken back by raw blocks.

``scantxoutset`` answers at the tip only. The blocks above the height asked for are read forward into an
index of their own, which knows the scripts, the outputs of ours that were unspent at that height, and those
that the blocks make; what they did is then undone from the answer, block by block. An output that nobody
told of, made below that height and spent above it, cannot be seen: a node without an index of all chain txs
does not know either what it held.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace

from coins.bitcoin.answer import as_hash
from coins.bitcoin.holding import METHOD, Unspent, holdings_of
from coins.bitcoin.rpc import RpcClient, RpcError
from coins.bitcoin.scan import BlockRules, Scan, scan_steps
from coins.errors import NodeDataError, NodeDoubtError, NodeUnavailableError
from coins.index import WatchIndex
from coins.types import Asked, BlockRef, Holdings, Location, Outpoint, OwnOutput

HASHES_AT_ONCE = 1_000
REWOUND = f"{METHOD}+getblock"
"""The method of an answer that was taken back by raw blocks."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one block changed: by how much each script owns more (or less) after it."""

    ref: BlockRef
    changes: Mapping[bytes, int]


@dataclass(frozen=True, slots=True)
class BitcoinHistory:
    """Holdings from ``base``, the block below the first of ``steps``, to the tip, the last of them.

    ``owned`` is what each script has at the tip.
    """

    currency: str
    places: Mapping[bytes, Location]
    asked: Asked
    base: BlockRef
    steps: Sequence[Step]
    owned: Mapping[bytes, int]

    async def at(self, height: int) -> Holdings:
        """Holdings at a height. Raises ValueError below the base or above the tip, NodeDataError when a
        script would have owned less than nothing."""
        below = height - self.base.height
        if not 0 <= below <= len(self.steps):
            raise ValueError(f"height {height} is not one of this history")
        owned = dict(self.owned)
        for step in self.steps[below:]:
            for script, change in step.changes.items():
                owned[script] = owned.get(script, 0) - change
        for script, amount in owned.items():
            if amount < 0:
                raise NodeDataError(f"taken back to height {height}, script {script.hex()} owns {amount}")
        ref = self.steps[below - 1].ref if below else self.base
        method = self.asked.method if below == len(self.steps) else REWOUND
        return holdings_of(ref, self.currency, self.places, owned, replace(self.asked, method=method))


Fetch = Callable[[str], Awaitable[bytes]]
Scanning = Callable[[Generator[None, None, Scan]], Awaitable[Scan]]


@dataclass(frozen=True, slots=True)
class HistoryReader:
    """Reads raw blocks into an index of its own. ``fetch`` gives a block's bytes by its hash, ``scanning``
    the result of a scan in steps, with pauses."""

    rpc: RpcClient
    rules: BlockRules
    node: str
    fetch: Fetch
    scanning: Scanning

    async def read(
        self, unspent: Unspent, places: Mapping[bytes, Location], base: BlockRef, known: Sequence[OwnOutput]
    ) -> BitcoinHistory:
        """What the blocks above ``base`` up to that of ``unspent`` did; ``known`` are outputs of ours that
        were unspent at ``base``.

        Raises NodeUnavailableError when the chain moved meanwhile, NodeDoubtError when the node's blocks and
        its set of unspent outputs contradict each other.
        """
        hashes = await self._hashes(base.height + 1, unspent.height)
        index = WatchIndex()
        index.add_scripts(places)
        live: dict[Outpoint, tuple[bytes, int]] = {}
        for output in known:
            live[output.outpoint] = (output.script, output.amount)
            index.add_outpoint(output.outpoint)
        steps: list[Step] = []
        made: set[Outpoint] = set()
        parent = base.block_hash
        for height, block_hash in enumerate(hashes, base.height + 1):
            scan = await self.scanning(scan_steps(await self.fetch(block_hash), index, self.rules))
            if scan.block_hash != block_hash:
                raise NodeDataError(f"asked for block {block_hash}, got {scan.block_hash}")
            if scan.parent_hash != parent:
                raise NodeUnavailableError("the node's chain moved while it was read")
            ref = BlockRef(height, block_hash, parent, scan.time)
            steps.append(Step(ref, _changes(scan, live)))
            made |= {Outpoint(each.txid, int(each.position)) for each in scan.receipts}
            parent = block_hash
        if parent != unspent.block_hash:
            raise NodeUnavailableError("the node's chain moved while it was read")
        _compare(live, made, unspent, base.height, self.rules.currency, places)
        owned: dict[bytes, int] = {}
        for script, amount in unspent.outputs.values():
            owned[script] = owned.get(script, 0) + amount
        asked = Asked(self.node, METHOD, len(places), unspent.height, unspent.node_ms)
        return BitcoinHistory(self.rules.currency, places, asked, base, steps, owned)

    async def _hashes(self, first: int, last: int) -> list[str]:
        """Hashes of the node's best chain now; the caller checks that they follow one another."""
        hashes: list[str] = []
        for start in range(first, last + 1, HASHES_AT_ONCE):
            heights = range(start, min(last, start + HASHES_AT_ONCE - 1) + 1)
            for answer in await self.rpc.batch("getblockhash", [(height,) for height in heights]):
                if isinstance(answer, RpcError):
                    raise NodeUnavailableError("the node's chain moved while it was read") from answer
                hashes.append(as_hash(answer, "getblockhash"))
        return hashes


def _changes(scan: Scan, live: dict[Outpoint, tuple[bytes, int]]) -> dict[bytes, int]:
    """By how much a block changed what each script owns; ``live`` follows the outputs.

    Receipts first: what is made and spent in one block changes nothing.
    """
    changes: dict[bytes, int] = {}
    for receipt in scan.receipts:
        live[Outpoint(receipt.txid, int(receipt.position))] = (receipt.script, receipt.amount)
        changes[receipt.script] = changes.get(receipt.script, 0) + receipt.amount
    for spend in scan.spends:
        if spend.outpoint in live:
            script, amount = live.pop(spend.outpoint)
            changes[script] = changes.get(script, 0) - amount
    return {script: change for script, change in changes.items() if change}


def _compare(
    live: Mapping[Outpoint, tuple[bytes, int]],
    made: set[Outpoint],
    unspent: Unspent,
    base_height: int,
    currency: str,
    places: Mapping[bytes, Location],
) -> None:
    """What the blocks made and did not spend is in the node's set as it was made, and the set has nothing
    else from above the base."""

    def doubt(outpoint: Outpoint, script: bytes, amount: int, how: str) -> NodeDoubtError:
        text = f"{METHOD} {how.format(f'{outpoint.txid}:{outpoint.index}')}"
        apart = {currency: {(places[script].value, script): amount}}
        return NodeDoubtError(text, unspent.height, unspent.block_hash, apart)

    for outpoint in sorted(made & live.keys(), key=str):
        if unspent.outputs.get(outpoint) != live[outpoint]:
            script, amount = live[outpoint]
            told = unspent.outputs.get(outpoint, (script, 0))[1]
            raise doubt(outpoint, script, told - amount, "does not tell {} as its block does")
    for outpoint, height in unspent.heights.items():
        if height > base_height and outpoint not in made:
            raise doubt(outpoint, *unspent.outputs[outpoint], "tells {}, which no block made")
