-- What a withdrawal is: a payout, or house money on its way to the cold address, which is nobody's.

ALTER TABLE withdrawal ADD COLUMN kind TEXT NOT NULL DEFAULT 'payout' CHECK (kind IN ('payout', 'cold'));

CREATE INDEX withdrawal_cold ON withdrawal (currency, ordinal) WHERE kind = 'cold';
