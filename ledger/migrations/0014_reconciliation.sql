-- A comparison with all it was made of, chained to the one before it of its currency.

ALTER TABLE reconciliation ADD COLUMN number INTEGER;              -- per currency, from 1; NULL: older than the chain
ALTER TABLE reconciliation ADD COLUMN cause TEXT NOT NULL DEFAULT 'schedule';
ALTER TABLE reconciliation ADD COLUMN inputs TEXT NOT NULL DEFAULT '{}';
ALTER TABLE reconciliation ADD COLUMN totals TEXT NOT NULL DEFAULT '{}';
ALTER TABLE reconciliation ADD COLUMN prev_digest TEXT NOT NULL DEFAULT '';
ALTER TABLE reconciliation ADD COLUMN digest TEXT NOT NULL DEFAULT '';

CREATE UNIQUE INDEX reconciliation_by_number ON reconciliation (currency, number) WHERE number IS NOT NULL;

CREATE TRIGGER reconciliation_no_update BEFORE UPDATE ON reconciliation
BEGIN SELECT RAISE(ABORT, 'comparisons are append-only'); END;

CREATE TRIGGER reconciliation_no_delete BEFORE DELETE ON reconciliation
BEGIN SELECT RAISE(ABORT, 'comparisons are append-only'); END;

CREATE INDEX journal_by_height ON journal (chain, height) WHERE height IS NOT NULL;
