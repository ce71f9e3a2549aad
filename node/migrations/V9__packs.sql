-- Old stretches of streams, each as one compressed piece: the same events, byte by byte, in a fraction of the room. The
-- packs of a stream are its beginning, without gaps; table events holds the rest.
CREATE TABLE packs (
    place     INTEGER PRIMARY KEY,           -- of its first event
    last      INTEGER NOT NULL,              -- of its last one, a head that its author signed
    length    INTEGER NOT NULL,              -- of what it unpacks to
    hash      BLOB NOT NULL CHECK (length(hash) = 32),   -- of the last event
    signature BLOB NOT NULL,
    bytes     BLOB NOT NULL
) STRICT;
