-- The web shop: shoppers and their sessions, carts, orders as a durable saga, payments (hub.md, facts.md §4).

-- An account. tries counts wrong passwords in a row; nothing more is tried before locked_until.
CREATE TABLE shoppers (
  id           BLOB PRIMARY KEY,
  email        TEXT NOT NULL UNIQUE,
  name         TEXT NOT NULL,
  salt         BLOB NOT NULL,
  hash         BLOB NOT NULL,
  price_list   TEXT NOT NULL,
  tries        INTEGER NOT NULL,
  locked_until INTEGER NOT NULL,
  row_version  INTEGER NOT NULL,
  created_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Whoever holds the token is the owner: an account, or a guest of this token alone. A row that is revoked stays so.
CREATE TABLE shopper_sessions (
  token_hash  BLOB PRIMARY KEY,
  owner       BLOB NOT NULL,
  guest       INTEGER NOT NULL,
  expires_at  INTEGER NOT NULL,
  revoked_at  INTEGER,
  row_version INTEGER NOT NULL,
  created_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX shopper_sessions_by_owner ON shopper_sessions (owner);

-- state: open, checked_out (by web_order). store 0: wherever there is most. body is JSON: lines and coupon.
CREATE TABLE web_carts (
  id          BLOB PRIMARY KEY,
  owner       BLOB NOT NULL,
  store       INTEGER NOT NULL,
  price_list  TEXT NOT NULL,
  body        TEXT NOT NULL,
  state       TEXT NOT NULL,
  web_order   BLOB,
  row_version INTEGER NOT NULL,
  created_at  INTEGER NOT NULL,
  changed_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX web_carts_by_owner ON web_carts (owner, created_at);

-- store 0: every store. uses_left: none for as often as it is given. An order that fails gives its use back.
CREATE TABLE coupons (
  code        TEXT PRIMARY KEY,
  store       INTEGER NOT NULL,
  kind        TEXT NOT NULL,
  value       INTEGER NOT NULL CHECK (value > 0),
  valid_from  INTEGER NOT NULL,
  valid_to    INTEGER,
  uses_left   INTEGER CHECK (uses_left >= 0),
  row_version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A web order and where its saga stands. document is JSON, frozen: inputs and what they came to. driver is the process that
-- drives it now; anybody may from due_at on, none where it waits for somebody else.
CREATE TABLE web_orders (
  no          INTEGER PRIMARY KEY,
  id          BLOB NOT NULL UNIQUE,
  request     BLOB NOT NULL,
  owner       BLOB NOT NULL,
  cart        BLOB NOT NULL,
  store       INTEGER NOT NULL,
  state       TEXT NOT NULL,
  reference   TEXT NOT NULL,
  document    TEXT NOT NULL,
  coupon      TEXT,
  currency    TEXT NOT NULL,
  exponent    INTEGER NOT NULL,
  total       INTEGER NOT NULL CHECK (total >= 0),
  method      TEXT NOT NULL,
  reason      TEXT,
  cancel      INTEGER NOT NULL,
  refund      INTEGER NOT NULL CHECK (refund >= 0),
  placed      INTEGER NOT NULL,
  tries       INTEGER NOT NULL,
  driver      INTEGER NOT NULL,
  due_at      INTEGER,
  created_at  INTEGER NOT NULL,
  changed_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX web_orders_due ON web_orders (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX web_orders_by_owner ON web_orders (owner, no);
CREATE INDEX web_orders_by_store ON web_orders (store, no);

CREATE TABLE web_order_steps (
  web_order INTEGER NOT NULL,
  step      INTEGER NOT NULL,
  at        INTEGER NOT NULL,
  reason    TEXT,
  PRIMARY KEY (web_order, step)
) STRICT, WITHOUT ROWID;

-- What an order holds: its reservations.
CREATE TABLE web_order_holds (
  web_order   INTEGER NOT NULL,
  reservation BLOB NOT NULL,
  PRIMARY KEY (web_order, reservation)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX web_order_holds_by_reservation ON web_order_holds (reservation);

-- state: requested, authorized, declined, capturing, captured, voiding, voided. The row stands before the provider is asked.
CREATE TABLE web_payments (
  id          BLOB PRIMARY KEY,
  order_id    BLOB NOT NULL,
  store       TEXT NOT NULL,
  method      TEXT NOT NULL,
  currency    TEXT NOT NULL,
  amount      INTEGER NOT NULL CHECK (amount > 0),
  captured    INTEGER NOT NULL CHECK (captured >= 0),
  state       TEXT NOT NULL,
  reference   TEXT,
  reason      TEXT,
  row_version INTEGER NOT NULL,
  created_at  INTEGER NOT NULL,
  changed_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX web_payments_by_order ON web_payments (order_id);

-- state: requested, refunded, declined.
CREATE TABLE web_refunds (
  key        TEXT PRIMARY KEY,
  payment    BLOB NOT NULL,
  amount     INTEGER NOT NULL CHECK (amount > 0),
  state      TEXT NOT NULL,
  reference  TEXT,
  created_at INTEGER NOT NULL,
  changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX web_refunds_by_payment ON web_refunds (payment);

-- Notices of the provider that were taken in: each counts once.
CREATE TABLE payment_notices (
  id TEXT PRIMARY KEY,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
