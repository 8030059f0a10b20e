-- A chain tx may pay several withdrawals: what each one's part of the network fee is.
ALTER TABLE attempt_payout ADD COLUMN fee_share TEXT NOT NULL DEFAULT '0'
    CHECK (fee_share NOT GLOB '*[^0-9]*' AND fee_share <> '');
UPDATE attempt_payout SET fee_share = (SELECT a.fee FROM attempt a WHERE a.id = attempt_id);
CREATE INDEX attempt_payout_by_withdrawal ON attempt_payout (withdrawal_id);
