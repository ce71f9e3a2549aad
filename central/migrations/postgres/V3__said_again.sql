-- Facts that were said again after their branch was cut off (model.md §3, Forks): the original's hash, and who said it where.
-- Of several sayings the one by the smallest (incarnation, seq) counts.
CREATE TABLE said_again (
  store       BIGINT NOT NULL,
  original    BYTEA NOT NULL,
  incarnation BYTEA NOT NULL,
  seq         BIGINT NOT NULL,
  PRIMARY KEY (store, original, incarnation, seq)
);

-- When a person was done with an event that is set aside, and what they wrote.
ALTER TABLE quarantine ADD COLUMN settled_at BIGINT;
ALTER TABLE quarantine ADD COLUMN note TEXT;
