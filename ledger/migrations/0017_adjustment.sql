-- Money moved by operators. Posted, an adjustment is a transfer with the same id and no website; until then
-- nothing of it is in the books. Rows of one import are decided together.

CREATE TABLE adjustment (
    id TEXT PRIMARY KEY,
    ordinal INTEGER NOT NULL UNIQUE,
    import_id TEXT,
    external_id TEXT UNIQUE,
    source TEXT NOT NULL,
    target TEXT NOT NULL,
    currency TEXT NOT NULL REFERENCES coin (currency),
    amount TEXT NOT NULL,
    reason TEXT NOT NULL,
    reverses TEXT REFERENCES adjustment (id),
    status TEXT NOT NULL CHECK (status IN ('held', 'posted', 'rejected')),
    approvals_needed INTEGER NOT NULL,
    digest TEXT NOT NULL,
    by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    journal_id INTEGER UNIQUE REFERENCES journal (id),
    decided_by TEXT,
    decided_at INTEGER,
    decision_reason TEXT NOT NULL DEFAULT '',
    CHECK ((status = 'posted') = (journal_id IS NOT NULL))
) STRICT;

CREATE UNIQUE INDEX adjustment_reversed_once ON adjustment (reverses) WHERE reverses IS NOT NULL AND status <> 'rejected';

CREATE INDEX adjustment_of_import ON adjustment (import_id, ordinal) WHERE import_id IS NOT NULL;

CREATE INDEX adjustment_by_status ON adjustment (status, ordinal);

CREATE INDEX adjustment_by_source ON adjustment (source, ordinal);

CREATE INDEX adjustment_by_target ON adjustment (target, ordinal);
