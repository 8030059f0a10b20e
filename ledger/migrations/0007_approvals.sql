-- Who let a payment leave: each approval is of an exact payment, told by its digest, and is never changed.
-- `object_id` is a withdrawal; how many approvals it needs is settled when it is opened.

ALTER TABLE coin ADD COLUMN second_approval_above TEXT;
ALTER TABLE withdrawal ADD COLUMN approvals_needed INTEGER NOT NULL DEFAULT 0;
UPDATE withdrawal SET approvals_needed = 1 WHERE status = 'held';

CREATE TABLE approval (
    object_id TEXT NOT NULL,
    operator_id TEXT NOT NULL REFERENCES operator (id),
    digest TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (object_id, operator_id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER approval_no_update BEFORE UPDATE ON approval BEGIN SELECT RAISE(ABORT, 'approvals are append-only'); END;
CREATE TRIGGER approval_no_delete BEFORE DELETE ON approval BEGIN SELECT RAISE(ABORT, 'approvals are append-only'); END;
