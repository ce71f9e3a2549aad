-- Tenders whose money was still to come when their document was made: cards kept offline, transfers nobody has seen on
-- the bank's list (facts.md §4, Stored card). A settlement that comes before its document waits for it here.
CREATE TABLE stored_tenders (
  key          TEXT NOT NULL PRIMARY KEY,
  store        INTEGER NOT NULL,
  document     TEXT NOT NULL,
  till         TEXT NOT NULL,
  receipt      TEXT NOT NULL,
  kind         TEXT NOT NULL,
  amount       INTEGER NOT NULL,
  business_day INTEGER NOT NULL,
  committed_at INTEGER NOT NULL,
  outcome      TEXT NOT NULL,
  settled_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX stored_tenders_by_store ON stored_tenders (store, outcome, committed_at);
