"""Follows one chain: what the node says becomes deltas, the ledger decides what they mean."""

from __future__ import annotations

import gc
import logging
from collections import deque
from dataclasses import dataclass
from typing import ClassVar

from actors.clock import Clock
from actors.directory import Directory
from actors.doubt import NOTHING, Opinion
from actors.errors import DeliveryError
from actors.in_flight import GetUnconfirmed, Unconfirmed
from actors.look import AtTip, FirstBlock, Moved, Seen, Trouble, look
from actors.messages import GetWatcherStatus, TipMoved, WatcherStatus, WorkReady
from actors.progress import Progress
from actors.runtime import AsyncioActor
from actors.slot import CoinSlot
from actors.witness import Examiner
from coins.errors import CoinError
from coins.types import Block, BlockRef, Head, MempoolView, Outpoint
from config.schema import ActorSettings
from ledger.commands import (
    ApplyChainDelta,
    ApplyMempool,
    CreditDue,
    GetWatchState,
    SetAnchor,
    SetCurrencyState,
)
from ledger.currency_state import VERDICTS, CurrencyState, Finding
from ledger.errors import DomainError, ParentMismatchError, StaleAddressesError
from ledger.request import Request
from ledger.views import DeltaApplied, WatchState
from monitoring.metrics import Metrics

logger = logging.getLogger(__name__)

RETRY_FIRST_S = 0.5
FROZEN_FROM = 50_000
"""Own scripts and outputs from which a pass of the garbage collector over them would be felt."""
BETWEEN = "; "
"""Stands between a disagreement and what else is wrong with the node."""


@dataclass(frozen=True, slots=True)
class Reload(Request[None]):
    """What the watcher knows may be wrong: take it from the ledger again before the next look."""

    receiver: ClassVar[str] = "watcher"


