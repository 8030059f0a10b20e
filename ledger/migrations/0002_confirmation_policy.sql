-- How deep a deposit must be, by amount and by the chain's own finality, and when its credit may leave.

-- tiers: JSON list of [above, confirmations], rising, amounts as decimal text of base units.
ALTER TABLE coin ADD COLUMN tiers TEXT NOT NULL DEFAULT '[]';
ALTER TABLE coin ADD COLUMN withdrawable_depth INTEGER NOT NULL DEFAULT 1;
UPDATE coin SET withdrawable_depth = confirmations;
ALTER TABLE coin ADD COLUMN finality TEXT NOT NULL DEFAULT 'confirmations'
    CHECK (finality IN ('confirmations', 'safe', 'finalized'));

-- The tags the node named when the block was applied; only where the currency's policy asks for them.
ALTER TABLE block ADD COLUMN safe_height INTEGER;
ALTER TABLE block ADD COLUMN finalized_height INTEGER;

-- finality: what a credit waits for besides its depth, settled together with confirmations_required.
ALTER TABLE deposit ADD COLUMN finality TEXT NOT NULL DEFAULT 'confirmations'
    CHECK (finality IN ('confirmations', 'safe', 'finalized'));
-- What the credit added to the available balance; the rest of the amount paid a deficit.
ALTER TABLE deposit ADD COLUMN credited_amount TEXT NOT NULL DEFAULT '0';
-- While credited and not final: the tip from which the credit may be withdrawn.
ALTER TABLE deposit ADD COLUMN withdrawable_height INTEGER;
CREATE INDEX deposit_maturing ON deposit (client_id, currency, withdrawable_height)
    WHERE withdrawable_height IS NOT NULL;
