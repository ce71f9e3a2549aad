-- Devices that may ask the node from beyond its own machine: what is kept of a token is its hash (resilience.md, Attacks).
CREATE TABLE devices (
    id    BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name  TEXT NOT NULL,
    kind  INTEGER NOT NULL CHECK (kind IN (1, 2)),   -- 1 till, 2 customer display
    till  TEXT NOT NULL,
    token BLOB NOT NULL UNIQUE CHECK (length(token) = 32),
    made  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Codes by which a device gets its token: each is good once, and not for long.
CREATE TABLE pairings (
    code  BLOB NOT NULL PRIMARY KEY CHECK (length(code) = 32),
    name  TEXT NOT NULL,
    kind  INTEGER NOT NULL CHECK (kind IN (1, 2)),
    till  TEXT NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Tills that practise, since when and by whose word.
CREATE TABLE training_tills (
    till  TEXT NOT NULL PRIMARY KEY,
    since INTEGER NOT NULL,
    by    TEXT
) STRICT, WITHOUT ROWID;

-- What they make is an event like any other, in a chain of its own beside the log (facts.md §2). Nothing was ever kept in
-- the table of before.
DROP TABLE training;
CREATE TABLE training (
    seq     INTEGER PRIMARY KEY,                     -- the place in the chain of training
    id      BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    request BLOB CHECK (request IS NULL OR length(request) = 16),
    till    TEXT NOT NULL,
    n       INTEGER NOT NULL,
    event   BLOB NOT NULL,
    hash    BLOB NOT NULL CHECK (length(hash) = 32),
    UNIQUE (till, n)
) STRICT;

-- Money that a terminal gives back or takes for a document that isn't there yet: no cart holds it.
CREATE INDEX tenders_of_papers ON tenders (made) WHERE cart IS NULL AND document IS NULL AND state IN (2, 3, 4, 6);
