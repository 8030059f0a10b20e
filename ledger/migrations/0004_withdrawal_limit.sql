-- How much may leave in a window of time: per client, and of the currency as a whole.
ALTER TABLE coin ADD COLUMN client_day_limit TEXT;
ALTER TABLE coin ADD COLUMN client_month_limit TEXT;
ALTER TABLE coin ADD COLUMN day_limit TEXT;
CREATE INDEX withdrawal_by_client_time ON withdrawal (client_id, currency, created_at);
CREATE INDEX withdrawal_history_signed ON withdrawal_history (at) WHERE status = 'signed';
