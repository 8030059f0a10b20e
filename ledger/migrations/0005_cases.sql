-- Cases that an operator can decide, with their story; clients whose deposits are parked; refunds.

ALTER TABLE unclaimed_case RENAME TO unclaimed_case_before;

CREATE TABLE unclaimed_case (
    id TEXT PRIMARY KEY,
    ordinal INTEGER NOT NULL UNIQUE,          -- order of the lists; given once
    kind TEXT NOT NULL,
    chain TEXT NOT NULL,
    currency TEXT NOT NULL REFERENCES coin (currency),
    amount TEXT NOT NULL,
    txid TEXT NOT NULL,
    position TEXT NOT NULL,
    deposit_id TEXT UNIQUE REFERENCES deposit (id),
    script_sequence INTEGER REFERENCES own_script (sequence),
    client_id TEXT,                           -- whose address it came to, or who was credited
    status TEXT NOT NULL CHECK (status IN ('open', 'assigned', 'refunding', 'refunded', 'written_off', 'closed')),
    reason TEXT NOT NULL,
    block_height INTEGER,                     -- the block it stands in, while it does
    block_hash TEXT,
    created_at INTEGER NOT NULL
) STRICT;

INSERT INTO unclaimed_case (id, ordinal, kind, chain, currency, amount, txid, position, deposit_id,
    script_sequence, client_id, status, reason, block_height, block_hash, created_at)
SELECT b.id, n.value + row_number() OVER (ORDER BY b.created_at, b.id), b.kind, c.chain, b.currency, b.amount,
    b.txid, b.position, b.deposit_id, d.script_sequence, d.client_id, b.status, b.reason,
    CASE WHEN b.status = 'open' THEN m.height END, CASE WHEN b.status = 'open' THEN m.block_hash END, b.created_at
FROM unclaimed_case_before b
JOIN counter n ON n.name = 'ordinal'
JOIN coin c ON c.currency = b.currency
LEFT JOIN deposit d ON d.id = b.deposit_id
LEFT JOIN (SELECT chain, txid, max(height) AS height, block_hash FROM chain_movement WHERE is_disconnected = 0
    GROUP BY chain, txid) m ON m.chain = c.chain AND m.txid = b.txid;

UPDATE counter SET value = max(value, (SELECT coalesce(max(ordinal), 0) FROM unclaimed_case)) WHERE name = 'ordinal';

DROP TABLE unclaimed_case_before;

CREATE INDEX unclaimed_case_by_txid ON unclaimed_case (txid);
CREATE INDEX unclaimed_case_by_block ON unclaimed_case (chain, block_hash) WHERE block_hash IS NOT NULL;
CREATE INDEX unclaimed_case_by_status ON unclaimed_case (status, ordinal);
CREATE INDEX unclaimed_case_by_client ON unclaimed_case (client_id, ordinal) WHERE client_id IS NOT NULL;

CREATE TABLE case_history (
    id INTEGER PRIMARY KEY,
    case_id TEXT NOT NULL REFERENCES unclaimed_case (id),
    action TEXT NOT NULL,
    status TEXT NOT NULL,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;

CREATE INDEX case_history_by_case ON case_history (case_id);

INSERT INTO case_history (case_id, action, status, at, by, reason)
SELECT id, CASE status WHEN 'open' THEN 'opened' ELSE 'vanished' END, status, created_at, 'chain', reason
FROM unclaimed_case ORDER BY ordinal;

-- Clients whose deposits are parked until an operator takes the block away.
CREATE TABLE client_block (
    client_id TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A payout that sends parked money back; the reserve it pays from is refund_payable, not a client's.
ALTER TABLE withdrawal ADD COLUMN case_id TEXT REFERENCES unclaimed_case (id);
CREATE INDEX withdrawal_by_case ON withdrawal (case_id, ordinal) WHERE case_id IS NOT NULL;
