-- The panic stop of all payouts: one row per stop, open while `started_at` is NULL.

CREATE TABLE payout_stop (
    id INTEGER PRIMARY KEY,
    stopped_at INTEGER NOT NULL,
    stopped_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    started_at INTEGER,
    started_by TEXT
) STRICT;

CREATE UNIQUE INDEX payout_stop_open ON payout_stop ((1)) WHERE started_at IS NULL;
