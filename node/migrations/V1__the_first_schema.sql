-- The log is truth; every other table can be computed from it, but for the catalog (the hub's, or the store's own
-- before enrolment), open carts and customers' erasable records.

-- Small values by name: who this node is, and where it stands.
CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Incarnations by small numbers (model.md §1), and the end of each one's stream.
CREATE TABLE incarnations (
    no         INTEGER PRIMARY KEY,
    id         BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    role       INTEGER NOT NULL,             -- 1 present, 2 lost memory, 3 lone and enrolled since, 4 the hub's, 5 other, 6 another's lone log
    seq        INTEGER NOT NULL DEFAULT 0,
    hash       BLOB NOT NULL CHECK (length(hash) = 32),
    hlc        INTEGER NOT NULL DEFAULT 0,
    acked      INTEGER NOT NULL DEFAULT 0,   -- the hub holds it durably up to here
    device_key BLOB,
    name       TEXT NOT NULL DEFAULT '',     -- as the roster says it, for people
    registered INTEGER NOT NULL DEFAULT 0,   -- in the signed roster, or alone
    fenced     INTEGER NOT NULL DEFAULT 0,
    retired    INTEGER NOT NULL DEFAULT 0
) STRICT;

-- place = incarnation's number * 2^40 + seq: one tree, appended at its end.
CREATE TABLE events (
    place     INTEGER PRIMARY KEY,
    kind      INTEGER NOT NULL,
    signature BLOB,                          -- the author's, over the head that a group commit or a batch ended at
    bytes     BLOB NOT NULL
) STRICT;

-- What can be asked for by id: sales and refunds, deliveries and adjustments.
CREATE TABLE documents (
    place   INTEGER PRIMARY KEY,             -- the event that holds it
    id      BLOB NOT NULL CHECK (length(id) = 16),
    kind    INTEGER NOT NULL,                -- 1 sale, 2 refund, 3 delivery, 4 adjustment, 5 grant, 6 and 7 transfer sent and received, 8 count
    request BLOB,                            -- hash of the parsed request of a client-made id
    series  TEXT,                            -- till and series of its receipt
    n       INTEGER,                         -- its number there
    day     INTEGER
) STRICT;
CREATE INDEX documents_by_id ON documents (id);
CREATE UNIQUE INDEX documents_by_number ON documents (series, n) WHERE series IS NOT NULL;

-- Per line of a sale, what came back so far.
CREATE TABLE refunded (
    sale     BLOB NOT NULL,
    line     INTEGER NOT NULL,
    quantity INTEGER NOT NULL,
    net      INTEGER NOT NULL,
    tax      INTEGER NOT NULL,
    PRIMARY KEY (sale, line)
) STRICT, WITHOUT ROWID;

CREATE TABLE skus (
    no  INTEGER PRIMARY KEY,
    sku TEXT NOT NULL UNIQUE
) STRICT;

-- Goods on hand, and the present incarnation's own row of the rights matrix (model.md §2).
CREATE TABLE stock (
    sku       INTEGER PRIMARY KEY,
    on_hand   INTEGER NOT NULL DEFAULT 0,
    minted    INTEGER NOT NULL DEFAULT 0,
    used      INTEGER NOT NULL DEFAULT 0,
    overdrawn INTEGER NOT NULL DEFAULT 0,
    settled   INTEGER NOT NULL DEFAULT 0,
    given     INTEGER NOT NULL DEFAULT 0,
    received  INTEGER NOT NULL DEFAULT 0,
    lone      INTEGER NOT NULL DEFAULT 0,    -- on hand by the lone log until the hub has booked the opening
    CHECK (minted + received - given - used >= 0),
    CHECK (overdrawn >= settled)
) STRICT;

-- The rows of everybody else.
CREATE TABLE cells (
    incarnation INTEGER NOT NULL,
    sku         INTEGER NOT NULL,
    minted      INTEGER NOT NULL DEFAULT 0,
    used        INTEGER NOT NULL DEFAULT 0,
    overdrawn   INTEGER NOT NULL DEFAULT 0,
    settled     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (sku, incarnation)
) STRICT, WITHOUT ROWID;
CREATE TABLE gifts (
    sku   INTEGER NOT NULL,
    giver INTEGER NOT NULL,
    taker INTEGER NOT NULL,
    units INTEGER NOT NULL,
    PRIMARY KEY (sku, giver, taker)
) STRICT, WITHOUT ROWID;

