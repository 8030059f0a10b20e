-- A closed month of a currency: what the books and the chain said at its last block. Never changed again.
CREATE TABLE period (
    month TEXT NOT NULL,
    chain TEXT NOT NULL,
    currency TEXT NOT NULL REFERENCES coin (currency),
    cut INTEGER NOT NULL,                     -- the last journal entry that belongs to the month
    height INTEGER NOT NULL,
    block_hash TEXT NOT NULL,
    report TEXT NOT NULL,
    digest TEXT NOT NULL,                     -- over the report, which names the digest of the month before
    salt BLOB NOT NULL,                       -- hides clients from each other in the tree of liabilities
    closed_at INTEGER NOT NULL,
    closed_by TEXT NOT NULL,
    PRIMARY KEY (currency, month)
) STRICT, WITHOUT ROWID;
CREATE INDEX period_by_chain ON period (chain, month);
CREATE TRIGGER period_no_update BEFORE UPDATE ON period BEGIN SELECT RAISE(ABORT, 'a closed month does not change'); END;
CREATE TRIGGER period_no_delete BEFORE DELETE ON period BEGIN SELECT RAISE(ABORT, 'a closed month does not change'); END;
