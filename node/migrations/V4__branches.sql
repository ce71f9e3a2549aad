-- What was cut off a stream because the hub's branch of it is another (model.md §3, Forks): kept, and counted nowhere.
CREATE TABLE branches (
    incarnation INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    hash        BLOB NOT NULL CHECK (length(hash) = 32),
    bytes       BLOB NOT NULL,
    PRIMARY KEY (incarnation, seq, hash)
) STRICT, WITHOUT ROWID;

-- Facts that were said again after their branch was cut off: the original's hash, and who said it where. Of several sayings
-- the one by the smallest (incarnation, seq) counts.
CREATE TABLE said_again (
    original    BLOB NOT NULL CHECK (length(original) = 32),
    incarnation BLOB NOT NULL CHECK (length(incarnation) = 16),
    seq         INTEGER NOT NULL,
    PRIMARY KEY (original, incarnation, seq)
) STRICT, WITHOUT ROWID;

-- Authors with an event whose effects can't be applied: the first one. What they give away behind it doesn't count
-- (model.md §6).
CREATE TABLE unapplied (
    incarnation INTEGER PRIMARY KEY,
    seq         INTEGER NOT NULL
) STRICT;
