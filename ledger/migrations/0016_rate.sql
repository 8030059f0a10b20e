-- What one whole unit of a currency was worth, for the entries behind a place in the journal.
CREATE TABLE rate (
    id INTEGER PRIMARY KEY,
    currency TEXT NOT NULL REFERENCES coin (currency),
    quote TEXT NOT NULL,
    rate TEXT NOT NULL,
    quoted_at INTEGER NOT NULL,
    valid_s INTEGER NOT NULL,                 -- an entry booked longer after quoted_at has no value
    after_entry INTEGER NOT NULL,             -- it holds for entries with a higher number
    recorded_at INTEGER NOT NULL,
    source TEXT NOT NULL
) STRICT;
CREATE INDEX rate_by_place ON rate (currency, after_entry);
CREATE TRIGGER rate_no_update BEFORE UPDATE ON rate BEGIN SELECT RAISE(ABORT, 'rates are append-only'); END;
CREATE TRIGGER rate_no_delete BEFORE DELETE ON rate BEGIN SELECT RAISE(ABORT, 'rates are append-only'); END;