class WatcherActor(AsyncioActor):
    """One look at the node at a time, in a child task; its result is a message.

    What a look finds is a state of the currency: see ``ledger.currency_state``. After every one of them it
    looks again.
    """

    def __init__(
        self, slot: CoinSlot, directory: Directory, clock: Clock, settings: ActorSettings, metrics: Metrics
    ) -> None:
        """Watch the chain of the currency in ``slot``."""
        super().__init__()
        self._slot = slot
        self._chain = slot.currency
        self._directory = directory
        self._clock = clock
        self._timeout_s = settings.ask_timeout_s
        self._metrics = metrics.currency(slot.currency, slot.settings.decimals)
        self._known: deque[BlockRef] = deque(maxlen=slot.settings.max_reorg + 1)
        self._spent: deque[tuple[int, Outpoint]] = deque()
        self._state = ""
        self._detail = ""
        self._examiner = Examiner(slot, clock)
        self._credit_height: int | None = NOTHING  # what an earlier life held back is not known
        self._node_height: int | None = None
        self._pause_s = RETRY_FIRST_S
        self._progress = Progress()
        self._is_lost = False
        self._step = slot.settings.blocks_per_step
        self._shown: frozenset[str] = frozenset()
        self._told: tuple[frozenset[tuple[str, str]], frozenset[str]] | None = None
        self._unconfirmed: Unconfirmed | None = None

    async def on_start(self) -> None:
        """Load scripts, live outpoints and the last blocks; then look."""
        self._slot.may_record.set()
        state = await self._load()
        if len(self._slot.coin.index) >= FROZEN_FROM:
            gc.freeze()  # what was loaded stays for good: the collector need not walk it again and again
        if state.state in (CurrencyState.DISAGREE, CurrencyState.HALTED):
            # A disagreement ends when they agree, not with a restart; nonsense may have hidden one.
            self._examiner.distrust(state.state_detail.partition(BETWEEN)[0])
        if self._examiner.fork is not None:
            await self._report(CurrencyState.DISAGREE, self._examiner.fork.detail)
        else:
            await self._report(CurrencyState.BEHIND, "catching up after a start")
        self._look_after(0)

    async def on_receive(self, message: object) -> object:
        """Apply what a look has seen, or answer where we stand."""
        match message:
            case GetWatcherStatus():
                tip = self._known[0].height if self._known else None
                return WatcherStatus(self._chain, self._state, self._detail, tip, self._node_height)
            case GetUnconfirmed():
                return self._unconfirmed
            case Trouble() | FirstBlock() | Moved() | AtTip() | Reload():
                self._look_after(await self._take(message))
            case _:
                raise TypeError(f"{self.address} does not understand {message!r}")
        return None

    async def _load(self) -> WatchState:
        """Take over what the ledger knows; scripts already loaded are not loaded again.

        Changes nothing when the ask fails.
        """
        state = await self._directory.ask(
            "ledger", GetWatchState(self._chain, self._slot.loaded_seq), timeout_s=self._timeout_s * 12
        )
        index = self._slot.coin.index
        index.add_scripts(state.scripts)
        for txid, output_index in state.outpoints:
            index.add_outpoint(Outpoint(txid, output_index))
        self._slot.coin.reader.recall(state.seen)
        self._slot.loaded_seq = state.address_seq
        self._slot.address_seq = max(self._slot.address_seq, state.address_seq)
        self._known.clear()
        self._known.extend(state.blocks)
        self._spent.clear()
        self._told = None
        self._credit_height = NOTHING
        self._is_lost = False
        return state

    async def _take(self, seen: Seen | Reload) -> float:
        """Act on a look; answers how long to wait before the next. Whatever fails, there is a next one."""
        is_stale = False
        self._unconfirmed = None
        try:
            match seen:
                case Reload():
                    await self._load()
                case Trouble():
                    return await self._trouble(seen)
                case FirstBlock():
                    held = await self._directory.ask(
                        "ledger", SetAnchor(self._chain, seen.anchor), timeout_s=self._timeout_s
                    )
                    self._known.appendleft(held)
                case Moved():
                    await self._apply(seen)
                case AtTip():
                    return await self._at_tip(seen)
        except (StaleAddressesError, ParentMismatchError) as error:
            logger.info("%s: the ledger knows more, loading again: %s", self._chain, error)
            self._is_lost = True
            is_stale = isinstance(error, StaleAddressesError)
        except DeliveryError as error:
            logger.warning("%s: the ledger did not answer, loading again: %s", self._chain, error)
            self._is_lost = True
            return self._next_pause_s()
        except DomainError as error:
            return await self._refused(error)
        finally:
            if not isinstance(seen, Reload):
                self._pace(is_stale)
        self._pause_s = RETRY_FIRST_S
        return 0

    def _pace(self, is_stale: bool) -> None:
        """However many addresses are given out, the chain goes on.

        After a scan that missed one, the next is of one block, and new addresses wait for it.
        """
        if is_stale:
            self._step = 1
            self._slot.may_record.clear()
        else:
            self._step = min(self._step * 2, self._slot.settings.blocks_per_step)
            self._slot.may_record.set()

    async def _refused(self, error: DomainError) -> float:
        """The ledger refuses what the node told (impossible numbers, a reorg into what is final): halted."""
        try:
            return await self._trouble(Trouble(CurrencyState.HALTED, error.detail or error.code))
        except (DeliveryError, DomainError) as second:
            logger.warning("%s: %s could not be recorded: %s", self._chain, error, second)
            return self._next_pause_s()

    async def _trouble(self, trouble: Trouble) -> float:
        """Show the state; the pauses grow up to the configured one.

        A node that does not answer settles no disagreement: the books keep it, for the next start too.
        """
        state, detail, fork = trouble.state, trouble.detail, self._examiner.fork
        if state == CurrencyState.HALTED:
            logger.error("%s: halted: %s", self._chain, detail)
        elif fork is not None:
            state, detail = CurrencyState.DISAGREE, f"{fork.detail}{BETWEEN}{detail}"
        self._node_height = None
        self._metrics.node_up("node", is_up=trouble.state != CurrencyState.DOWN)
        await self._report(state, detail)
        return self._next_pause_s()

    def _next_pause_s(self) -> float:
        """How long to wait before the next try: each time double, up to the configured pause."""
        pause_s = self._pause_s
        self._pause_s = min(self._pause_s * 2, self._slot.settings.node.retry_max_s)
        return pause_s

    async def _apply(self, moved: Moved) -> None:
        """Hand the delta to the ledger, then follow it here."""
        delta = moved.delta
        applied = await self._directory.ask("ledger", ApplyChainDelta(delta), timeout_s=self._timeout_s * 6)
        for ref in delta.disconnected:
            self._known.popleft()
            while self._spent and self._spent[-1][0] >= ref.height:
                self._spent.pop()  # unspent again: its next spend must be seen, however late it comes
        for block in delta.connected:
            self._known.appendleft(block.ref)
            self._forget_spent(block)
        self._told = None
        self._node_height = moved.head.height
        self._credit_height = delta.credit_height
        self._measure(moved, applied)
        if delta.disconnected:
            logger.warning(
                "%s: reorg of %d blocks below height %d",
                self._chain, len(delta.disconnected), delta.disconnected[0].height,
            )  # fmt: skip
        if moved.is_last:
            self._progress.done()
            await self._report_opinion(moved.opinion, Finding.AT_HEAD)
            self._hint()
        else:
            detail = f"catching up to height {moved.head.height}"
            await self._report_opinion(moved.opinion, Finding.CATCHING_UP, detail)
            told = self._progress.step(self._clock.now_s(), applied.tip.height, moved.head.height)
            if told:
                logger.info("%s: catching up: %s", self._chain, told)

    async def _at_tip(self, at_tip: AtTip) -> float:
        """Standing at the head: show what is unconfirmed, then wait for the next block."""
        self._pause_s = RETRY_FIRST_S
        self._node_height = at_tip.head.height
        await self._credit_due(at_tip.opinion.credit_height)
        if at_tip.mempool is not None:
            await self._mempool(at_tip.mempool)
            now_s = int(self._clock.now_s())
            self._unconfirmed = Unconfirmed(at_tip.mempool, at_tip.head.block_hash, now_s)
        if at_tip.mempool is not None or at_tip.opinion.gravest is not None:
            await self._report_opinion(at_tip.opinion, Finding.AT_HEAD)
        tip = self._known[0]
        self._metrics.tip(at_tip.head.height, at_tip.head.height - tip.height, tip.time)
        self.spawn(self._wait_and_look(at_tip.head), "wait")
        return -1

    async def _mempool(self, view: MempoolView) -> None:
        """Tell the ledger only what changed: a receipt came, or a chain tx that was shown has gone."""
        keys = frozenset((receipt.txid, receipt.position) for receipt in view.receipts)
        held = frozenset(txid for txid in (self._shown | {txid for txid, _ in keys}) if txid in view.txids)
        if self._told == (keys, held):
            return
        await self._directory.ask("ledger", ApplyMempool(self._chain, view), timeout_s=self._timeout_s)
        self._told, self._shown = (keys, held), held

    def _forget_spent(self, block: Block) -> None:
        """Drop outpoints from the index once their spend is too deep to be undone."""
        for spend in block.spends:
            self._spent.append((block.ref.height, spend.outpoint))
        buried = block.ref.height - self._slot.settings.max_reorg
        while self._spent and self._spent[0][0] < buried:
            self._slot.coin.index.discard_outpoint(self._spent.popleft()[1])

    def _measure(self, moved: Moved, applied: DeltaApplied) -> None:
        """Blocks, tip, and how long after its last block each credit came."""
        self._metrics.blocks(len(moved.delta.connected), len(moved.delta.disconnected))
        self._metrics.tip(moved.head.height, moved.head.height - applied.tip.height, applied.tip.time)
        for _ in range(applied.credited):
            self._metrics.credited_after(max(0.0, self._clock.now_s() - applied.tip.time))

    async def _credit_due(self, credit_height: int | None) -> None:
        """What a doubt held back is credited as soon as it is over, without waiting for a block."""
        if credit_height == self._credit_height:
            return
        await self._directory.ask(
            "ledger",
            CreditDue(self._chain, self._known[0].block_hash, credit_height),
            timeout_s=self._timeout_s,
        )
        self._credit_height = credit_height

    async def _report_opinion(self, opinion: Opinion, finding: Finding, detail: str = "") -> None:
        """Report the gravest doubt about the node, or else what the look has found."""
        self._metrics.node_up("node", is_up=True)
        if opinion.is_witness_up is not None:
            self._metrics.node_up("witness", is_up=opinion.is_witness_up)
        if opinion.gravest is not None:
            await self._report(opinion.gravest.state, opinion.gravest.detail)
        elif finding is Finding.AT_HEAD and self._slot.settings.draining:
            await self._report(CurrencyState.DRAINING, opinion.note)
        else:
            await self._report(VERDICTS[finding].state, detail or opinion.note)

    async def _report(self, state: str, detail: str) -> None:
        """Record a change of the currency's state: payouts are held while it is not open."""
        if (state, detail) == (self._state, self._detail):
            return
        try:
            view = await self._directory.ask(
                "ledger", SetCurrencyState(self._chain, state, detail), timeout_s=self._timeout_s
            )
        except DomainError as error:
            logger.error("%s: the state %s could not be recorded: %s", self._chain, state, error)
            return
        level = logging.ERROR if state == CurrencyState.DISAGREE else logging.INFO
        if state != self._state or level == logging.ERROR:
            logger.log(level, "%s is %s%s", self._chain, state, detail and f": {detail}")
        self._state, self._detail = state, detail
        self._metrics.state(view.state)  # an operator may hold what the node would let be open

    def _hint(self) -> None:
        """Those who act on a new block look now; a lost hint is found again on their tick."""
        for name in (f"withdrawal:{self._chain}", f"sweep:{self._chain}"):
            self._directory.tell(name, WorkReady())
        self._directory.tell("reconciler", TipMoved(self._chain, self._known[0].height))

    def _look_after(self, pause_s: float) -> None:
        """Look again after a pause; a negative one means that somebody else already waits."""
        if pause_s >= 0:
            self.spawn(self._pause_and_look(pause_s), "look")

    async def _pause_and_look(self, pause_s: float) -> None:
        if pause_s:
            await self._clock.sleep(pause_s)
        await self._look()

    async def _wait_and_look(self, head: Head) -> None:
        """Wait for something new (bounded), then look; the look tells what is wrong with a node."""
        try:
            await self._slot.coin.reader.wait_change(head, self._slot.settings.node.mempool_interval_s)
        except CoinError as error:
            logger.info("%s: waiting for the next block ended early: %s", self._chain, error)
            await self._clock.sleep(RETRY_FIRST_S)
        await self._look()

    async def _look(self) -> None:
        """Look from a snapshot and come back as a message."""
        if self._is_lost:
            self.tell_self(Reload())
            return
        settings = self._slot.settings
        # Scripts committed up to this number are in the index already: they go in before their commit.
        address_seq = self._slot.address_seq
        seen = await look(
            self._slot.coin,
            tuple(self._known),
            address_seq,
            settings.max_reorg,
            self._slot.coin.turns.at_once(self._step),
            self._examiner.examine,
        )
        self.tell_self(seen)
