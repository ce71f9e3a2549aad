-- Who reads the outbox (or Kafka) and how far; inboxes, parked records and dead letters (facts.md, section 3).
CREATE TABLE consumer_groups (
  name  TEXT PRIMARY KEY,
  epoch BIGINT NOT NULL
);
-- seq: read up to here; replay_to: what is up to here is said again.
CREATE TABLE consumer_offsets (
  name      TEXT NOT NULL,
  stream    BIGINT NOT NULL,
  seq       BIGINT NOT NULL,
  replay_to BIGINT NOT NULL,
  PRIMARY KEY (name, stream)
);
CREATE TABLE consumer_inbox (
  name  TEXT NOT NULL,
  ce_id TEXT NOT NULL,
  PRIMARY KEY (name, ce_id)
);
-- state: parked (tried again at next_at, in order of place within a lane), dead (a person decides).
CREATE TABLE consumer_parked (
  name     TEXT NOT NULL,
  place    BIGINT NOT NULL,
  lane     TEXT NOT NULL,
  ce_id    TEXT NOT NULL,
  state    TEXT NOT NULL,
  tries    BIGINT NOT NULL,
  next_at  BIGINT NOT NULL,
  parked_at BIGINT NOT NULL,
  reason   TEXT NOT NULL,
  record   BYTEA NOT NULL,
  PRIMARY KEY (name, place),
  UNIQUE (name, ce_id)
);
CREATE INDEX consumer_parked_by_lane ON consumer_parked (name, lane, place);

-- Read models. Nothing that decides reads them.
CREATE TABLE inventory_items (
  store     TEXT NOT NULL,
  sku       TEXT NOT NULL,
  on_hand   BIGINT NOT NULL,
  sold      BIGINT NOT NULL,
  moved_at  BIGINT NOT NULL,
  PRIMARY KEY (store, sku)
);
CREATE TABLE search_products (
  sku      TEXT PRIMARY KEY,
  name     TEXT NOT NULL,
  folded   TEXT NOT NULL,
  gtins    TEXT NOT NULL,
  category TEXT NOT NULL,
  active   BIGINT NOT NULL,
  epoch    BIGINT NOT NULL,
  version  BIGINT NOT NULL
);
CREATE TABLE analytics_days (
  store     TEXT NOT NULL,
  day       TEXT NOT NULL,
  currency  TEXT NOT NULL,
  sales     BIGINT NOT NULL,
  refunds   BIGINT NOT NULL,
  net       BIGINT NOT NULL,
  tax       BIGINT NOT NULL,
  total     BIGINT NOT NULL,
  PRIMARY KEY (store, day, currency)
);
CREATE TABLE analytics_items (
  store  TEXT NOT NULL,
  day    TEXT NOT NULL,
  hour   BIGINT NOT NULL,
  sku    TEXT NOT NULL,
  units  BIGINT NOT NULL,
  net    BIGINT NOT NULL,
  tax    BIGINT NOT NULL,
  amount BIGINT NOT NULL,
  PRIMARY KEY (store, day, hour, sku)
);
CREATE TABLE analytics_counters (
  store  TEXT NOT NULL,
  name   TEXT NOT NULL,
  n      BIGINT NOT NULL,
  amount BIGINT NOT NULL,
  PRIMARY KEY (store, name)
);
CREATE TABLE journal_documents (
  id TEXT PRIMARY KEY
);
CREATE TABLE journal_shifts (
  store        TEXT NOT NULL,
  till         TEXT NOT NULL,
  shift        BIGINT NOT NULL,
  business_day TEXT NOT NULL,
  PRIMARY KEY (store, till, shift)
);
-- amount: debit above zero, credit below.
CREATE TABLE journal_lines (
  ce_id        TEXT NOT NULL,
  n            BIGINT NOT NULL,
  store        TEXT NOT NULL,
  day          TEXT NOT NULL,
  business_day TEXT NOT NULL,
  account      TEXT NOT NULL,
  currency     TEXT NOT NULL,
  amount       BIGINT NOT NULL,
  reference    TEXT NOT NULL,
  PRIMARY KEY (ce_id, n)
);
CREATE INDEX journal_lines_by_day ON journal_lines (store, day);
CREATE INDEX journal_lines_by_reference ON journal_lines (reference);
CREATE TABLE webhooks (
  id         TEXT PRIMARY KEY,
  url        TEXT NOT NULL,
  secret     BYTEA NOT NULL,
  types      TEXT NOT NULL,
  created_at BIGINT NOT NULL
);
-- state: due, sent, given_up, silent (told by a replay).
CREATE TABLE webhook_messages (
  id       TEXT NOT NULL,
  webhook  TEXT NOT NULL,
  body     TEXT NOT NULL,
  state    TEXT NOT NULL,
  tries    BIGINT NOT NULL,
  next_at  BIGINT NOT NULL,
  reason   TEXT NOT NULL,
  PRIMARY KEY (id, webhook)
);
CREATE INDEX webhook_messages_due ON webhook_messages (state, next_at);

-- Closed accounting days of a store, by the hub's own event; the frontier says which facts they hold.
CREATE TABLE day_closes (
  store     BIGINT NOT NULL,
  day       BIGINT NOT NULL,
  author    BIGINT NOT NULL,
  seq       BIGINT NOT NULL,
  closed_at BIGINT NOT NULL,
  PRIMARY KEY (store, day)
);
CREATE TABLE day_frontiers (
  store       BIGINT NOT NULL,
  day         BIGINT NOT NULL,
  incarnation TEXT NOT NULL,
  seq         BIGINT NOT NULL,
  PRIMARY KEY (store, day, incarnation)
);
-- Who relays a stream; the epoch fences whoever held it before.
CREATE TABLE relay_leases (
  stream BIGINT PRIMARY KEY,
  holder TEXT NOT NULL,
  epoch  BIGINT NOT NULL,
  until  BIGINT NOT NULL
);
