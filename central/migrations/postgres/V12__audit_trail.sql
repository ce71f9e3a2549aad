-- What people and integrators did, in the order it was done: hash is over the entry and the hash before it, so that no
-- entry can be changed or taken out unseen (hub.md, Operating it).
CREATE TABLE audit_trail (
  no     BIGINT PRIMARY KEY,
  at     BIGINT NOT NULL,
  actor  TEXT NOT NULL,
  call   TEXT NOT NULL,
  body   TEXT NOT NULL,
  trace  TEXT NOT NULL,
  hash   BYTEA NOT NULL
);
CREATE TABLE audit_end (
  one  BIGINT PRIMARY KEY CHECK (one = 1),
  no   BIGINT NOT NULL,
  hash BYTEA NOT NULL
);
