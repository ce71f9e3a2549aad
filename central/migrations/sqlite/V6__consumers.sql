-- Who reads the outbox (or Kafka) and how far; inboxes, parked records and dead letters (facts.md, section 3).
CREATE TABLE consumer_groups (
  name  TEXT PRIMARY KEY,
  epoch INTEGER NOT NULL
) STRICT;
-- seq: read up to here; replay_to: what is up to here is said again.
CREATE TABLE consumer_offsets (
  name      TEXT NOT NULL,
  stream    INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  replay_to INTEGER NOT NULL,
  PRIMARY KEY (name, stream)
) STRICT, WITHOUT ROWID;
CREATE TABLE consumer_inbox (
  name  TEXT NOT NULL,
  ce_id TEXT NOT NULL,
  PRIMARY KEY (name, ce_id)
) STRICT, WITHOUT ROWID;
-- state: parked (tried again at next_at, in order of place within a lane), dead (a person decides).
CREATE TABLE consumer_parked (
  name     TEXT NOT NULL,
  place    INTEGER NOT NULL,
  lane     TEXT NOT NULL,
  ce_id    TEXT NOT NULL,
  state    TEXT NOT NULL,
  tries    INTEGER NOT NULL,
  next_at  INTEGER NOT NULL,
  parked_at INTEGER NOT NULL,
  reason   TEXT NOT NULL,
  record   BLOB NOT NULL,
  PRIMARY KEY (name, place),
  UNIQUE (name, ce_id)
) STRICT;
CREATE INDEX consumer_parked_by_lane ON consumer_parked (name, lane, place);

-- Read models. Nothing that decides reads them.
CREATE TABLE inventory_items (
  store     TEXT NOT NULL,
  sku       TEXT NOT NULL,
  on_hand   INTEGER NOT NULL,
  sold      INTEGER NOT NULL,
  moved_at  INTEGER NOT NULL,
  PRIMARY KEY (store, sku)
) STRICT, WITHOUT ROWID;
CREATE TABLE search_products (
  sku      TEXT PRIMARY KEY,
  name     TEXT NOT NULL,
  folded   TEXT NOT NULL,
  gtins    TEXT NOT NULL,
  category TEXT NOT NULL,
  active   INTEGER NOT NULL,
  epoch    INTEGER NOT NULL,
  version  INTEGER NOT NULL
) STRICT;
CREATE TABLE analytics_days (
  store     TEXT NOT NULL,
  day       TEXT NOT NULL,
  currency  TEXT NOT NULL,
  sales     INTEGER NOT NULL,
  refunds   INTEGER NOT NULL,
  net       INTEGER NOT NULL,
  tax       INTEGER NOT NULL,
  total     INTEGER NOT NULL,
  PRIMARY KEY (store, day, currency)
) STRICT, WITHOUT ROWID;
CREATE TABLE analytics_items (
  store  TEXT NOT NULL,
  day    TEXT NOT NULL,
  hour   INTEGER NOT NULL,
  sku    TEXT NOT NULL,
  units  INTEGER NOT NULL,
  net    INTEGER NOT NULL,
  tax    INTEGER NOT NULL,
  amount INTEGER NOT NULL,
  PRIMARY KEY (store, day, hour, sku)
) STRICT, WITHOUT ROWID;
CREATE TABLE analytics_counters (
  store  TEXT NOT NULL,
  name   TEXT NOT NULL,
  n      INTEGER NOT NULL,
  amount INTEGER NOT NULL,
  PRIMARY KEY (store, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE journal_documents (
  id TEXT PRIMARY KEY
) STRICT;
CREATE TABLE journal_shifts (
  store        TEXT NOT NULL,
  till         TEXT NOT NULL,
  shift        INTEGER NOT NULL,
  business_day TEXT NOT NULL,
  PRIMARY KEY (store, till, shift)
) STRICT;
-- amount: debit above zero, credit below.
CREATE TABLE journal_lines (
  ce_id        TEXT NOT NULL,
  n            INTEGER NOT NULL,
  store        TEXT NOT NULL,
  day          TEXT NOT NULL,
  business_day TEXT NOT NULL,
  account      TEXT NOT NULL,
  currency     TEXT NOT NULL,
  amount       INTEGER NOT NULL,
  reference    TEXT NOT NULL,
  PRIMARY KEY (ce_id, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX journal_lines_by_day ON journal_lines (store, day);
CREATE INDEX journal_lines_by_reference ON journal_lines (reference);
CREATE TABLE webhooks (
  id         TEXT PRIMARY KEY,
  url        TEXT NOT NULL,
  secret     BLOB NOT NULL,
  types      TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
-- state: due, sent, given_up, silent (told by a replay).
CREATE TABLE webhook_messages (
  id       TEXT NOT NULL,
  webhook  TEXT NOT NULL,
  body     TEXT NOT NULL,
  state    TEXT NOT NULL,
  tries    INTEGER NOT NULL,
  next_at  INTEGER NOT NULL,
  reason   TEXT NOT NULL,
  PRIMARY KEY (id, webhook)
) STRICT;
CREATE INDEX webhook_messages_due ON webhook_messages (state, next_at);

-- Closed accounting days of a store, by the hub's own event; the frontier says which facts they hold.
CREATE TABLE day_closes (
  store     INTEGER NOT NULL,
  day       INTEGER NOT NULL,
  author    INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  closed_at INTEGER NOT NULL,
  PRIMARY KEY (store, day)
) STRICT;
CREATE TABLE day_frontiers (
  store       INTEGER NOT NULL,
  day         INTEGER NOT NULL,
  incarnation TEXT NOT NULL,
  seq         INTEGER NOT NULL,
  PRIMARY KEY (store, day, incarnation)
) STRICT;
-- Who relays a stream; the epoch fences whoever held it before.
CREATE TABLE relay_leases (
  stream INTEGER PRIMARY KEY,
  holder TEXT NOT NULL,
  epoch  INTEGER NOT NULL,
  until  INTEGER NOT NULL
) STRICT;
