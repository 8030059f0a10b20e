-- Custody watch_only: clients pay to a cold wallet. Its outputs are most of all and are never offered to a payout,
-- so they are in none of the two indices that payouts are found by.

DROP INDEX utxo_unspent;

CREATE INDEX utxo_unspent ON utxo (chain, height) WHERE spent_by IS NULL AND location <> 'cold';

DROP INDEX utxo_by_amount;

CREATE INDEX utxo_by_amount ON utxo (currency, length(amount), amount)
    WHERE spent_by IS NULL AND reserved_by IS NULL AND location <> 'cold';

-- Which change addresses of the cold wallet were used.
CREATE INDEX own_script_cold_change ON own_script (currency, script_index) WHERE branch = 'cold_change';

CREATE INDEX utxo_in_cold ON utxo (script_sequence) WHERE location = 'cold';
