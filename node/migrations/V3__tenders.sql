-- Money that is being taken, or waits to come: a row stands here before anybody is asked for it (facts.md §4, Tender).
CREATE TABLE tenders (
    no       INTEGER PRIMARY KEY,
    key      BLOB NOT NULL UNIQUE CHECK (length(key) = 16),
    cart     BLOB,                             -- the cart it pays; none for a sale in one call
    document BLOB,                             -- the document that claims it
    till     TEXT NOT NULL,
    state    INTEGER NOT NULL,                 -- 1 created, 2 requested, 3 captured, 4 stored, 5 unconfirmed, 6 unknown, 7 at its end
    made     INTEGER NOT NULL,
    body     TEXT NOT NULL
) STRICT;
CREATE INDEX tenders_by_cart ON tenders (cart) WHERE cart IS NOT NULL;
CREATE INDEX tenders_by_document ON tenders (document) WHERE document IS NOT NULL;
CREATE INDEX tenders_unclaimed ON tenders (no) WHERE cart IS NOT NULL AND document IS NULL AND state = 3;
CREATE INDEX tenders_waiting ON tenders (state) WHERE state IN (1, 2, 4, 5, 6);

-- How tenders of documents ended, whoever said so.
CREATE TABLE settlements (
    key      BLOB NOT NULL PRIMARY KEY CHECK (length(key) = 16),
    document BLOB NOT NULL,
    outcome  INTEGER NOT NULL,                 -- 1 captured, 2 declined, 3 expired, 4 confirmed, 5 missing, 6 voided
    kind     TEXT NOT NULL,
    amount   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX settlements_by_document ON settlements (document);

-- What refunds gave back to each tender of a sale, in minor units.
CREATE TABLE given_back (
    sale   BLOB NOT NULL CHECK (length(sale) = 16),
    tender INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (sale, tender)
) STRICT, WITHOUT ROWID;

-- Receivables that were paid.
CREATE TABLE collected (
    key      BLOB NOT NULL PRIMARY KEY CHECK (length(key) = 16),
    sale     BLOB NOT NULL,
    amount   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The terminal of each till, and what the simulated one remembers: it forgets nothing when the node dies.
CREATE TABLE terminals (
    till TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE terminal_memory (
    till TEXT NOT NULL,
    key  BLOB NOT NULL CHECK (length(key) = 16),
    said TEXT NOT NULL,
    PRIMARY KEY (till, key)
) STRICT, WITHOUT ROWID;

-- Vouchers and gift cards as the documents known here tell of them.
CREATE TABLE vouchers (
    code     TEXT NOT NULL PRIMARY KEY,
    sold     INTEGER NOT NULL DEFAULT 0,
    redeemed INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Sales of training: beside the log, never in it (facts.md §2).
CREATE TABLE training (
    no      INTEGER PRIMARY KEY,
    id      BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    request BLOB NOT NULL,
    till    TEXT NOT NULL,
    n       INTEGER NOT NULL,
    made    INTEGER NOT NULL,
    body    TEXT NOT NULL,
    hash    BLOB NOT NULL CHECK (length(hash) = 32),
    UNIQUE (till, n)
) STRICT;
