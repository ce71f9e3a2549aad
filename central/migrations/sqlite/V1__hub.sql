-- The hub's schema (`hub.md`). The same tables stand in migrations/postgres; only types and partitions differ.
-- Times are UTC milliseconds, money minor units, stock base units. An incarnation is interned as `author`.

CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE stores (
  store            INTEGER PRIMARY KEY,
  code             TEXT NOT NULL UNIQUE,
  name             TEXT NOT NULL,
  hub_author       INTEGER NOT NULL,
  stream           INTEGER NOT NULL,
  settings         TEXT NOT NULL,
  settings_version INTEGER NOT NULL,
  roster_version   INTEGER NOT NULL,
  created_at       INTEGER NOT NULL
) STRICT;

-- role: hub (H_s), node, lone. state: live, fenced, retired, quarantined.
CREATE TABLE authors (
  author          INTEGER PRIMARY KEY,
  incarnation     BLOB NOT NULL UNIQUE,
  store           INTEGER NOT NULL,
  role            TEXT NOT NULL,
  device_key      BLOB NOT NULL,
  name            TEXT NOT NULL,
  program         TEXT NOT NULL,
  state           TEXT NOT NULL,
  registered_at   INTEGER NOT NULL,
  last_contact    INTEGER,
  catalog_epoch   INTEGER NOT NULL DEFAULT 0,
  catalog_version INTEGER NOT NULL DEFAULT 0,
  successor       INTEGER,
  head_seq        INTEGER NOT NULL DEFAULT 0 CHECK (head_seq >= 0),
  head_hash       BLOB NOT NULL,
  head_hlc        INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX authors_by_store ON authors (store);

CREATE TABLE events (
  author INTEGER NOT NULL,
  seq    INTEGER NOT NULL CHECK (seq > 0),
  kind   INTEGER NOT NULL,
  hash   BLOB NOT NULL,
  bytes  BLOB NOT NULL,
  PRIMARY KEY (author, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE signatures (
  author    INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  signature BLOB NOT NULL,
  PRIMARY KEY (author, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE quarantine (
  author   INTEGER NOT NULL,
  seq      INTEGER NOT NULL,
  hash     BLOB NOT NULL,
  bytes    BLOB NOT NULL,
  reason   TEXT NOT NULL,
  effects  INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  PRIMARY KEY (author, seq, hash)
) STRICT, WITHOUT ROWID;

-- A second event under a known id is booked, and both are flagged.
CREATE TABLE document_ids (
  id     BLOB NOT NULL,
  author INTEGER NOT NULL,
  seq    INTEGER NOT NULL,
  PRIMARY KEY (id, author, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE orders (
  author        INTEGER NOT NULL,
  seq           INTEGER NOT NULL,
  received_at   INTEGER NOT NULL,
  id            BLOB NOT NULL,
  store         INTEGER NOT NULL,
  kind          TEXT NOT NULL,
  till          TEXT NOT NULL,
  series        TEXT NOT NULL,
  n             INTEGER NOT NULL,
  business_day  INTEGER NOT NULL,
  committed_at  INTEGER NOT NULL,
  customer      BLOB,
  original      BLOB,
  currency      TEXT NOT NULL,
  exponent      INTEGER NOT NULL,
  net           INTEGER NOT NULL,
  tax           INTEGER NOT NULL,
  total         INTEGER NOT NULL,
  rounding      INTEGER NOT NULL,
  cash_due      INTEGER NOT NULL,
  cash_tendered INTEGER NOT NULL,
  change        INTEGER NOT NULL,
  PRIMARY KEY (author, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX orders_by_store ON orders (store, business_day, author, seq);
CREATE INDEX orders_by_original ON orders (original) WHERE original IS NOT NULL;

CREATE TABLE order_lines (
  author         INTEGER NOT NULL,
  seq            INTEGER NOT NULL,
  line           INTEGER NOT NULL,
  of_line        INTEGER,
  sku            TEXT NOT NULL,
  name           TEXT NOT NULL,
  quantity_milli INTEGER NOT NULL,
  units          INTEGER NOT NULL,
  unit_price     INTEGER NOT NULL,
  base           INTEGER NOT NULL,
  discount       INTEGER NOT NULL,
  promotion      INTEGER NOT NULL,
  order_share    INTEGER NOT NULL,
  amount         INTEGER NOT NULL,
  net            INTEGER NOT NULL,
  tax            INTEGER NOT NULL,
  tax_category   TEXT NOT NULL,
  tax_ppm        INTEGER NOT NULL,
  PRIMARY KEY (author, seq, line)
) STRICT, WITHOUT ROWID;

CREATE TABLE payments (
  author    INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  n         INTEGER NOT NULL,
  kind      TEXT NOT NULL,
  amount    INTEGER NOT NULL,
  state     TEXT NOT NULL,
  reference TEXT,
  PRIMARY KEY (author, seq, n)
) STRICT, WITHOUT ROWID;

-- Per receipt series what came: a gap or a clash shows here.
CREATE TABLE series (
  store     INTEGER NOT NULL,
  till      TEXT NOT NULL,
  series    TEXT NOT NULL,
  author    INTEGER NOT NULL,
  last_n    INTEGER NOT NULL,
  documents INTEGER NOT NULL,
  PRIMARY KEY (store, till, series, author)
) STRICT, WITHOUT ROWID;

CREATE TABLE stock (
  store       INTEGER NOT NULL,
  sku         TEXT NOT NULL,
  on_hand     INTEGER NOT NULL,
  row_version INTEGER NOT NULL,
  PRIMARY KEY (store, sku)
) STRICT, WITHOUT ROWID;

CREATE TABLE cells (
  store     INTEGER NOT NULL,
  sku       TEXT NOT NULL,
  author    INTEGER NOT NULL,
  minted    INTEGER NOT NULL CHECK (minted >= 0),
  used      INTEGER NOT NULL CHECK (used >= 0),
  overdrawn INTEGER NOT NULL CHECK (overdrawn >= 0),
  settled   INTEGER NOT NULL CHECK (settled >= 0),
  PRIMARY KEY (store, sku, author)
) STRICT, WITHOUT ROWID;

CREATE TABLE given (
  store    INTEGER NOT NULL,
  sku      TEXT NOT NULL,
  author   INTEGER NOT NULL,
  receiver BLOB NOT NULL,
  units    INTEGER NOT NULL CHECK (units >= 0),
  PRIMARY KEY (store, sku, author, receiver)
) STRICT, WITHOUT ROWID;

CREATE TABLE custody (
  store    INTEGER NOT NULL,
  object   TEXT NOT NULL,
  epoch    INTEGER NOT NULL,
  n        INTEGER NOT NULL,
  owner    BLOB NOT NULL,
  terminal INTEGER NOT NULL,
  PRIMARY KEY (store, object)
) STRICT, WITHOUT ROWID;

-- Each stream's seq is taken under its row's lock, so it is gapless in the order of commits.
CREATE TABLE outbox_streams (
  stream  INTEGER PRIMARY KEY,
  last    INTEGER NOT NULL,
  relayed INTEGER NOT NULL
) STRICT;

-- source: event (author, event_seq), catalog (epoch in author, version in event_seq).
CREATE TABLE outbox (
  stream    INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  source    TEXT NOT NULL,
  author    INTEGER NOT NULL,
  event_seq INTEGER NOT NULL,
  PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE review (
  id       INTEGER PRIMARY KEY,
  kind     TEXT NOT NULL,
  store    INTEGER NOT NULL,
  ref      TEXT NOT NULL,
  detail   TEXT NOT NULL,
  at       INTEGER NOT NULL,
  resolved_at INTEGER,
  note     TEXT,
  UNIQUE (kind, store, ref)
) STRICT;

CREATE TABLE products (
  sku         TEXT PRIMARY KEY,
  no          INTEGER NOT NULL UNIQUE,
  row_version INTEGER NOT NULL,
  folded      TEXT NOT NULL,
  body        TEXT NOT NULL,
  removed     INTEGER NOT NULL,
  first_version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX products_by_first_version ON products (first_version);

CREATE TABLE product_gtins (
  gtin TEXT NOT NULL,
  sku  TEXT NOT NULL,
  PRIMARY KEY (gtin, sku)
) STRICT, WITHOUT ROWID;
CREATE INDEX product_gtins_by_sku ON product_gtins (sku);

-- store 0: every store.
CREATE TABLE prices (
  no         INTEGER PRIMARY KEY,
  sku        TEXT NOT NULL,
  list       TEXT NOT NULL,
  store      INTEGER NOT NULL,
  price      INTEGER NOT NULL,
  valid_from INTEGER NOT NULL,
  valid_to   INTEGER,
  version    INTEGER NOT NULL
) STRICT;
CREATE INDEX prices_by_sku ON prices (sku, no);

CREATE TABLE promotions (
  id          TEXT PRIMARY KEY,
  row_version INTEGER NOT NULL,
  body        TEXT NOT NULL,
  removed     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE catalog_head (
  one     INTEGER PRIMARY KEY CHECK (one = 1),
  epoch   INTEGER NOT NULL,
  version INTEGER NOT NULL,
  hash    BLOB NOT NULL,
  last_no INTEGER NOT NULL
) STRICT;

-- store 0: every store; for any other, what a version without a row of its own holds is nothing.
CREATE TABLE catalog (
  version   INTEGER NOT NULL,
  store     INTEGER NOT NULL,
  bytes     BLOB NOT NULL,
  signature BLOB NOT NULL,
  at        INTEGER NOT NULL,
  PRIMARY KEY (version, store)
) STRICT, WITHOUT ROWID;

CREATE TABLE enrolment_codes (
  code_hash  BLOB PRIMARY KEY,
  store      INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  tries      INTEGER NOT NULL,
  used_by    BLOB
) STRICT, WITHOUT ROWID;

-- What an enrolment did, by the lone incarnation and its last hash: a repeat gets the same facts.
CREATE TABLE enrolments (
  lone      BLOB NOT NULL,
  last_hash BLOB NOT NULL,
  successor BLOB NOT NULL,
  store     INTEGER NOT NULL,
  at        INTEGER NOT NULL,
  PRIMARY KEY (lone, last_hash)
) STRICT, WITHOUT ROWID;

-- Under which item the hub books what a lone log calls `sku`.
CREATE TABLE lone_skus (
  author    INTEGER NOT NULL,
  sku       TEXT NOT NULL,
  booked_as TEXT NOT NULL,
  PRIMARY KEY (author, sku)
) STRICT, WITHOUT ROWID;

CREATE TABLE aliases (
  store    INTEGER NOT NULL,
  from_sku TEXT NOT NULL,
  to_sku   TEXT NOT NULL,
  PRIMARY KEY (store, from_sku)
) STRICT, WITHOUT ROWID;

-- The hub's own events in the order of its journal, one counter for each process.
CREATE TABLE journal_processes (
  process INTEGER PRIMARY KEY,
  last_n  INTEGER NOT NULL
) STRICT;

CREATE TABLE journal_marks (
  process INTEGER NOT NULL,
  n       INTEGER NOT NULL,
  author  INTEGER NOT NULL,
  seq     INTEGER NOT NULL,
  PRIMARY KEY (process, n)
) STRICT, WITHOUT ROWID;

-- r_H of each item: what the hub may still promise for the web, under its row's lock (model.md §2).
CREATE TABLE hub_rights (
  store INTEGER NOT NULL,
  sku   TEXT NOT NULL,
  units INTEGER NOT NULL CHECK (units >= 0),
  PRIMARY KEY (store, sku)
) STRICT, WITHOUT ROWID;

-- state: open, fulfilled, cancelled, expired. `sale` is the sale that handed it over. Hub time `expires` is of `epoch`.
CREATE TABLE reservations (
  no        INTEGER PRIMARY KEY,
  id        BLOB NOT NULL UNIQUE,
  request   BLOB NOT NULL,
  store     INTEGER NOT NULL,
  sku       TEXT NOT NULL,
  units     INTEGER NOT NULL CHECK (units > 0),
  order_id  BLOB NOT NULL,
  reference TEXT NOT NULL,
  epoch     INTEGER NOT NULL,
  expires   INTEGER NOT NULL,
  prepaid   INTEGER,
  state     TEXT NOT NULL,
  sale      BLOB,
  opened_at INTEGER NOT NULL,
  ended_at  INTEGER
) STRICT;
CREATE INDEX reservations_open ON reservations (store, sku) WHERE state = 'open';

-- kind: delivery (store is the receiver), transfer (store ships, to_store receives, by code).
-- state: expected or shipped, received, not_delivered; a transfer is shipped until its count is confirmed.
CREATE TABLE shipments (
  no        INTEGER PRIMARY KEY,
  id        BLOB NOT NULL UNIQUE,
  request   BLOB,
  kind      TEXT NOT NULL,
  store     INTEGER NOT NULL,
  to_store  TEXT,
  reference TEXT NOT NULL,
  state     TEXT NOT NULL,
  announced INTEGER NOT NULL,
  same_as   BLOB,
  begun_at  INTEGER NOT NULL,
  ended_at  INTEGER
) STRICT;
CREATE INDEX shipments_under_way ON shipments (no) WHERE ended_at IS NULL;
CREATE INDEX shipments_unannounced ON shipments (no) WHERE announced = 0;

CREATE TABLE shipment_lines (
  id       BLOB NOT NULL,
  sku      TEXT NOT NULL,
  cost     INTEGER,
  expected INTEGER NOT NULL,
  received INTEGER NOT NULL,
  PRIMARY KEY (id, sku)
) STRICT, WITHOUT ROWID;
CREATE INDEX shipment_lines_by_sku ON shipment_lines (sku);

-- Counts of the logs; an item's goods stand on its latest (model.md §4).
CREATE TABLE counts (
  store   INTEGER NOT NULL,
  sku     TEXT NOT NULL,
  author  INTEGER NOT NULL,
  seq     INTEGER NOT NULL,
  latest  INTEGER NOT NULL,
  tainted INTEGER NOT NULL,
  PRIMARY KEY (store, sku, author, seq)
) STRICT, WITHOUT ROWID;

-- The waits of a store's incarnations in running time, as JSON, saved each minute (model.md §3.3).
CREATE TABLE waits (
  store    INTEGER PRIMARY KEY,
  body     TEXT NOT NULL,
  saved_at INTEGER NOT NULL
) STRICT;

-- state: open, closed, void. body and result are JSON; one is open at a time per store (model.md §3.5).
CREATE TABLE barriers (
  no        INTEGER PRIMARY KEY,
  id        BLOB NOT NULL UNIQUE,
  store     INTEGER NOT NULL,
  state     TEXT NOT NULL,
  body      TEXT NOT NULL,
  opened_at INTEGER NOT NULL,
  ended_at  INTEGER,
  result    TEXT
) STRICT;
CREATE UNIQUE INDEX barriers_open ON barriers (store) WHERE state = 'open';

-- The last position of a lost author's log that moves rights, and whose rights in which item are resolved.
CREATE TABLE caps (
  author INTEGER PRIMARY KEY,
  seq    INTEGER NOT NULL CHECK (seq >= 0),
  hash   BLOB NOT NULL
) STRICT;

CREATE TABLE resolved (
  store  INTEGER NOT NULL,
  sku    TEXT NOT NULL,
  author INTEGER NOT NULL,
  PRIMARY KEY (store, sku, author)
) STRICT, WITHOUT ROWID;

-- Customers' records, never in an event; no person once erased. change grows with every change of any (model.md §6).
CREATE TABLE customers (
  id         BLOB PRIMARY KEY,
  version    INTEGER NOT NULL,
  person     TEXT,
  price_list TEXT NOT NULL,
  change     INTEGER NOT NULL,
  brought_by INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX customers_by_change ON customers (change);

CREATE TABLE customer_changes (
  one  INTEGER PRIMARY KEY,
  last INTEGER NOT NULL
) STRICT;

-- Up to which change a node holds them.
CREATE TABLE customer_heads (
  author  INTEGER PRIMARY KEY,
  through INTEGER NOT NULL
) STRICT;
