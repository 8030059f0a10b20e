-- People who work at the cashier, how they log in, and what they hold a currency for.

-- password_hash: argon2id, as its own text. totp_salt: the one-time-code secret is derived from it and from
-- the gateway's secret, so that a copy of this database alone makes no code. totp_step: the last one used.
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

-- Failed logins in a row, by subject: `name:{name}` (also of names nobody has) and `address:{ip}`.
CREATE TABLE login_try (
    subject TEXT PRIMARY KEY,
    failures INTEGER NOT NULL,
    locked_until INTEGER NOT NULL,
    last_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
