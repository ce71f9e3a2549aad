-- Zs of tills, as their events say them; sums of each one's own documents stand in orders.
CREATE TABLE zs (
  author        INTEGER NOT NULL,
  seq           INTEGER NOT NULL,
  store         INTEGER NOT NULL,
  till          TEXT NOT NULL,
  z             INTEGER NOT NULL,
  business_day  INTEGER NOT NULL,
  closed_at     INTEGER NOT NULL,
  received_at   INTEGER NOT NULL,
  difference    INTEGER NOT NULL,
  agrees        INTEGER NOT NULL,
  PRIMARY KEY (author, seq)
) STRICT;
CREATE INDEX zs_by_till ON zs (store, till, z);
