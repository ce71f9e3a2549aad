-- Where streams of a store parted, as facts tell (branch.cut): the lowest such place. A count whose cut holds a head of the
-- branch that fell reaches only up to there (model.md §3, Forks).
CREATE TABLE forks (
  store  INTEGER NOT NULL,
  author INTEGER NOT NULL,
  seq    INTEGER NOT NULL,
  PRIMARY KEY (store, author)
) STRICT, WITHOUT ROWID;
