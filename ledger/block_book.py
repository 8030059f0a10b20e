"""The page of one block: books entries at the block and keeps what the chain says we own in step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b

from coins.types import BlockRef, Branch, Location
from ledger.case import CASE, CaseEvent, CaseKind
from ledger.case_row import CaseRow, read_cases
from ledger.coin_row import CoinRow
from ledger.context import Tx
from ledger.errors import BlockRefusedError
from ledger.journal import JournalEntry, Posting
from ledger.machine import Who, advance
from ledger.transition import move_case, note_case


@dataclass(frozen=True, slots=True)
class Owner:
    """An own script's row: what it is for and whose money it takes."""

    sequence: int
    branch: Branch
    location: Location
    client_id: str | None
    address: str


def make_id(prefix: str, *parts: object) -> str:
    """An id that is the same for the same parts, also after a reorg or on another machine."""
    return f"{prefix}_{blake2b('|'.join(map(str, parts)).encode(), digest_size=12).hexdigest()}"


@dataclass(slots=True)
class BlockBook:
    """Where one block's entries are booked. ``coins`` are the currencies of its chain.

    ``safe_height`` and ``finalized_height`` are the node's tags when the block was read; deposits above
    ``credit_height`` are not credited now (None: there is no such bound).
    """

    tx: Tx
    chain: str
    ref: BlockRef
    coins: dict[str, CoinRow]
    owners: dict[bytes, Owner] = field(default_factory=dict)
    safe_height: int | None = None
    finalized_height: int | None = None
    credit_height: int | None = None

    def coin(self, currency: str) -> CoinRow:
        """The currency's row. Raises BlockRefusedError when this chain does not carry it."""
        coin = self.coins.get(currency)
        if coin is None:
            raise BlockRefusedError(f"{currency} is not a currency of chain {self.chain}")
        return coin

    def owner(self, script: bytes) -> Owner:
        """The own script's row, read once. Raises BlockRefusedError for a script that is not ours."""
        owner = self.owners.get(script)
        if owner is None:
            owner = self.find_owner(script)
            if owner is None:
                raise BlockRefusedError(f"script {script.hex()} is not one of ours on {self.chain}")
            self.owners[script] = owner
        return owner

    def find_owner(self, script: bytes) -> Owner | None:
        """The own script's row, None for a script of somebody else."""
        row = self.tx.db.execute(
            "SELECT sequence, branch, location, client_id, address FROM own_script"
            " WHERE chain = ? AND script = ?",
            (self.chain, script),
        ).fetchone()
        return Owner(row[0], Branch(row[1]), Location(row[2]), row[3], row[4]) if row else None

    def post(
        self, kind: str, ref_type: str, ref_id: str, postings: Sequence[Posting], txid: str, reason: str = ""
    ) -> int:
        """Book an entry at this block; answers its journal id."""
        return self.tx.post(
            JournalEntry(
                kind=kind,
                ref_type=ref_type,
                ref_id=ref_id,
                postings=tuple(postings),
                by="chain",
                chain=self.chain,
                height=self.ref.height,
                block_hash=self.ref.block_hash,
                txid=txid,
                reason=reason,
            )
        )

    def move(
        self,
        currency: str,
        txid: str,
        position: str,
        owner: Owner,
        delta: int,
        journal_id: int | None,
        nonce: int | None = None,
    ) -> None:
        """Note that the chain changed what a script holds by ``delta``, booked in ``journal_id``."""
        self.tx.db.execute(
            "INSERT INTO chain_movement (chain, currency, height, block_hash, txid, position,"
            " script_sequence, location, delta, nonce, journal_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self.chain,
                currency,
                self.ref.height,
                self.ref.block_hash,
                txid,
                position,
                owner.sequence,
                owner.location,
                str(delta),
                nonce,
                journal_id,
            ),
        )

    def open_case(
        self,
        kind: str,
        currency: str,
        amount: int,
        txid: str,
        position: str,
        reason: str,
        deposit_id: str | None,
        owner: Owner | None = None,
        *,
        is_in_block: bool = True,
    ) -> None:
        """Put money that credits nobody before an operator; a case of the same money is opened again.

        ``owner`` is the script it came to; without ``is_in_block`` this block is just being undone.
        """
        case_id = self.case_id(kind, currency, txid, position)
        height, block_hash = (self.ref.height, self.ref.block_hash) if is_in_block else (None, None)
        client_id = owner.client_id if owner else None
        held = read_cases(self.tx.db, "c.id = ?", (case_id,))
        if held:
            row = replace(
                held[0],
                amount=amount,
                client_id=client_id,
                reason=reason,
                block_height=height,
                block_hash=block_hash,
            )
            move_case(self.tx, row, CaseEvent.OPENED, Who.CHAIN, "chain", reason)
            return
        step = advance(CASE, None, CaseEvent.OPENED, Who.CHAIN)
        row = CaseRow(
            id=case_id,
            ordinal=self.tx.next_ordinal(),
            kind=CaseKind(kind),
            chain=self.chain,
            currency=currency,
            amount=amount,
            txid=txid,
            position=position,
            deposit_id=deposit_id,
            script_sequence=owner.sequence if owner else None,
            address=owner.address if owner else None,
            client_id=client_id,
            status=step.to,
            reason=reason,
            block_height=height,
            block_hash=block_hash,
            created_at=self.tx.now_s,
        )
        insert_case(self.tx, row)
        note_case(self.tx, row, CaseEvent.OPENED, "chain", reason, step.notify)

    def case_id(self, kind: str, currency: str, txid: str, position: str) -> str:
        """The id of the case of this money."""
        return make_id("case", kind, self.chain, currency, txid, position)


def insert_case(tx: Tx, row: CaseRow) -> None:
    """Write a case's first row."""
    tx.db.execute(
        "INSERT INTO unclaimed_case (id, ordinal, kind, chain, currency, amount, txid, position, deposit_id,"
        " script_sequence, client_id, status, reason, block_height, block_hash, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            row.id,
            row.ordinal,
            row.kind,
            row.chain,
            row.currency,
            str(row.amount),
            row.txid,
            row.position,
            row.deposit_id,
            row.script_sequence,
            row.client_id,
            row.status,
            row.reason,
            row.block_height,
            row.block_hash,
            row.created_at,
        ),
    )


def add_to_script(tx: Tx, coin: CoinRow, sequence: int, delta: int) -> None:
    """Change what a script of an account chain holds. Raises BlockRefusedError below zero."""
    row = tx.db.execute(
        "SELECT b.amount, s.location FROM own_script s LEFT JOIN script_balance b"
        " ON b.script_sequence = s.sequence AND b.currency = ? WHERE s.sequence = ?",
        (coin.currency, sequence),
    ).fetchone()
    amount = int(row[0] or 0) + delta
    if amount < 0:
        raise BlockRefusedError(f"script {sequence} would hold {amount} of {coin.currency}")
    threshold = max(coin.sweep_threshold, 1)
    tx.db.execute(
        "INSERT INTO script_balance (script_sequence, currency, amount, is_sweepable) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET amount = excluded.amount, is_sweepable = excluded.is_sweepable",
        (sequence, coin.currency, str(amount), int(row[1] == Location.DEPOSIT and amount >= threshold)),
    )
