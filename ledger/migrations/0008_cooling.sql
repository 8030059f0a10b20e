-- The first payout of a client to a new address waits until `cooling_until`, settled when it is asked for.

ALTER TABLE coin ADD COLUMN destination_cooling_s INTEGER NOT NULL DEFAULT 0;
ALTER TABLE withdrawal ADD COLUMN cooling_until INTEGER;
