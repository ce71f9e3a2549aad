-- Who works in the store, who stands at which till, what each till's shift came to, its fiscal chain, and what waits
-- to be printed. Staff, printers and the spool are the node's own; all the rest can be computed from the log.

CREATE TABLE staff (
    id           TEXT NOT NULL PRIMARY KEY,
    name         TEXT NOT NULL,
    role         INTEGER NOT NULL,             -- 1 cashier, 2 supervisor, 3 manager
    active       INTEGER NOT NULL DEFAULT 1,
    salt         BLOB,
    pin          BLOB,                         -- argon2id
    tries        INTEGER NOT NULL DEFAULT 0,   -- wrong PINs in a row
    locked_until INTEGER NOT NULL DEFAULT 0    -- of the wall clock
) STRICT, WITHOUT ROWID;

CREATE TABLE sign_ons (
    till  TEXT NOT NULL PRIMARY KEY,
    staff TEXT NOT NULL,
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Shifts of this node and of every other one that is known.
CREATE TABLE shifts (
    opened INTEGER PRIMARY KEY,                -- the event that opened it
    till   TEXT NOT NULL,
    number INTEGER NOT NULL,
    author INTEGER NOT NULL,                   -- the incarnation's number
    day    INTEGER NOT NULL,
    closed INTEGER,                            -- the event that closed it
    body   TEXT                                -- sums of an open shift of this node, as JSON
) STRICT;
CREATE INDEX shifts_by_till ON shifts (till, number);

CREATE TABLE zs (
    place  INTEGER PRIMARY KEY,                -- the event that holds it
    till   TEXT NOT NULL,
    z      INTEGER NOT NULL,
    shift  INTEGER NOT NULL,
    opened INTEGER,                            -- of a recovered shift or its supplement: the event that opened it
    upto   INTEGER                             -- and up to which seq of its author it is told
) STRICT;
CREATE INDEX zs_by_till ON zs (till, z);

-- The fiscal journal: a chain per till and series (facts.md §4).
CREATE TABLE fiscal_chains (
    no        INTEGER PRIMARY KEY,
    till      TEXT NOT NULL,
    series    TEXT NOT NULL,
    sales     INTEGER NOT NULL,                -- totals it begins with
    refunds   INTEGER NOT NULL,
    documents INTEGER NOT NULL,
    key       BLOB NOT NULL,                   -- the device's, which signs the entries
    UNIQUE (till, series)
) STRICT;

CREATE TABLE fiscal (
    chain     INTEGER NOT NULL,
    n         INTEGER NOT NULL,
    place     INTEGER NOT NULL,                -- the event it is about
    kind      INTEGER NOT NULL,
    document  BLOB NOT NULL,
    amount    INTEGER NOT NULL,
    sales     INTEGER NOT NULL,
    refunds   INTEGER NOT NULL,
    documents INTEGER NOT NULL,
    previous  BLOB NOT NULL,
    hash      BLOB NOT NULL,
    signature BLOB,
    PRIMARY KEY (chain, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE fiscal_days (
    chain INTEGER NOT NULL,
    z     INTEGER NOT NULL,
    body  TEXT NOT NULL,
    PRIMARY KEY (chain, z)
) STRICT, WITHOUT ROWID;

CREATE TABLE printers (
    till    TEXT NOT NULL PRIMARY KEY,
    target  TEXT NOT NULL,
    columns INTEGER NOT NULL,
    state   INTEGER NOT NULL DEFAULT 0,        -- 0 unknown, 1 ready, 2 paper out, 3 unreachable
    said    TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

CREATE TABLE print_jobs (
    no       INTEGER PRIMARY KEY,
    id       BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    request  BLOB NOT NULL,
    till     TEXT NOT NULL,
    document INTEGER NOT NULL,                 -- 1 receipt, 2 x, 3 z, 4 count sheet, 5 drawer kick
    subject  TEXT NOT NULL,                    -- id of the document, or number of the Z
    copy     INTEGER,
    bytes    BLOB NOT NULL,
    state    INTEGER NOT NULL DEFAULT 1,       -- 1 waiting, 2 being sent, 3 printed, 4 given up
    tries    INTEGER NOT NULL DEFAULT 0,
    due      INTEGER NOT NULL,
    said     TEXT NOT NULL DEFAULT '',
    made     INTEGER NOT NULL,
    printed  INTEGER
) STRICT;
CREATE INDEX print_jobs_due ON print_jobs (state, due) WHERE state IN (1, 2);

-- How often a paper was printed: every one after the first is a copy.
CREATE TABLE prints (
    document BLOB NOT NULL PRIMARY KEY CHECK (length(document) = 16),
    times    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
