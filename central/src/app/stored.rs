//! Money that was still to come when a store's document was made: the terminal forwards what it kept, the bank's list names
//! what was seen. The hub mirrors both and reminds; the sale and its Z stand whatever happens (`facts.md` §4, Stored card).

use super::books::tender_kind;
use super::{Fault, said, stores as app_stores};
use crate::db::authors::Author;
use crate::db::stored::{self, StoredRow, Wanted};
use crate::db::{Tx, stores};
use crate::hub::Hub;
use tradepost_commerce::document::Tender;
use tradepost_commerce::tender_life::is_unsettled;
use tradepost_sync::body::{Body, PaymentSettled, ReceiptNumber, SettledAs};
use tradepost_sync::event::{Envelope, Event};
use tradepost_sync::ids::Id;

/// Notes what a batch says of such money.
///
/// # Errors
/// [`Fault`] of the database.
pub fn heard(tx: &mut Tx<'_>, author: &Author, new: &[Event]) -> Result<(), Fault> {
    for event in new {
        let Ok(body) = event.body() else { continue };
        if event.envelope.reissue.is_some() && !said::stands(tx, author, event)? {
            continue;
        }
        let envelope = &event.envelope;
        match &body {
            Body::SaleCommitted(sale) => {
                let paper = Paper { id: sale.sale_id, receipt: &sale.receipt, day: sale.business_day.0 };
                waits(tx, author.store, envelope, &paper, &sale.document.inputs.tenders)?;
            }
            Body::RefundCommitted(back) => {
                let paper = Paper { id: back.refund_id, receipt: &back.receipt, day: back.business_day.0 };
                waits(tx, author.store, envelope, &paper, &back.document.inputs.tenders)?;
            }
            Body::PaymentSettled(settled) => stored::settle(tx, &ended(author.store, envelope, settled))?,
            _ => {}
        }
    }
    Ok(())
}

struct Paper<'a> {
    id: Id,
    receipt: &'a ReceiptNumber,
    day: i32,
}

fn waits(
    tx: &mut Tx<'_>,
    store: i64,
    envelope: &Envelope,
    paper: &Paper<'_>,
    tenders: &[Tender],
) -> Result<(), Fault> {
    for (index, tender) in (0_u16..).zip(tenders).filter(|(_, tender)| is_unsettled(tender.state)) {
        let ReceiptNumber { till, series, n } = paper.receipt;
        let row = StoredRow {
            key: tender.key.map_or_else(|| derived_key(&paper.id, index), Id).to_string(),
            store,
            document: paper.id.to_string(),
            till: till.clone(),
            receipt: format!("{till}-{series}-{n:06}"),
            kind: tender_kind(&tender.kind).to_owned(),
            amount: tender.amount.0,
            business_day: paper.day,
            committed_at: envelope.wall,
            outcome: String::new(),
            settled_at: 0,
        };
        stored::wait(tx, &row)?;
    }
    Ok(())
}

/// The key of a tender that was given none: the nodes derive it in the same way.
fn derived_key(document: &Id, index: u16) -> Id {
    let mut hasher = blake3::Hasher::new_derive_key("tradepost tender key v1");
    hasher.update(&document.0);
    hasher.update(&index.to_be_bytes());
    let mut key = [0; 16];
    key.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    Id(key)
}

fn ended(store: i64, envelope: &Envelope, settled: &PaymentSettled) -> StoredRow {
    let outcome = match settled.outcome {
        SettledAs::Captured => "captured",
        SettledAs::Declined => "declined",
        SettledAs::Expired => "expired",
        SettledAs::Confirmed => "confirmed",
        SettledAs::Missing => "missing",
        SettledAs::Voided => "voided",
    };
    StoredRow {
        key: settled.key.to_string(),
        store,
        document: String::new(),
        till: String::new(),
        receipt: String::new(),
        kind: tender_kind(&settled.kind).to_owned(),
        amount: settled.amount.0,
        business_day: 0,
        committed_at: 0,
        outcome: outcome.to_owned(),
        settled_at: envelope.wall,
    }
}

/// A page of such tenders, and what all of them come to.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The rows, each with its store's code.
    pub rows: Vec<(String, StoredRow)>,
    /// How many they are in all.
    pub count: i64,
    /// What they come to in all, in minor units.
    pub sum: i64,
}

/// Tenders that ended so (nothing: those that wait) after a key, of one store or of all.
///
/// # Errors
/// [`Fault`], also for a store that nobody knows.
pub fn list(
    hub: &Hub,
    store: Option<&str>,
    outcome: &str,
    after: &str,
    limit: usize,
) -> Result<Stored, Fault> {
    hub.db.read(|tx| {
        let store = match store {
            Some(code) => app_stores::find(tx, code)?.no,
            None => 0,
        };
        let wanted = Wanted { store, outcome: outcome.to_owned() };
        let (count, sum) = stored::sum(tx, &wanted)?;
        let mut rows = Vec::new();
        for row in stored::list(tx, &wanted, after, limit)? {
            let code = stores::by_no(tx, row.store)?.map(|store| store.code).unwrap_or_default();
            rows.push((code, row));
        }
        Ok(Stored { rows, count, sum })
    })
}
