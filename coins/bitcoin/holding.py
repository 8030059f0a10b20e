"""What scripts own by the node's own set of unspent outputs (``scantxoutset``), at the block it stands at.

Each script is asked about as it is (``raw(…)``). A ranged descriptor (``wpkh(xpub/0/*)``) finds the same, and
has the node derive each key again, ten times slower for 100,000 of them; it would also learn the account key.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from coins.bitcoin.answer import as_amount, as_bool, as_bytes, as_hash, as_int, as_list, as_object
from coins.bitcoin.rpc import RpcClient, RpcError
from coins.errors import NodeDataError, NodeUnavailableError
from coins.types import Asked, BlockRef, Holdings, Location, Outpoint

TIMEOUT_S = 900.0  # a scan of the whole set of unspent outputs takes minutes on a main network
SCRIPTS_MAX = 300_000  # one request must stay below the node's 32 MB
METHOD = "scantxoutset"
BUSY_TRIES, BUSY_S = 20, 0.25
_NO_SCRIPT = "raw(51)"  # the node wants at least one


@dataclass(frozen=True, slots=True)
class Unspent:
    """The unspent outputs of some scripts at one block: outpoint to script and base units, and to the height
    of the block that made it."""

    height: int
    block_hash: str
    outputs: Mapping[Outpoint, tuple[bytes, int]]
    node_ms: int = 0
    heights: Mapping[Outpoint, int] = field(default_factory=dict)

    def holdings(self, ref: BlockRef, node: str, currency: str, places: Mapping[bytes, Location]) -> Holdings:
        """As Holdings at ``ref``, the node's header of that block. Raises NodeDataError for another one."""
        if (ref.height, ref.block_hash) != (self.height, self.block_hash):
            raise NodeDataError(f"{METHOD} names a height and a block that do not belong together")
        owned: dict[bytes, int] = {}
        for script, amount in self.outputs.values():
            owned[script] = owned.get(script, 0) + amount
        return holdings_of(
            ref, currency, places, owned, Asked(node, METHOD, len(places), ref.height, self.node_ms)
        )


def holdings_of(
    ref: BlockRef,
    currency: str,
    places: Mapping[bytes, Location],
    owned: Mapping[bytes, int],
    asked: Asked,
) -> Holdings:
    """Holdings of one currency from what each script owns."""
    amounts = dict.fromkeys(Location, 0)
    for script, amount in owned.items():
        amounts[places[script]] += amount
    kept = {script: amount for script, amount in owned.items() if amount}
    return Holdings(ref, {currency: amounts}, {currency: kept}, asked)


async def _scan(rpc: RpcClient, wanted: list[str]) -> object:
    """The node's answer; it does one scan at a time, and another may just run for somebody else of ours."""
    for _ in range(BUSY_TRIES):
        try:
            return await rpc.call(METHOD, "start", wanted, timeout_s=TIMEOUT_S)
        except RpcError as error:
            if "already in progress" not in error.message:
                raise
        await asyncio.sleep(BUSY_S)
    return await rpc.call(METHOD, "start", wanted, timeout_s=TIMEOUT_S)


async def read_unspent(rpc: RpcClient, scripts: Sequence[bytes], max_money: int) -> Unspent:
    """All unspent outputs of the scripts, at one block. Raises NodeUnavailableError, NodeDataError."""
    if len(scripts) > SCRIPTS_MAX:
        raise NodeUnavailableError(f"more than {SCRIPTS_MAX} scripts cannot be asked at once")
    wanted = [f"raw({script.hex()})" for script in scripts] or [_NO_SCRIPT]
    began = time.monotonic()
    answer = as_object(await _scan(rpc, wanted), METHOD)
    node_ms = int((time.monotonic() - began) * 1000)
    if not as_bool(answer.get("success"), "success"):
        raise NodeUnavailableError(f"{METHOD} was ended before it was through")
    own = set(scripts)
    outputs: dict[Outpoint, tuple[bytes, int]] = {}
    heights: dict[Outpoint, int] = {}
    for each in as_list(answer.get("unspents"), "unspents"):
        unspent = as_object(each, "unspents")
        script = as_bytes(unspent.get("scriptPubKey"), "scriptPubKey")
        outpoint = Outpoint(
            as_hash(unspent.get("txid"), "txid"), as_int(unspent.get("vout"), "vout", 0, 2**32 - 1)
        )
        amount = as_amount(unspent.get("amount"), "amount", max_money)
        if outpoint in outputs:
            raise NodeDataError(f"{METHOD} lists {outpoint.txid}:{outpoint.index} twice")
        if script in own:
            outputs[outpoint] = (script, amount)
            heights[outpoint] = as_int(unspent.get("height"), "height")
    return Unspent(
        height=as_int(answer.get("height"), "height"),
        block_hash=as_hash(answer.get("bestblock"), "bestblock"),
        outputs=outputs,
        node_ms=node_ms,
        heights=heights,
    )
