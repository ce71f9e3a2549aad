-- Staff and policy of each store, as they are published to its nodes (facts.md §6). pin is argon2id, never in the clear.
CREATE TABLE staff (
  store       INTEGER NOT NULL,
  id          TEXT NOT NULL,
  row_version INTEGER NOT NULL,
  name        TEXT NOT NULL,
  role        INTEGER NOT NULL,
  active      INTEGER NOT NULL,
  salt        BLOB,
  pin         BLOB,
  changed_at  INTEGER NOT NULL,
  PRIMARY KEY (store, id)
) STRICT;
CREATE TABLE policies (
  store       INTEGER PRIMARY KEY,
  row_version INTEGER NOT NULL,
  body        TEXT NOT NULL,
  changed_at  INTEGER NOT NULL
) STRICT;
-- Vouchers, gift cards and coupons with a number of uses (facts.md §4): what was issued, what came back, what was minted of it
-- as rights of the store that holds it. Minor units, or uses of a coupon.
CREATE TABLE pools (
  store    INTEGER NOT NULL,
  pool     TEXT NOT NULL,
  issued   INTEGER NOT NULL,
  redeemed INTEGER NOT NULL,
  minted   INTEGER NOT NULL,
  made_at  INTEGER NOT NULL,
  PRIMARY KEY (store, pool)
) STRICT;
CREATE INDEX pools_due ON pools (store, pool) WHERE issued > minted;
