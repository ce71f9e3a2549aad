-- Zs of tills, as their events say them; sums of each one's own documents stand in orders.
CREATE TABLE zs (
  author        BIGINT NOT NULL,
  seq           BIGINT NOT NULL,
  store         BIGINT NOT NULL,
  till          TEXT NOT NULL,
  z             BIGINT NOT NULL,
  business_day  BIGINT NOT NULL,
  closed_at     BIGINT NOT NULL,
  received_at   BIGINT NOT NULL,
  difference    BIGINT NOT NULL,
  agrees        BIGINT NOT NULL,
  PRIMARY KEY (author, seq)
);
CREATE INDEX zs_by_till ON zs (store, till, z);
