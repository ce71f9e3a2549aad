//! Everything one transaction writes for a stretch of one author's stream, and how both engines write it in bulk.

use super::{DbError, Tx, postgres, sqlite};
use std::collections::{BTreeMap, BTreeSet};
use tradepost_sync::body::ReceiptNumber;
use tradepost_sync::clock::UtcMs;
use tradepost_sync::effects::CustodyEffect;
use tradepost_sync::event::Head;
use tradepost_sync::ids::{Hash, Id, Incarnation};
use tradepost_sync::signing::SignatureBytes;

/// An event as the log keeps it.
#[derive(Clone, Debug)]
pub struct EventRow {
    /// Its seq.
    pub seq: u64,
    /// Its kind's number.
    pub kind: u16,
    /// Its hash.
    pub hash: Hash,
    /// Its canonical bytes.
    pub bytes: Vec<u8>,
}

/// A document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRow {
    /// Seq of its event.
    pub seq: u64,
    /// When the hub received it.
    pub received_at: UtcMs,
    /// Its id.
    pub id: Id,
    /// `sale` or `refund`.
    pub kind: &'static str,
    /// Till of its receipt.
    pub till: String,
    /// Series of its receipt.
    pub series: String,
    /// Number in the series.
    pub n: u64,
    /// Its shift's business day, as days since 1970.
    pub business_day: i32,
    /// The node's wall clock at commit.
    pub committed_at: UtcMs,
    /// A customer's id.
    pub customer: Option<Id>,
    /// The sale a refund goes against.
    pub original: Option<Id>,
    /// Currency code.
    pub currency: String,
    /// Decimals of its minor unit.
    pub exponent: u8,
    /// Σ net.
    pub net: i64,
    /// Σ tax.
    pub tax: i64,
    /// Net + tax.
    pub total: i64,
    /// Cash rounding.
    pub rounding: i64,
    /// The cash part.
    pub cash_due: i64,
    /// Cash handed over.
    pub cash_tendered: i64,
    /// Given back.
    pub change: i64,
}

/// A line of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineRow {
    /// Seq of the document's event.
    pub seq: u64,
    /// Index of the line.
    pub line: u32,
    /// For a refund: index of the sale's line.
    pub of_line: Option<u32>,
    /// The item, as the hub books it.
    pub sku: String,
    /// Its name as printed.
    pub name: String,
    /// Thousandths of the pricing unit; below zero on a refund.
    pub quantity_milli: i64,
    /// Base units; below zero on a refund.
    pub units: i64,
    /// Price of one pricing unit.
    pub unit_price: i64,
    /// Before discounts.
    pub base: i64,
    /// Line discounts.
    pub discount: i64,
    /// Promotions.
    pub promotion: i64,
    /// Share of the order discounts.
    pub order_share: i64,
    /// What is left.
    pub amount: i64,
    /// Without tax.
    pub net: i64,
    /// The tax.
    pub tax: i64,
    /// Tax category.
    pub tax_category: String,
    /// Tax rate.
    pub tax_ppm: u32,
}

/// A tender of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentRow {
    /// Seq of the document's event.
    pub seq: u64,
    /// Index of the tender.
    pub n: u32,
    /// What kind of money.
    pub kind: String,
    /// How much was handed over.
    pub amount: i64,
    /// Where it stood at commit.
    pub state: String,
    /// The terminal's reference.
    pub reference: Option<String>,
}

/// What a stretch adds to the cells of its author's row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CellDeltas {
    /// `M`.
    pub minted: u64,
    /// `U`.
    pub used: u64,
    /// `O`.
    pub overdrawn: u64,
    /// `S`.
    pub settled: u64,
}

/// The rows of one stretch.
#[derive(Clone, Debug)]
pub struct Booking {
    /// Whose stream.
    pub author: i64,
    /// Whose store.
    pub store: i64,
    /// The events, ascending.
    pub events: Vec<EventRow>,
    /// The signed head the stretch ends at.
    pub signature: Option<SignatureBytes>,
    /// Ids of documents.
    pub ids: Vec<(Id, u64)>,
    /// Documents.
    pub orders: Vec<OrderRow>,
    /// Their lines.
    pub lines: Vec<LineRow>,
    /// Their tenders.
    pub payments: Vec<PaymentRow>,
    /// Goods moved, per item, in base units.
    pub stock: BTreeMap<String, i64>,
    /// Items whose count is in doubt by what moved.
    pub tainted: BTreeSet<String>,
    /// Cells of the author's row, per item.
    pub cells: BTreeMap<String, CellDeltas>,
    /// Rights given, per item and receiver.
    pub given: BTreeMap<(String, Incarnation), u64>,
    /// Custody steps, in order.
    pub custody: Vec<CustodyEffect>,
    /// Per (till, series): the last number and how many documents came.
    pub series: BTreeMap<(String, String), (u64, u64)>,
    /// Documents that are said again, with the numbers that were printed.
    pub said_again: Vec<(Id, ReceiptNumber)>,
    /// The store's outbox stream and the first place taken in it: one row for each event.
    pub outbox: (i64, u64),
    /// The stream's head afterwards.
    pub head: Head,
    /// Events of the stream behind this seq move goods and no rights (`model.md` §3.5).
    pub cap: Option<u64>,
}

impl Booking {
    /// An empty one, after `head`.
    pub fn new(author: i64, store: i64, head: Head) -> Self {
        Self {
            author,
            store,
            events: Vec::new(),
            signature: None,
            ids: Vec::new(),
            orders: Vec::new(),
            lines: Vec::new(),
            payments: Vec::new(),
            stock: BTreeMap::new(),
            tainted: BTreeSet::new(),
            cells: BTreeMap::new(),
            given: BTreeMap::new(),
            custody: Vec::new(),
            series: BTreeMap::new(),
            said_again: Vec::new(),
            outbox: (0, 0),
            head,
            cap: None,
        }
    }
}

/// Stock of an item after a booking, with the version of its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockNow {
    /// The item.
    pub sku: String,
    /// Base units.
    pub on_hand: i64,
    /// Version of the row.
    pub row_version: u64,
}

/// Writes a booking; the stock it touched as it is now. Custody is merged by the caller.
pub fn save(tx: &mut Tx<'_>, booking: &Booking) -> Result<Vec<StockNow>, DbError> {
    let stock = match tx {
        Tx::Sqlite(tx) => sqlite::bulk::save(tx, booking)?,
        Tx::Postgres(tx) => postgres::bulk::save(tx, booking)?,
    };
    if let Some(signature) = &booking.signature {
        super::events::sign(tx, booking.author, booking.head.seq, signature)?;
    }
    super::authors::set_head(tx, booking.author, &booking.head)?;
    Ok(stock)
}

/// Which of these documents' ids are known already: (id, author, seq).
pub fn known_ids(tx: &mut Tx<'_>, ids: &[(Id, u64)]) -> Result<Vec<(Id, i64, u64)>, DbError> {
    match tx {
        Tx::Sqlite(tx) => sqlite::bulk::known_ids(tx, ids),
        Tx::Postgres(tx) => postgres::bulk::known_ids(tx, ids),
    }
}
