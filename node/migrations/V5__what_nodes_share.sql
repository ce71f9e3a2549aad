-- What the store's nodes share over the LAN apart from events.

-- Carts as they are merged between nodes; table carts holds each as it is shown.
CREATE TABLE cart_states (
    id      BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    n       INTEGER NOT NULL UNIQUE,         -- of its last change here
    changed INTEGER NOT NULL,                -- by the wall clock
    ended   INTEGER NOT NULL,
    related BLOB,                            -- the cart that it was cloned from, or is left over of
    bytes   BLOB NOT NULL
) STRICT;
CREATE INDEX cart_states_related ON cart_states (related) WHERE related IS NOT NULL;

-- The hub's catalog stream as it was sealed, for neighbours that don't hear it from the hub.
CREATE TABLE catalog_entries (
    epoch     INTEGER NOT NULL,
    version   INTEGER NOT NULL,
    bytes     BLOB NOT NULL,
    signature BLOB NOT NULL,
    PRIMARY KEY (epoch, version)
) STRICT;

-- Whom a fence names to go on with what the lost incarnation owned.
CREATE TABLE successors (
    lost      INTEGER NOT NULL PRIMARY KEY,
    successor BLOB NOT NULL CHECK (length(successor) = 16)
) STRICT;

-- Requests to burn that were done, and how much was.
CREATE TABLE burns (
    id    BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    units INTEGER NOT NULL
) STRICT;
