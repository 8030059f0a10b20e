-- What an operator holds a currency for, apart from what its watcher reports: neither overwrites the other,
-- and `state` is made from both.

ALTER TABLE coin ADD COLUMN hold TEXT CHECK (hold IN ('paused', 'draining'));
ALTER TABLE coin ADD COLUMN hold_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE coin ADD COLUMN watched_state TEXT NOT NULL DEFAULT 'down';
ALTER TABLE coin ADD COLUMN watched_detail TEXT NOT NULL DEFAULT '';
UPDATE coin SET watched_state = state, watched_detail = state_detail;
