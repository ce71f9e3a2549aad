-- Tenders whose money was still to come when their document was made: cards kept offline, transfers nobody has seen on
-- the bank's list (facts.md §4, Stored card). A settlement that comes before its document waits for it here.
CREATE TABLE stored_tenders (
  key          TEXT NOT NULL PRIMARY KEY,
  store        BIGINT NOT NULL,
  document     TEXT NOT NULL,
  till         TEXT NOT NULL,
  receipt      TEXT NOT NULL,
  kind         TEXT NOT NULL,
  amount       BIGINT NOT NULL,
  business_day BIGINT NOT NULL,
  committed_at BIGINT NOT NULL,
  outcome      TEXT NOT NULL,
  settled_at   BIGINT NOT NULL
);
CREATE INDEX stored_tenders_by_store ON stored_tenders (store, outcome, committed_at);
