CREATE TABLE aliases (
    sku    TEXT NOT NULL PRIMARY KEY,
    stands TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE barcodes (
    gtin INTEGER NOT NULL,
    sku  INTEGER NOT NULL,
    PRIMARY KEY (gtin, sku)
) STRICT, WITHOUT ROWID;

CREATE TABLE branches (
    incarnation INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    hash        BLOB NOT NULL CHECK (length(hash) = 32),
    bytes       BLOB NOT NULL,
    PRIMARY KEY (incarnation, seq, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE burns (
    id    BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    units INTEGER NOT NULL
) STRICT;

CREATE TABLE caps (
    incarnation INTEGER PRIMARY KEY,
    seq         INTEGER NOT NULL,
    hash        BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE TABLE cart_states (
    id      BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    n       INTEGER NOT NULL UNIQUE,         -- of its last change here
    changed INTEGER NOT NULL,                -- by the wall clock
    ended   INTEGER NOT NULL,
    related BLOB,                            -- the cart that it was cloned from, or is left over of
    bytes   BLOB NOT NULL
) STRICT;

CREATE INDEX cart_states_related ON cart_states (related) WHERE related IS NOT NULL;

CREATE TABLE carts (
    id      BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    state   INTEGER NOT NULL,                -- 1 open, 2 tendering, 3 parked, 4 paid, 5 voided
    changed INTEGER NOT NULL,
    body    TEXT NOT NULL
) STRICT;

CREATE INDEX carts_by_state ON carts (state, changed) WHERE state IN (1, 2, 3);

CREATE TABLE catalog_entries (
    epoch     INTEGER NOT NULL,
    version   INTEGER NOT NULL,
    bytes     BLOB NOT NULL,
    signature BLOB NOT NULL,
    PRIMARY KEY (epoch, version)
) STRICT;

CREATE TABLE cells (
    incarnation INTEGER NOT NULL,
    sku         INTEGER NOT NULL,
    minted      INTEGER NOT NULL DEFAULT 0,
    used        INTEGER NOT NULL DEFAULT 0,
    overdrawn   INTEGER NOT NULL DEFAULT 0,
    settled     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (sku, incarnation)
) STRICT, WITHOUT ROWID;

CREATE TABLE collected (
    key      BLOB NOT NULL PRIMARY KEY CHECK (length(key) = 16),
    sale     BLOB NOT NULL,
    amount   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE counting (
    id    BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    sku   INTEGER NOT NULL,
    begun TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE counts (
    place   INTEGER PRIMARY KEY,             -- the event that holds it
    sku     INTEGER NOT NULL,
    latest  INTEGER NOT NULL DEFAULT 0,
    tainted INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX counts_by_sku ON counts (sku);

CREATE TABLE custody (
    object   TEXT NOT NULL PRIMARY KEY,
    epoch    INTEGER NOT NULL,
    n        INTEGER NOT NULL,
    owner    BLOB NOT NULL CHECK (length(owner) = 16),
    terminal INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE customers (
    id      BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    list    TEXT NOT NULL DEFAULT '',
    version INTEGER NOT NULL DEFAULT 1,
    record  TEXT,                            -- none once erased, or where only the price list is known
    erased  INTEGER NOT NULL DEFAULT 0,      -- final
    change  INTEGER                          -- grows with every change here; none where the hub holds it
) STRICT, WITHOUT ROWID;

CREATE INDEX customers_unsaid ON customers (change) WHERE change IS NOT NULL;

CREATE TABLE devices (
    id    BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name  TEXT NOT NULL,
    kind  INTEGER NOT NULL CHECK (kind IN (1, 2)),   -- 1 till, 2 customer display
    till  TEXT NOT NULL,
    token BLOB NOT NULL UNIQUE CHECK (length(token) = 32),
    made  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

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

CREATE TABLE events (
    place     INTEGER PRIMARY KEY,
    kind      INTEGER NOT NULL,
    signature BLOB,                          -- the author's, over the head that a group commit or a batch ended at
    bytes     BLOB NOT NULL
) STRICT;

CREATE TABLE fiscal (
    chain     INTEGER NOT NULL,
    n         INTEGER NOT NULL,
    place     INTEGER NOT NULL,                -- the event it is about
    kind      INTEGER NOT NULL,
    document  BLOB NOT NULL,
    amount    INTEGER NOT NULL,
    sales     INTEGER NOT NULL,
    refunds   INTEGER NOT NULL,
    documents INTEGER NOT NULL,
    previous  BLOB NOT NULL,
    hash      BLOB NOT NULL,
    signature BLOB,
    PRIMARY KEY (chain, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE fiscal_chains (
    no        INTEGER PRIMARY KEY,
    till      TEXT NOT NULL,
    series    TEXT NOT NULL,
    sales     INTEGER NOT NULL,                -- totals it begins with
    refunds   INTEGER NOT NULL,
    documents INTEGER NOT NULL,
    key       BLOB NOT NULL,                   -- the device's, which signs the entries
    UNIQUE (till, series)
) STRICT;

CREATE TABLE fiscal_days (
    chain INTEGER NOT NULL,
    z     INTEGER NOT NULL,
    body  TEXT NOT NULL,
    PRIMARY KEY (chain, z)
) STRICT, WITHOUT ROWID;

CREATE TABLE forks (
    incarnation INTEGER PRIMARY KEY,
    seq         INTEGER NOT NULL
) STRICT;

CREATE TABLE gifts (
    sku   INTEGER NOT NULL,
    giver INTEGER NOT NULL,
    taker INTEGER NOT NULL,
    units INTEGER NOT NULL,
    PRIMARY KEY (sku, giver, taker)
) STRICT, WITHOUT ROWID;

CREATE TABLE given_back (
    sale   BLOB NOT NULL CHECK (length(sale) = 16),
    tender INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (sale, tender)
) STRICT, WITHOUT ROWID;

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

CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE packs (
    place     INTEGER PRIMARY KEY,           -- of its first event
    last      INTEGER NOT NULL,              -- of its last one, a head that its author signed
    length    INTEGER NOT NULL,              -- of what it unpacks to
    hash      BLOB NOT NULL CHECK (length(hash) = 32),   -- of the last event
    signature BLOB NOT NULL,
    bytes     BLOB NOT NULL
) STRICT;

CREATE TABLE pairings (
    code  BLOB NOT NULL PRIMARY KEY CHECK (length(code) = 32),
    name  TEXT NOT NULL,
    kind  INTEGER NOT NULL CHECK (kind IN (1, 2)),
    till  TEXT NOT NULL,
    until INTEGER NOT NULL
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

CREATE TABLE print_jobs (
    no       INTEGER PRIMARY KEY,
    id       BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    request  BLOB NOT NULL,
    till     TEXT NOT NULL,
    document INTEGER NOT NULL,                 -- 1 receipt, 2 x, 3 z, 4 count sheet, 5 drawer kick
    subject  TEXT NOT NULL,                    -- id of the document, or number of the Z
    copy     INTEGER,
    bytes    BLOB NOT NULL,
    state    INTEGER NOT NULL DEFAULT 1,       -- 1 waiting, 2 being sent, 3 printed, 4 given up
    tries    INTEGER NOT NULL DEFAULT 0,
    due      INTEGER NOT NULL,
    said     TEXT NOT NULL DEFAULT '',
    made     INTEGER NOT NULL,
    printed  INTEGER
) STRICT;

CREATE INDEX print_jobs_due ON print_jobs (state, due) WHERE state IN (1, 2);

CREATE TABLE printers (
    till    TEXT NOT NULL PRIMARY KEY,
    target  TEXT NOT NULL,
    columns INTEGER NOT NULL,
    state   INTEGER NOT NULL DEFAULT 0,        -- 0 unknown, 1 ready, 2 paper out, 3 unreachable
    said    TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

CREATE TABLE prints (
    document BLOB NOT NULL PRIMARY KEY CHECK (length(document) = 16),
    times    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE products (
    sku  INTEGER PRIMARY KEY,
    no   INTEGER NOT NULL,                   -- order of first appearance in this epoch of the catalog stream
    plu  INTEGER,
    body TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX products_by_no ON products (no);

CREATE INDEX products_by_plu ON products (plu) WHERE plu IS NOT NULL;

CREATE TABLE promotions (
    id   TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE refinery_schema_history(
             version int4 PRIMARY KEY,
             name VARCHAR(255),
             applied_on VARCHAR(255),
             checksum VARCHAR(255));

CREATE TABLE refunded (
    sale     BLOB NOT NULL,
    line     INTEGER NOT NULL,
    quantity INTEGER NOT NULL,
    net      INTEGER NOT NULL,
    tax      INTEGER NOT NULL,
    PRIMARY KEY (sale, line)
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

CREATE TABLE resolved (
    sku         INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    PRIMARY KEY (sku, incarnation)
) STRICT, WITHOUT ROWID;

CREATE TABLE said_again (
    original    BLOB NOT NULL CHECK (length(original) = 32),
    incarnation BLOB NOT NULL CHECK (length(incarnation) = 16),
    seq         INTEGER NOT NULL, told INTEGER,
    PRIMARY KEY (original, incarnation, seq)
) STRICT, WITHOUT ROWID;

CREATE VIRTUAL TABLE search USING fts5 (
    words, content = '', contentless_delete = 1, detail = none, prefix = '2 3 4',
    tokenize = 'unicode61 remove_diacritics 0'
);

CREATE TABLE settings (
    version INTEGER PRIMARY KEY,             -- receipts are printed again with the header of their own version
    body    TEXT NOT NULL
) STRICT;

CREATE TABLE settlements (
    key      BLOB NOT NULL PRIMARY KEY CHECK (length(key) = 16),
    document BLOB NOT NULL,
    outcome  INTEGER NOT NULL,                 -- 1 captured, 2 declined, 3 expired, 4 confirmed, 5 missing, 6 voided
    kind     TEXT NOT NULL,
    amount   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX settlements_by_document ON settlements (document);

CREATE TABLE shifts (
    opened INTEGER PRIMARY KEY,                -- the event that opened it
    till   TEXT NOT NULL,
    number INTEGER NOT NULL,
    author INTEGER NOT NULL,                   -- the incarnation's number
    day    INTEGER NOT NULL,
    closed INTEGER,                            -- the event that closed it
    body   TEXT                                -- sums of an open shift of this node, as JSON
) STRICT;

CREATE INDEX shifts_by_till ON shifts (till, number);

CREATE TABLE shipment_lines (
    id       BLOB NOT NULL,
    sku      INTEGER NOT NULL,
    expected INTEGER NOT NULL DEFAULT 0,
    received INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (id, sku)
) STRICT, WITHOUT ROWID;

CREATE INDEX shipment_lines_by_sku ON shipment_lines (sku);

CREATE TABLE shipments (
    id        BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    kind      INTEGER NOT NULL,              -- 1 delivery, 2 transfer from here, 3 transfer to here
    reference TEXT NOT NULL,
    store     TEXT NOT NULL,                 -- the other store of a transfer
    state     INTEGER NOT NULL,              -- 1 under way, 2 received, 3 closed as not delivered
    same_as   BLOB
) STRICT, WITHOUT ROWID;

CREATE INDEX shipments_open ON shipments (kind) WHERE state = 1;

CREATE TABLE sign_ons (
    till  TEXT NOT NULL PRIMARY KEY,
    staff TEXT NOT NULL,
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE skus (
    no  INTEGER PRIMARY KEY,
    sku TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE staff (
    id           TEXT NOT NULL PRIMARY KEY,
    name         TEXT NOT NULL,
    role         INTEGER NOT NULL,             -- 1 cashier, 2 supervisor, 3 manager
    active       INTEGER NOT NULL DEFAULT 1,
    salt         BLOB,
    pin          BLOB,                         -- argon2id
    tries        INTEGER NOT NULL DEFAULT 0,   -- wrong PINs in a row
    locked_until INTEGER NOT NULL DEFAULT 0    -- of the wall clock
) STRICT, WITHOUT ROWID;

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

CREATE TABLE successors (
    lost      INTEGER NOT NULL PRIMARY KEY,
    successor BLOB NOT NULL CHECK (length(successor) = 16)
) STRICT;

CREATE TABLE tenders (
    no       INTEGER PRIMARY KEY,
    key      BLOB NOT NULL UNIQUE CHECK (length(key) = 16),
    cart     BLOB,                             -- the cart it pays; none for a sale in one call
    document BLOB,                             -- the document that claims it
    till     TEXT NOT NULL,
    state    INTEGER NOT NULL,                 -- 1 created, 2 requested, 3 captured, 4 stored, 5 unconfirmed, 6 unknown, 7 at its end
    made     INTEGER NOT NULL,
    body     TEXT NOT NULL
) STRICT;

CREATE INDEX tenders_by_cart ON tenders (cart) WHERE cart IS NOT NULL;

CREATE INDEX tenders_by_document ON tenders (document) WHERE document IS NOT NULL;

CREATE INDEX tenders_of_papers ON tenders (made) WHERE cart IS NULL AND document IS NULL AND state IN (2, 3, 4, 6);

CREATE INDEX tenders_unclaimed ON tenders (no) WHERE cart IS NOT NULL AND document IS NULL AND state = 3;

CREATE INDEX tenders_waiting ON tenders (state) WHERE state IN (1, 2, 4, 5, 6);

CREATE TABLE terminal_memory (
    till TEXT NOT NULL,
    key  BLOB NOT NULL CHECK (length(key) = 16),
    said TEXT NOT NULL,
    PRIMARY KEY (till, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE terminals (
    till TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE training (
    seq     INTEGER PRIMARY KEY,                     -- the place in the chain of training
    id      BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    request BLOB CHECK (request IS NULL OR length(request) = 16),
    till    TEXT NOT NULL,
    n       INTEGER NOT NULL,
    event   BLOB NOT NULL,
    hash    BLOB NOT NULL CHECK (length(hash) = 32),
    UNIQUE (till, n)
) STRICT;

CREATE TABLE training_tills (
    till  TEXT NOT NULL PRIMARY KEY,
    since INTEGER NOT NULL,
    by    TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE unapplied (
    incarnation INTEGER PRIMARY KEY,
    seq         INTEGER NOT NULL
) STRICT;

CREATE TABLE vouchers (
    code     TEXT NOT NULL PRIMARY KEY,
    sold     INTEGER NOT NULL DEFAULT 0,
    redeemed INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE zs (
    place  INTEGER PRIMARY KEY,                -- the event that holds it
    till   TEXT NOT NULL,
    z      INTEGER NOT NULL,
    shift  INTEGER NOT NULL,
    opened INTEGER,                            -- of a recovered shift or its supplement: the event that opened it
    upto   INTEGER                             -- and up to which seq of its author it is told
) STRICT;

CREATE INDEX zs_by_till ON zs (till, z);
