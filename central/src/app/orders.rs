//! Orders as the hub shows them.

use super::{Fault, stores as app_stores};
use crate::db::booking::{LineRow, PaymentRow};
use crate::db::orders::{self, Order};
use crate::db::{Tx, authors, events, stores};
use crate::hub::Hub;
use std::collections::BTreeMap;
use tradepost_sync::ids::{Hash, Id, Incarnation};

/// A document with all that hangs on it.
#[derive(Clone, Debug)]
pub struct Document {
    /// The store's code.
    pub store: String,
    /// The document.
    pub order: Order,
    /// Its lines.
    pub lines: Vec<LineRow>,
    /// Its tenders.
    pub payments: Vec<PaymentRow>,
    /// Per line of a sale: thousandths that came back.
    pub refunded: BTreeMap<u32, i64>,
    /// Who wrote it.
    pub incarnation: Incarnation,
    /// Its event's hash.
    pub hash: Hash,
}

/// The documents with an id: one, or (flagged) more.
pub fn get(hub: &Hub, id: Id) -> Result<Vec<Document>, Fault> {
    hub.db.read(|tx| {
        let mut found = Vec::new();
        for (author, seq) in events::with_id(tx, id)? {
            if let Some(order) = orders::at(tx, author, seq)? {
                found.push(whole(tx, order)?);
            }
        }
        if found.is_empty() {
            return Err(Fault::not_found("order", &id.to_string()));
        }
        Ok(found)
    })
}

/// Documents after a place, of one store or of all.
pub fn list(hub: &Hub, store: Option<&str>, after: (i64, u64), limit: usize) -> Result<Vec<Document>, Fault> {
    hub.db.read(|tx| {
        let store = match store {
            Some(code) => Some(app_stores::find(tx, code)?.no),
            None => None,
        };
        let page = orders::list(tx, store, after, limit)?;
        page.into_iter().map(|order| whole(tx, order)).collect()
    })
}

fn whole(tx: &mut Tx<'_>, order: Order) -> Result<Document, Fault> {
    let (author, seq) = (order.author, order.row.seq);
    let writer = authors::by_no(tx, author)?.ok_or_else(|| Fault::internal("no such author"))?;
    let hash =
        events::hash_at(tx, author, seq)?.ok_or_else(|| Fault::internal("an order without an event"))?;
    let store = stores::by_no(tx, order.store)?.map(|store| store.code).unwrap_or_default();
    let refunded = match order.row.kind {
        "sale" => orders::refunded(tx, order.row.id)?
            .into_iter()
            .map(|back| (back.line, back.quantity_milli))
            .collect(),
        _ => BTreeMap::new(),
    };
    let (lines, payments) = (orders::lines(tx, author, seq)?, orders::payments(tx, author, seq)?);
    Ok(Document { store, order, lines, payments, refunded, incarnation: writer.incarnation, hash })
}
