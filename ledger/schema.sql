CREATE TABLE schema_migration (
    version INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT;

CREATE TABLE coin (
    currency TEXT PRIMARY KEY,
    chain TEXT NOT NULL,                      -- whose node watches it: itself, or a token's parent
    name TEXT NOT NULL,
    family TEXT NOT NULL,
    network TEXT NOT NULL,
    decimals INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    confirmations INTEGER NOT NULL,
    final_depth INTEGER NOT NULL,
    max_reorg INTEGER NOT NULL,
    minimum_deposit TEXT NOT NULL,
    minimum_withdrawal TEXT NOT NULL,
    maximum_withdrawal TEXT NOT NULL,
    withdrawal_fee TEXT NOT NULL,
    approval_above TEXT,
    session_withdrawal_cap TEXT,
    dust TEXT NOT NULL,
    sweep_threshold TEXT NOT NULL,
    deposits TEXT NOT NULL CHECK (deposits IN ('open', 'closed')),
    withdrawals TEXT NOT NULL CHECK (withdrawals IN ('open', 'closed')),
    state TEXT NOT NULL,
    state_detail TEXT NOT NULL DEFAULT '',
    is_configured INTEGER NOT NULL DEFAULT 1
, tiers TEXT NOT NULL DEFAULT '[]', withdrawable_depth INTEGER NOT NULL DEFAULT 1, finality TEXT NOT NULL DEFAULT 'confirmations'
    CHECK (finality IN ('confirmations', 'safe', 'finalized')), client_day_limit TEXT, client_month_limit TEXT, day_limit TEXT, hold TEXT CHECK (hold IN ('paused', 'draining')), hold_reason TEXT NOT NULL DEFAULT '', watched_state TEXT NOT NULL DEFAULT 'down', watched_detail TEXT NOT NULL DEFAULT '', second_approval_above TEXT, destination_cooling_s INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE TABLE block (
    chain TEXT NOT NULL,
    height INTEGER NOT NULL,
    block_hash TEXT NOT NULL,
    parent_hash TEXT NOT NULL,
    time INTEGER NOT NULL,
    work TEXT, safe_height INTEGER, finalized_height INTEGER,
    PRIMARY KEY (chain, height),
    UNIQUE (chain, block_hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE script_reservation (
    currency TEXT NOT NULL REFERENCES coin (currency),
    branch TEXT NOT NULL,
    script_index INTEGER NOT NULL,
    purpose TEXT NOT NULL,
    client_id TEXT,
    PRIMARY KEY (currency, branch, script_index),
    UNIQUE (currency, purpose)
) STRICT, WITHOUT ROWID;

CREATE INDEX script_reservation_by_client ON script_reservation (client_id, currency) WHERE client_id IS NOT NULL;

CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE own_script (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    chain TEXT NOT NULL,
    currency TEXT NOT NULL REFERENCES coin (currency),
    script BLOB NOT NULL,
    address TEXT NOT NULL,
    branch TEXT NOT NULL,
    script_index INTEGER NOT NULL,
    location TEXT NOT NULL CHECK (location IN ('deposit', 'hot', 'cold')),
    client_id TEXT,
    purpose TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (chain, script),
    UNIQUE (currency, purpose)
) STRICT;

CREATE INDEX own_script_by_client ON own_script (client_id, currency, sequence) WHERE client_id IS NOT NULL;

CREATE INDEX own_script_by_chain ON own_script (chain, sequence);

CREATE TABLE account (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    class TEXT NOT NULL CHECK (class IN ('asset', 'clearing', 'liability', 'equity', 'revenue', 'expense')),
    currency TEXT NOT NULL,
    client_id TEXT,
    balance TEXT NOT NULL CHECK (balance NOT GLOB '*[^0-9]*' AND balance <> '')
) STRICT;

CREATE INDEX account_by_client ON account (client_id) WHERE client_id IS NOT NULL;

CREATE INDEX account_by_currency ON account (currency, class) WHERE client_id IS NULL;

CREATE INDEX account_deficit ON account (currency) WHERE class = 'asset' AND client_id IS NOT NULL;

CREATE TABLE journal (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    ref_type TEXT NOT NULL,
    ref_id TEXT NOT NULL,
    chain TEXT,
    height INTEGER,
    block_hash TEXT,
    txid TEXT,
    reverses INTEGER UNIQUE REFERENCES journal (id),
    reason TEXT NOT NULL DEFAULT '',
    prev_hash BLOB NOT NULL,
    hash BLOB NOT NULL
) STRICT;

CREATE INDEX journal_by_block ON journal (chain, block_hash) WHERE block_hash IS NOT NULL;

CREATE INDEX journal_by_ref ON journal (ref_type, ref_id);

CREATE TABLE posting (
    id INTEGER PRIMARY KEY,
    journal_id INTEGER NOT NULL REFERENCES journal (id),
    currency TEXT NOT NULL,
    debit_id INTEGER NOT NULL REFERENCES account (id),
    credit_id INTEGER NOT NULL REFERENCES account (id),
    amount TEXT NOT NULL CHECK (amount NOT GLOB '*[^0-9]*' AND amount <> '' AND amount NOT GLOB '0*'),
    debit_balance_after TEXT NOT NULL,
    credit_balance_after TEXT NOT NULL,
    CHECK (debit_id <> credit_id)
) STRICT;

CREATE INDEX posting_by_journal ON posting (journal_id);

CREATE INDEX posting_by_debit ON posting (debit_id);

CREATE INDEX posting_by_credit ON posting (credit_id);

CREATE TRIGGER journal_no_update BEFORE UPDATE ON journal BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER posting_no_update BEFORE UPDATE ON posting BEGIN SELECT RAISE(ABORT, 'postings are append-only'); END;

CREATE TRIGGER posting_no_delete BEFORE DELETE ON posting BEGIN SELECT RAISE(ABORT, 'postings are append-only'); END;

CREATE TRIGGER posting_one_currency BEFORE INSERT ON posting
WHEN (SELECT currency FROM account WHERE id = NEW.debit_id) IS NOT NEW.currency
  OR (SELECT currency FROM account WHERE id = NEW.credit_id) IS NOT NEW.currency
BEGIN SELECT RAISE(ABORT, 'a posting moves one currency'); END;

CREATE TABLE deposit (
    id TEXT PRIMARY KEY,
    chain TEXT NOT NULL,
    currency TEXT NOT NULL REFERENCES coin (currency),
    script_sequence INTEGER NOT NULL REFERENCES own_script (sequence),
    client_id TEXT NOT NULL,
    txid TEXT NOT NULL,
    position TEXT NOT NULL,
    amount TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    block_height INTEGER,
    block_hash TEXT,
    confirmations_required INTEGER NOT NULL,  -- settled when it was first seen or mined
    due_height INTEGER,                       -- the block at which the next step (credit, then final) is due
    seen_at INTEGER NOT NULL,
    credited_at INTEGER,
    ordinal INTEGER NOT NULL UNIQUE, finality TEXT NOT NULL DEFAULT 'confirmations'
    CHECK (finality IN ('confirmations', 'safe', 'finalized')), credited_amount TEXT NOT NULL DEFAULT '0', withdrawable_height INTEGER,          -- order of the lists; given once
    UNIQUE (chain, currency, txid, position)
) STRICT;

CREATE INDEX deposit_due ON deposit (chain, status, due_height);

CREATE INDEX deposit_by_script ON deposit (script_sequence, status);

CREATE INDEX deposit_by_block ON deposit (chain, block_hash) WHERE block_hash IS NOT NULL;

CREATE INDEX deposit_by_client ON deposit (client_id, ordinal);

CREATE INDEX deposit_by_txid ON deposit (txid);

CREATE TABLE chain_movement (
    id INTEGER PRIMARY KEY,
    chain TEXT NOT NULL,
    currency TEXT NOT NULL,
    height INTEGER NOT NULL,
    block_hash TEXT NOT NULL,
    txid TEXT NOT NULL,
    position TEXT NOT NULL,
    script_sequence INTEGER NOT NULL REFERENCES own_script (sequence),
    location TEXT NOT NULL,
    delta TEXT NOT NULL,
    nonce INTEGER,                            -- account chains: of the chain tx that our account sent
    journal_id INTEGER REFERENCES journal (id),
    is_disconnected INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX chain_movement_by_block ON chain_movement (chain, block_hash);

CREATE TABLE script_balance (
    script_sequence INTEGER NOT NULL REFERENCES own_script (sequence),
    currency TEXT NOT NULL,
    amount TEXT NOT NULL CHECK (amount NOT GLOB '*[^0-9]*' AND amount <> ''),
    is_sweepable INTEGER NOT NULL,
    PRIMARY KEY (script_sequence, currency)
) STRICT, WITHOUT ROWID;

CREATE INDEX script_balance_sweepable ON script_balance (currency, script_sequence) WHERE is_sweepable = 1;

CREATE TABLE utxo (
    chain TEXT NOT NULL,
    txid TEXT NOT NULL,
    output_index INTEGER NOT NULL,
    currency TEXT NOT NULL,
    amount TEXT NOT NULL,
    script_sequence INTEGER NOT NULL REFERENCES own_script (sequence),
    location TEXT NOT NULL,
    is_coinbase INTEGER NOT NULL,
    height INTEGER NOT NULL,
    block_hash TEXT NOT NULL,
    spent_by TEXT,
    spent_height INTEGER,
    spent_hash TEXT,
    reserved_by TEXT REFERENCES attempt (id),
    PRIMARY KEY (chain, txid, output_index)
) STRICT, WITHOUT ROWID;

CREATE INDEX utxo_by_reservation ON utxo (reserved_by) WHERE reserved_by IS NOT NULL;

CREATE INDEX utxo_by_block ON utxo (chain, block_hash);

CREATE INDEX utxo_by_spend ON utxo (chain, spent_hash) WHERE spent_hash IS NOT NULL;

CREATE TABLE withdrawal (
    id TEXT PRIMARY KEY,
    ordinal INTEGER NOT NULL UNIQUE,
    website TEXT NOT NULL,
    external_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    session_id TEXT,
    currency TEXT NOT NULL REFERENCES coin (currency),
    amount TEXT NOT NULL,
    fee TEXT NOT NULL,
    address TEXT NOT NULL,
    script BLOB NOT NULL,
    status TEXT NOT NULL,
    waiting_for TEXT,
    attention INTEGER NOT NULL DEFAULT 0,
    txid TEXT,
    block_height INTEGER,
    block_hash TEXT,
    due_height INTEGER,                       -- the block at which the next step is due, while mined
    created_at INTEGER NOT NULL, case_id TEXT REFERENCES unclaimed_case (id), approvals_needed INTEGER NOT NULL DEFAULT 0, cooling_until INTEGER, kind TEXT NOT NULL DEFAULT 'payout' CHECK (kind IN ('payout', 'cold')),
    UNIQUE (website, external_id)
) STRICT;

CREATE INDEX withdrawal_due ON withdrawal (currency, due_height) WHERE due_height IS NOT NULL;

CREATE INDEX withdrawal_open ON withdrawal (currency, status, ordinal);

CREATE INDEX withdrawal_by_client ON withdrawal (client_id, ordinal);

CREATE INDEX withdrawal_by_session ON withdrawal (session_id) WHERE session_id IS NOT NULL;

CREATE INDEX withdrawal_by_txid ON withdrawal (txid) WHERE txid IS NOT NULL;

CREATE TABLE withdrawal_history (
    id INTEGER PRIMARY KEY,
    withdrawal_id TEXT NOT NULL REFERENCES withdrawal (id),
    status TEXT NOT NULL,
    at INTEGER NOT NULL,
    by TEXT NOT NULL
) STRICT;

CREATE INDEX withdrawal_history_by_withdrawal ON withdrawal_history (withdrawal_id);

CREATE TABLE intent (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('payout', 'sweep', 'top_up', 'cold', 'consolidate', 'cancel', 'cpfp')),
    currency TEXT NOT NULL,
    withdrawal_id TEXT UNIQUE REFERENCES withdrawal (id),
    script_sequence INTEGER REFERENCES own_script (sequence),
    amount TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('open', 'settled', 'closed')),
    due_height INTEGER,                       -- a sweep: the block at which it is settled, while mined
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX intent_open ON intent (currency, kind, status);

CREATE INDEX intent_due ON intent (currency, due_height) WHERE due_height IS NOT NULL;

CREATE INDEX intent_by_script ON intent (script_sequence, status) WHERE script_sequence IS NOT NULL;

CREATE TABLE attempt (
    id TEXT PRIMARY KEY,
    intent_id TEXT NOT NULL REFERENCES intent (id),
    currency TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN
        ('prepared', 'signed', 'broadcast', 'mined', 'replaced', 'conflicted', 'reverted', 'unknown', 'abandoned')),
    plan TEXT NOT NULL,
    fee TEXT NOT NULL,
    sender BLOB,
    nonce INTEGER,
    txid TEXT UNIQUE,
    raw TEXT,
    block_height INTEGER,
    block_hash TEXT,
    detail TEXT NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX attempt_by_intent ON attempt (intent_id);

CREATE INDEX attempt_live ON attempt (currency, state);

CREATE INDEX attempt_by_block ON attempt (block_hash) WHERE block_hash IS NOT NULL;

CREATE INDEX attempt_by_nonce ON attempt (sender, nonce) WHERE nonce IS NOT NULL;

CREATE TABLE attempt_input (
    attempt_id TEXT NOT NULL REFERENCES attempt (id),
    chain TEXT NOT NULL,
    txid TEXT NOT NULL,
    output_index INTEGER NOT NULL,
    PRIMARY KEY (attempt_id, chain, txid, output_index)
) STRICT, WITHOUT ROWID;

CREATE INDEX attempt_input_by_outpoint ON attempt_input (chain, txid, output_index);

CREATE TABLE attempt_payout (
    attempt_id TEXT NOT NULL REFERENCES attempt (id),
    withdrawal_id TEXT NOT NULL REFERENCES withdrawal (id), fee_share TEXT NOT NULL DEFAULT '0'
    CHECK (fee_share NOT GLOB '*[^0-9]*' AND fee_share <> ''),
    PRIMARY KEY (attempt_id, withdrawal_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE nonce_lane (
    chain TEXT NOT NULL,
    sender BLOB NOT NULL,
    next_nonce INTEGER NOT NULL,
    PRIMARY KEY (chain, sender)
) STRICT, WITHOUT ROWID;

CREATE TABLE transfer (
    id TEXT PRIMARY KEY,
    website TEXT NOT NULL,
    external_id TEXT NOT NULL,
    source TEXT NOT NULL,
    target TEXT NOT NULL,
    currency TEXT NOT NULL REFERENCES coin (currency),
    amount TEXT NOT NULL,
    reason TEXT NOT NULL,
    by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (website, external_id)
) STRICT;

CREATE TABLE house_movement (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    currency TEXT NOT NULL,
    txid TEXT NOT NULL,
    by TEXT NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL,
    UNIQUE (currency, txid)
) STRICT;

CREATE TABLE event (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    occurred_at INTEGER NOT NULL,
    client_id TEXT,
    object_type TEXT NOT NULL,
    object_id TEXT NOT NULL,
    data TEXT NOT NULL
) STRICT;

CREATE INDEX event_by_client ON event (client_id, sequence) WHERE client_id IS NOT NULL;

CREATE TABLE delivery (
    id INTEGER PRIMARY KEY,
    event_sequence INTEGER NOT NULL REFERENCES event (sequence),
    object_key TEXT NOT NULL,
    webhook_url TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL,
    leased_until INTEGER NOT NULL DEFAULT 0,
    last_status INTEGER,
    last_detail TEXT NOT NULL DEFAULT '',
    UNIQUE (event_sequence, webhook_url)
) STRICT;

CREATE INDEX delivery_due ON delivery (state, next_at);

CREATE INDEX delivery_by_object ON delivery (object_key, state, event_sequence);

CREATE TABLE idempotency (
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    reply_type TEXT NOT NULL,
    reply TEXT NOT NULL,
    is_new INTEGER NOT NULL DEFAULT 1,        -- of the first reply: made rather than found
    at INTEGER NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_by_age ON idempotency (at);

CREATE TABLE session (
    id TEXT PRIMARY KEY,
    website TEXT NOT NULL,
    client_id TEXT NOT NULL,
    actions TEXT NOT NULL,
    currencies TEXT,
    locale TEXT,
    return_url TEXT,
    withdrawal_limit TEXT,
    code_hash TEXT NOT NULL UNIQUE,
    code_expires_at INTEGER NOT NULL,
    code_used_at INTEGER,
    token_hash TEXT UNIQUE,
    expires_at INTEGER NOT NULL,
    ended_at INTEGER,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE api_key (
    id TEXT PRIMARY KEY,
    website TEXT NOT NULL,
    key_hash TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    revoked_at INTEGER
) STRICT;

CREATE TABLE nonce (
    key_id TEXT NOT NULL,
    nonce TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (key_id, nonce)
) STRICT, WITHOUT ROWID;

CREATE INDEX nonce_by_expiry ON nonce (expires_at);

CREATE TABLE reconciliation (
    id TEXT PRIMARY KEY,
    chain TEXT NOT NULL,
    currency TEXT NOT NULL,
    height INTEGER NOT NULL,
    block_hash TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('ok', 'mismatch')),
    lines TEXT NOT NULL,
    created_at INTEGER NOT NULL
, number INTEGER, cause TEXT NOT NULL DEFAULT 'schedule', inputs TEXT NOT NULL DEFAULT '{}', totals TEXT NOT NULL DEFAULT '{}', prev_digest TEXT NOT NULL DEFAULT '', digest TEXT NOT NULL DEFAULT '') STRICT;

CREATE INDEX reconciliation_by_currency ON reconciliation (currency);

CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    action TEXT NOT NULL,
    object_type TEXT NOT NULL,
    object_id TEXT NOT NULL,
    data TEXT NOT NULL
) STRICT;

CREATE INDEX deposit_maturing ON deposit (client_id, currency, withdrawable_height)
    WHERE withdrawable_height IS NOT NULL;

CREATE TABLE operator (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    totp_salt TEXT NOT NULL,
    totp_step INTEGER NOT NULL DEFAULT 0,
    roles TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    last_login_at INTEGER,
    disabled_at INTEGER
) STRICT;

CREATE TABLE operator_session (
    id TEXT PRIMARY KEY,
    operator_id TEXT NOT NULL REFERENCES operator (id),
    token_hash TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    idle_s INTEGER NOT NULL,
    idle_expires_at INTEGER NOT NULL,
    ended_at INTEGER
) STRICT;

CREATE INDEX operator_session_open ON operator_session (operator_id) WHERE ended_at IS NULL;

CREATE TABLE login_try (
    subject TEXT PRIMARY KEY,
    failures INTEGER NOT NULL,
    locked_until INTEGER NOT NULL,
    last_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX withdrawal_by_client_time ON withdrawal (client_id, currency, created_at);

CREATE INDEX withdrawal_history_signed ON withdrawal_history (at) WHERE status = 'signed';

CREATE TABLE unclaimed_case (
    id TEXT PRIMARY KEY,
    ordinal INTEGER NOT NULL UNIQUE,          -- order of the lists; given once
    kind TEXT NOT NULL,
    chain TEXT NOT NULL,
    currency TEXT NOT NULL REFERENCES coin (currency),
    amount TEXT NOT NULL,
    txid TEXT NOT NULL,
    position TEXT NOT NULL,
    deposit_id TEXT UNIQUE REFERENCES deposit (id),
    script_sequence INTEGER REFERENCES own_script (sequence),
    client_id TEXT,                           -- whose address it came to, or who was credited
    status TEXT NOT NULL CHECK (status IN ('open', 'assigned', 'refunding', 'refunded', 'written_off', 'closed')),
    reason TEXT NOT NULL,
    block_height INTEGER,                     -- the block it stands in, while it does
    block_hash TEXT,
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX unclaimed_case_by_txid ON unclaimed_case (txid);

CREATE INDEX unclaimed_case_by_block ON unclaimed_case (chain, block_hash) WHERE block_hash IS NOT NULL;

CREATE INDEX unclaimed_case_by_status ON unclaimed_case (status, ordinal);

CREATE INDEX unclaimed_case_by_client ON unclaimed_case (client_id, ordinal) WHERE client_id IS NOT NULL;

CREATE TABLE case_history (
    id INTEGER PRIMARY KEY,
    case_id TEXT NOT NULL REFERENCES unclaimed_case (id),
    action TEXT NOT NULL,
    status TEXT NOT NULL,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;

CREATE INDEX case_history_by_case ON case_history (case_id);

CREATE TABLE client_block (
    client_id TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX withdrawal_by_case ON withdrawal (case_id, ordinal) WHERE case_id IS NOT NULL;

CREATE TABLE approval (
    object_id TEXT NOT NULL,
    operator_id TEXT NOT NULL REFERENCES operator (id),
    digest TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (object_id, operator_id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER approval_no_update BEFORE UPDATE ON approval BEGIN SELECT RAISE(ABORT, 'approvals are append-only'); END;

CREATE TRIGGER approval_no_delete BEFORE DELETE ON approval BEGIN SELECT RAISE(ABORT, 'approvals are append-only'); END;

CREATE INDEX attempt_payout_by_withdrawal ON attempt_payout (withdrawal_id);

CREATE TABLE payout_stop (
    id INTEGER PRIMARY KEY,
    stopped_at INTEGER NOT NULL,
    stopped_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    started_at INTEGER,
    started_by TEXT
) STRICT;

CREATE UNIQUE INDEX payout_stop_open ON payout_stop ((1)) WHERE started_at IS NULL;

CREATE INDEX withdrawal_cold ON withdrawal (currency, ordinal) WHERE kind = 'cold';

CREATE TABLE period (
    month TEXT NOT NULL,
    chain TEXT NOT NULL,
    currency TEXT NOT NULL REFERENCES coin (currency),
    cut INTEGER NOT NULL,                     -- the last journal entry that belongs to the month
    height INTEGER NOT NULL,
    block_hash TEXT NOT NULL,
    report TEXT NOT NULL,
    digest TEXT NOT NULL,                     -- over the report, which names the digest of the month before
    salt BLOB NOT NULL,                       -- hides clients from each other in the tree of liabilities
    closed_at INTEGER NOT NULL,
    closed_by TEXT NOT NULL,
    PRIMARY KEY (currency, month)
) STRICT, WITHOUT ROWID;

CREATE INDEX period_by_chain ON period (chain, month);

CREATE TRIGGER period_no_update BEFORE UPDATE ON period BEGIN SELECT RAISE(ABORT, 'a closed month does not change'); END;

CREATE TRIGGER period_no_delete BEFORE DELETE ON period BEGIN SELECT RAISE(ABORT, 'a closed month does not change'); END;

CREATE INDEX utxo_unspent ON utxo (chain, height) WHERE spent_by IS NULL AND location <> 'cold';

CREATE INDEX utxo_by_amount ON utxo (currency, length(amount), amount)
    WHERE spent_by IS NULL AND reserved_by IS NULL AND location <> 'cold';

CREATE INDEX own_script_cold_change ON own_script (currency, script_index) WHERE branch = 'cold_change';

CREATE INDEX utxo_in_cold ON utxo (script_sequence) WHERE location = 'cold';

CREATE UNIQUE INDEX reconciliation_by_number ON reconciliation (currency, number) WHERE number IS NOT NULL;

CREATE TRIGGER reconciliation_no_update BEFORE UPDATE ON reconciliation
BEGIN SELECT RAISE(ABORT, 'comparisons are append-only'); END;

CREATE TRIGGER reconciliation_no_delete BEFORE DELETE ON reconciliation
BEGIN SELECT RAISE(ABORT, 'comparisons are append-only'); END;

CREATE INDEX journal_by_height ON journal (chain, height) WHERE height IS NOT NULL;

CREATE INDEX own_script_by_address ON own_script (address COLLATE NOCASE);

CREATE INDEX withdrawal_by_address ON withdrawal (address COLLATE NOCASE, ordinal);

CREATE INDEX unclaimed_case_by_script ON unclaimed_case (script_sequence, ordinal) WHERE script_sequence IS NOT NULL;

CREATE INDEX journal_by_txid ON journal (txid) WHERE txid IS NOT NULL;

CREATE INDEX audit_by_object ON audit (object_id);

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

CREATE TABLE adjustment (
    id TEXT PRIMARY KEY,
    ordinal INTEGER NOT NULL UNIQUE,
    import_id TEXT,
    external_id TEXT UNIQUE,
    source TEXT NOT NULL,
    target TEXT NOT NULL,
    currency TEXT NOT NULL REFERENCES coin (currency),
    amount TEXT NOT NULL,
    reason TEXT NOT NULL,
    reverses TEXT REFERENCES adjustment (id),
    status TEXT NOT NULL CHECK (status IN ('held', 'posted', 'rejected')),
    approvals_needed INTEGER NOT NULL,
    digest TEXT NOT NULL,
    by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    journal_id INTEGER UNIQUE REFERENCES journal (id),
    decided_by TEXT,
    decided_at INTEGER,
    decision_reason TEXT NOT NULL DEFAULT '', case_id TEXT REFERENCES unclaimed_case (id),
    CHECK ((status = 'posted') = (journal_id IS NOT NULL))
) STRICT;

CREATE UNIQUE INDEX adjustment_reversed_once ON adjustment (reverses) WHERE reverses IS NOT NULL AND status <> 'rejected';

CREATE INDEX adjustment_of_import ON adjustment (import_id, ordinal) WHERE import_id IS NOT NULL;

CREATE INDEX adjustment_by_status ON adjustment (status, ordinal);

CREATE INDEX adjustment_by_source ON adjustment (source, ordinal);

CREATE INDEX adjustment_by_target ON adjustment (target, ordinal);

CREATE INDEX adjustment_of_case ON adjustment (case_id) WHERE case_id IS NOT NULL;

