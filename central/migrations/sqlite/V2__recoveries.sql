-- A hub whose database was put back recovers store by store (model.md §3, The hub is a replica too). body is JSON; old_author
-- is the H_s of before, whole says that every process's journal was read to its end; one is open at a time per store.
CREATE TABLE recoveries (
  no         INTEGER PRIMARY KEY,
  store      INTEGER NOT NULL,
  old_author INTEGER NOT NULL,
  whole      INTEGER NOT NULL,
  body       TEXT NOT NULL,
  attested   TEXT,
  begun_at   INTEGER NOT NULL,
  ended_at   INTEGER
) STRICT;
CREATE UNIQUE INDEX recoveries_open ON recoveries (store) WHERE ended_at IS NULL;
