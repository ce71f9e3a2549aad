-- Where streams of a store parted, as facts tell (branch.cut): the lowest such place. A count whose cut holds a head of the
-- branch that fell reaches only up to there (model.md §3, Forks).
CREATE TABLE forks (
  store  BIGINT NOT NULL,
  author BIGINT NOT NULL,
  seq    BIGINT NOT NULL,
  PRIMARY KEY (store, author)
);
