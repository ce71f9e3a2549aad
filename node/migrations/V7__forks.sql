-- Where streams parted, as facts tell (branch.cut): the lowest such place. A count whose cut holds a head of the branch that
-- fell reaches only up to there (model.md §3, Forks).
CREATE TABLE forks (
    incarnation INTEGER PRIMARY KEY,
    seq         INTEGER NOT NULL
) STRICT;

-- The event whose Z tells of a fact that was said again; none while no Z does.
ALTER TABLE said_again ADD COLUMN told INTEGER;
