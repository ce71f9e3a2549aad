-- Staff and policy of each store, as they are published to its nodes (facts.md §6). pin is argon2id, never in the clear.
CREATE TABLE staff (
  store       BIGINT NOT NULL,
  id          TEXT NOT NULL,
  row_version BIGINT NOT NULL,
  name        TEXT NOT NULL,
  role        BIGINT NOT NULL,
  active      BIGINT NOT NULL,
  salt        BYTEA,
  pin         BYTEA,
  changed_at  BIGINT NOT NULL,
  PRIMARY KEY (store, id)
);
CREATE TABLE policies (
  store       BIGINT PRIMARY KEY,
  row_version BIGINT NOT NULL,
  body        TEXT NOT NULL,
  changed_at  BIGINT NOT NULL
);
-- Vouchers, gift cards and coupons with a number of uses (facts.md §4): what was issued, what came back, what was minted of it
-- as rights of the store that holds it. Minor units, or uses of a coupon.
CREATE TABLE pools (
  store    BIGINT NOT NULL,
  pool     TEXT NOT NULL,
  issued   BIGINT NOT NULL,
  redeemed BIGINT NOT NULL,
  minted   BIGINT NOT NULL,
  made_at  BIGINT NOT NULL,
  PRIMARY KEY (store, pool)
);
CREATE INDEX pools_due ON pools (store, pool) WHERE issued > minted;
