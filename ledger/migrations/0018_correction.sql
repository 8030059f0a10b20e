-- A correction brings the books to the chain for one case of a difference; it is an adjustment of that case.

ALTER TABLE adjustment ADD COLUMN case_id TEXT REFERENCES unclaimed_case (id);

CREATE INDEX adjustment_of_case ON adjustment (case_id) WHERE case_id IS NOT NULL;
