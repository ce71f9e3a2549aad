-- Requests to holders to burn rights that a shrink left without goods (model.md §2): one is open an item and store at a time.
-- count_author and count_seq are the count that the item stood on; burnt is what the holder's answer says.
CREATE TABLE burn_asks (
  no           INTEGER PRIMARY KEY,
  id           BLOB NOT NULL UNIQUE,
  store        INTEGER NOT NULL,
  sku          TEXT NOT NULL,
  holder       INTEGER NOT NULL,
  units        INTEGER NOT NULL,
  count_author INTEGER NOT NULL,
  count_seq    INTEGER NOT NULL,
  state        TEXT NOT NULL,
  burnt        INTEGER,
  asked_at     INTEGER NOT NULL,
  ended_at     INTEGER
) STRICT;
CREATE UNIQUE INDEX burn_asks_open ON burn_asks (store, sku) WHERE state = 'open';
CREATE INDEX burn_asks_by_holder ON burn_asks (holder, no);
CREATE INDEX burn_asks_by_item ON burn_asks (store, sku, count_author, count_seq);
