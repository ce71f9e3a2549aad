-- What people and integrators did, in the order it was done: hash is over the entry and the hash before it, so that no
-- entry can be changed or taken out unseen (hub.md, Operating it).
CREATE TABLE audit_trail (
  no     INTEGER PRIMARY KEY,
  at     INTEGER NOT NULL,
  actor  TEXT NOT NULL,
  call   TEXT NOT NULL,
  body   TEXT NOT NULL,
  trace  TEXT NOT NULL,
  hash   BLOB NOT NULL
) STRICT;
CREATE TABLE audit_end (
  one  INTEGER PRIMARY KEY CHECK (one = 1),
  no   INTEGER NOT NULL,
  hash BLOB NOT NULL
) STRICT;
