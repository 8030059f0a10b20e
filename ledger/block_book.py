"""The page of one block: books entries at the block and keeps what the chain says we own in step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from coins.types import BlockRef, Branch, Location
from ledger.coin_row import CoinRow
from ledger.context import Tx
from ledger.errors import BlockRefusedError
from ledger.journal import JournalEntry, Posting


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
    ) -> None:
        """Put money that credits nobody before an operator; a case of the same money is opened again."""
        case_id = make_id("case", kind, self.chain, currency, txid, position)
        self.tx.db.execute(
            "INSERT INTO unclaimed_case (id, kind, currency, amount, txid, position, deposit_id, status,"
            " reason, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, 'open', ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET status = 'open', reason = excluded.reason,"
            " amount = excluded.amount",
            (case_id, kind, currency, str(amount), txid, position, deposit_id, reason, self.tx.now_s),
        )
        tell_case(self.tx, case_id, "case.opened")


def tell_case(tx: Tx, case_id: str, event_type: str) -> None:
    """Write an event with the case as it is now."""
    row = tx.db.execute(
        "SELECT id, kind, currency, amount, txid, position, deposit_id, status, reason, created_at"
        " FROM unclaimed_case WHERE id = ?",
        (case_id,),
    ).fetchone()
    names = [
        "id",
        "kind",
        "currency",
        "amount",
        "txid",
        "position",
        "deposit_id",
        "status",
        "reason",
        "created_at",
    ]
    data = dict(zip(names, row, strict=True))
    data["amount"] = int(data["amount"])
    tx.emit(event_type, "case", case_id, None, data)


def add_to_script(tx: Tx, coin: CoinRow, sequence: int, delta: int) -> None:
    """Change what a script of an account chain holds. Raises BlockRefusedError below zero."""
    row = tx.db.execute(
        "SELECT b.amount, s.branch FROM own_script s LEFT JOIN script_balance b"
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
        (sequence, coin.currency, str(amount), int(row[1] == Branch.DEPOSIT and amount >= threshold)),
    )