-- Where logs of lost incarnations end for rights, and whose rights in which item are resolved (model.md §3).
CREATE TABLE caps (
    incarnation INTEGER PRIMARY KEY,
    seq         INTEGER NOT NULL,
    hash        BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE TABLE resolved (
    sku         INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    PRIMARY KEY (sku, incarnation)
) STRICT, WITHOUT ROWID;

-- The catalog.
CREATE TABLE products (
    sku  INTEGER PRIMARY KEY,
    no   INTEGER NOT NULL,                   -- order of first appearance in this epoch of the catalog stream
    plu  INTEGER,
    body TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX products_by_no ON products (no);
CREATE INDEX products_by_plu ON products (plu) WHERE plu IS NOT NULL;
CREATE TABLE barcodes (
    gtin INTEGER NOT NULL,
    sku  INTEGER NOT NULL,
    PRIMARY KEY (gtin, sku)
) STRICT, WITHOUT ROWID;
CREATE TABLE prices (
    no         INTEGER PRIMARY KEY,          -- order of publication
    sku        INTEGER NOT NULL,
    list       TEXT NOT NULL,
    valid_from INTEGER NOT NULL,
    valid_to   INTEGER,
    price      INTEGER NOT NULL,
    epoch      INTEGER NOT NULL,
    version    INTEGER NOT NULL
) STRICT;
CREATE INDEX prices_by_sku ON prices (sku);
CREATE TABLE promotions (
    id   TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE settings (
    version INTEGER PRIMARY KEY,             -- receipts are printed again with the header of their own version
    body    TEXT NOT NULL
) STRICT;
CREATE TABLE aliases (
    sku    TEXT NOT NULL PRIMARY KEY,
    stands TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE VIRTUAL TABLE search USING fts5 (
    words, content = '', contentless_delete = 1, detail = none, prefix = '2 3 4',
    tokenize = 'unicode61 remove_diacritics 0'
);

CREATE TABLE carts (
    id      BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    state   INTEGER NOT NULL,                -- 1 open, 2 tendering, 3 parked, 4 paid, 5 voided
    changed INTEGER NOT NULL,
    body    TEXT NOT NULL
) STRICT;
CREATE INDEX carts_by_state ON carts (state, changed) WHERE state IN (1, 2, 3);

-- Names, phones and addresses: never in an event, so that erasing one breaks no chain.
CREATE TABLE customers (
    id      BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    list    TEXT NOT NULL DEFAULT '',
    version INTEGER NOT NULL DEFAULT 1,
    record  TEXT,                            -- none once erased, or where only the price list is known
    erased  INTEGER NOT NULL DEFAULT 0,      -- final
    change  INTEGER                          -- grows with every change here; none where the hub holds it
) STRICT, WITHOUT ROWID;
CREATE INDEX customers_unsaid ON customers (change) WHERE change IS NOT NULL;

-- Who alone may finish what (model.md §5); the object as JSON.
CREATE TABLE custody (
    object   TEXT NOT NULL PRIMARY KEY,
    epoch    INTEGER NOT NULL,
    n        INTEGER NOT NULL,
    owner    BLOB NOT NULL CHECK (length(owner) = 16),
    terminal INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE reservations (
    no        INTEGER PRIMARY KEY,           -- in the order in which they were opened
    id        BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    sku       INTEGER NOT NULL,
    units     INTEGER NOT NULL CHECK (units > 0),
    order_id  BLOB NOT NULL,
    reference TEXT NOT NULL,
    epoch     INTEGER NOT NULL,              -- hub time at which it may expire
    expires   INTEGER NOT NULL,
    prepaid   INTEGER,
    state     INTEGER NOT NULL,              -- 1 open, 2 fulfilled, 3 cancelled, 4 expired
    sale      BLOB                           -- the sale that handed it over
) STRICT;
CREATE INDEX reservations_open ON reservations (sku) WHERE state = 1;

-- Deliveries that are announced, and transfers from and to this store.
CREATE TABLE shipments (
    id        BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    kind      INTEGER NOT NULL,              -- 1 delivery, 2 transfer from here, 3 transfer to here
    reference TEXT NOT NULL,
    store     TEXT NOT NULL,                 -- the other store of a transfer
    state     INTEGER NOT NULL,              -- 1 under way, 2 received, 3 closed as not delivered
    same_as   BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX shipments_open ON shipments (kind) WHERE state = 1;

CREATE TABLE shipment_lines (
    id       BLOB NOT NULL,
    sku      INTEGER NOT NULL,
    expected INTEGER NOT NULL DEFAULT 0,
    received INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (id, sku)
) STRICT, WITHOUT ROWID;
CREATE INDEX shipment_lines_by_sku ON shipment_lines (sku);

-- Counts of the log; an item's goods stand on its latest (model.md §4).
CREATE TABLE counts (
    place   INTEGER PRIMARY KEY,             -- the event that holds it
    sku     INTEGER NOT NULL,
    latest  INTEGER NOT NULL DEFAULT 0,
    tainted INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX counts_by_sku ON counts (sku);

-- Counts that have begun and not ended: hub time and the cut at their start, as JSON.
CREATE TABLE counting (
    id    BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    sku   INTEGER NOT NULL,
    begun TEXT NOT NULL
) STRICT, WITHOUT ROWID;
