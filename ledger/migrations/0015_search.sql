-- What operators search for. Addresses are compared without regard to case first: a hex address is written
-- in several ways.
CREATE INDEX own_script_by_address ON own_script (address COLLATE NOCASE);

CREATE INDEX withdrawal_by_address ON withdrawal (address COLLATE NOCASE, ordinal);

CREATE INDEX unclaimed_case_by_script ON unclaimed_case (script_sequence, ordinal) WHERE script_sequence IS NOT NULL;

CREATE INDEX journal_by_txid ON journal (txid) WHERE txid IS NOT NULL;

CREATE INDEX audit_by_object ON audit (object_id);
