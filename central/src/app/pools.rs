//! Vouchers, gift cards and coupons with a number of uses (`facts.md` §4, §5): the hub keeps what is left of each and splits
//! it over the store's nodes as rights, which each may draw on without asking anybody. However the store is cut apart,
//! the nodes together never draw more than was issued.

use super::{Code, Fault, hub_log, recovering, stores};
use crate::db::authors::{self, Author, Role, State};
use crate::db::pools::{self as rows, PoolRow};
use crate::db::stores::{self as stores_db, Store};
use crate::db::{Tx, events, review};
use crate::hub::Hub;
use std::collections::BTreeMap;
use tradepost_commerce::document::{LineKind, RefundDocument, SaleDocument, Sku, Tender, TenderKind};
use tradepost_commerce::tender_life::{coupon_pool, is_pool, voucher_pool};
use tradepost_sync::body::{Body, RightsGranted, RightsMinted};
use tradepost_sync::clock::UtcMs;
use tradepost_sync::ids::Id;
use tradepost_sync::limits::PLAUSIBLE_UNITS_MAX;

/// Pools that are minted in one look.
const DUE_MAX: usize = 200;
/// Most characters of a code.
const CODE_CHARS_MAX: usize = 32;

/// What a pool is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A voucher or gift card; minor units.
    Voucher,
    /// A coupon; uses.
    Coupon,
}

impl Kind {
    fn pool(self, code: &str) -> String {
        match self {
            Self::Voucher => voucher_pool(code),
            Self::Coupon => coupon_pool(code),
        }
    }
}

/// What a store's documents did to its pools, by pool.
#[derive(Default)]
struct Heard(BTreeMap<String, PoolRow>);

impl Heard {
    fn row(&mut self, pool: String) -> &mut PoolRow {
        self.0.entry(pool.clone()).or_insert_with(|| PoolRow { pool, ..PoolRow::default() })
    }

    fn issued(&mut self, code: &str, amount: i64) {
        self.row(voucher_pool(code)).issued += amount;
    }

    /// What paid: drawn with rights, or on a node's own word where it had no hub.
    fn paid(&mut self, tenders: &[Tender]) {
        for tender in tenders.iter().filter(|t| matches!(t.kind, TenderKind::Voucher | TenderKind::GiftCard))
        {
            match (&tender.pool, &tender.reference) {
                // What is given back on it is issued once more.
                (Some(draw), _) if draw.used.0 < 0 => {
                    self.row(draw.pool.clone()).issued += draw.used.0.saturating_neg();
                }
                (Some(draw), _) => self.row(draw.pool.clone()).redeemed += draw.used.0,
                (None, Some(code)) => self.issued(code, tender.amount.0.saturating_neg()),
                (None, None) => {}
            }
        }
    }

    fn sale(&mut self, sale: &SaleDocument) {
        for (input, outcome) in sale.inputs.lines.iter().zip(&sale.outcome.lines) {
            if let LineKind::Liability { pool } = &input.kind {
                self.issued(pool, outcome.net.0.saturating_add(outcome.tax.0));
            }
        }
        self.paid(&sale.inputs.tenders);
        for draw in sale.inputs.order_discounts.iter().filter_map(|discount| discount.pool.as_ref()) {
            self.row(draw.pool.clone()).redeemed += draw.used.0;
        }
    }

    fn refund(&mut self, refund: &RefundDocument, burns: bool) {
        for (input, outcome) in refund.inputs.lines.iter().zip(&refund.outcome.lines) {
            let LineKind::Liability { pool } = &input.kind else { continue };
            let amount = outcome.net.0.saturating_add(outcome.tax.0);
            match burns {
                // The node burns its rights with it.
                true => self.row(voucher_pool(pool)).redeemed -= amount,
                false => self.issued(pool, amount),
            }
        }
        self.paid(&refund.inputs.tenders);
    }
}

/// Follows what an author's new documents say of pools. A coupon beyond its uses is listed for a person.
///
/// # Errors
/// [`Fault`].
pub fn heard(tx: &mut Tx<'_>, author: &Author, bodies: &[Body], now: UtcMs) -> Result<(), Fault> {
    let mut heard = Heard::default();
    let enrolled = author.moves_stock();
    for body in bodies {
        match body {
            Body::SaleCommitted(sale) => {
                heard.sale(&sale.document);
                flag_coupons(tx, author, sale.sale_id, &sale.document, now)?;
            }
            Body::RefundCommitted(refund) => heard.refund(&refund.document, enrolled),
            // Of an `H_s` that is heard again after a restore.
            Body::RightsMinted(minted) if is_pool(&minted.sku.0) => {
                heard.row(minted.sku.0.clone()).minted += i64::try_from(minted.units).unwrap_or(i64::MAX);
            }
            _ => {}
        }
    }
    for row in heard.0.values() {
        rows::add(tx, author.store, row, now)?;
    }
    Ok(())
}

/// A coupon that has a number of uses at the store and was taken without one (`facts.md` §5).
fn flag_coupons(
    tx: &mut Tx<'_>,
    author: &Author,
    sale: Id,
    document: &SaleDocument,
    now: UtcMs,
) -> Result<(), Fault> {
    for discount in document.inputs.order_discounts.iter().filter(|discount| discount.pool.is_none()) {
        let Some(code) = discount.coupon.as_deref().map(|code| code.trim().to_uppercase()) else { continue };
        if rows::find(tx, author.store, &coupon_pool(&code))?.is_some() {
            let detail = format!("coupon {code} was taken beyond the uses that the till held of it");
            review::add(tx, author.store, "coupon_overrun", &format!("{sale}/{code}"), &detail, now)?;
        }
    }
    Ok(())
}

/// Issues `units` more of a store's pool: of a voucher by its code in minor units, of a coupon in uses. They are split
/// over the store's nodes at once, or as soon as it has any.
///
/// # Errors
/// [`Fault`]: a code or a number that can't be, a store that isn't there.
pub fn issue(
    hub: &Hub,
    store: &str,
    (kind, code): (Kind, &str),
    units: i64,
    now: UtcMs,
) -> Result<PoolRow, Fault> {
    let code = code.trim().to_uppercase();
    let fits = (1..=CODE_CHARS_MAX).contains(&code.len());
    if !fits || !code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err(Fault::field("/code", Code::BadValue, "a code has 1 to 32 letters, digits or hyphens"));
    }
    if !u64::try_from(units).is_ok_and(|units| (1..=PLAUSIBLE_UNITS_MAX).contains(&units)) {
        return Err(Fault::field("/units", Code::BadQuantity, format!("{units} can't be issued")));
    }
    let pool = kind.pool(&code);
    let row = hub.write(|tx, _| {
        let store = stores::find(tx, store)?;
        let more = PoolRow { pool: pool.clone(), issued: units, ..PoolRow::default() };
        rows::add(tx, store.no, &more, now)?;
        rows::find(tx, store.no, &pool)?.ok_or_else(|| Fault::internal("the pool isn't there"))
    })?;
    advance(hub, now)?;
    Ok(row)
}

/// Pools of a store after an id.
///
/// # Errors
/// [`Fault`], for a store that isn't there.
pub fn list(hub: &Hub, store: &str, after: &str, limit: usize) -> Result<Vec<PoolRow>, Fault> {
    hub.db.read(|tx| {
        let store = stores::find(tx, store)?;
        Ok(rows::list(tx, store.no, after, limit)?)
    })
}

/// Mints what was issued and not minted yet, and splits it over the store's nodes.
///
/// # Errors
/// [`Fault`].
pub fn advance(hub: &Hub, now: UtcMs) -> Result<(), Fault> {
    for (store, pool) in hub.db.read(|tx| Ok::<_, Fault>(rows::due(tx, DUE_MAX)?))? {
        hub.write(|tx, after| {
            let Some(store) = stores_db::by_no_locked(tx, store)? else { return Ok(()) };
            let Some((due, facts)) = minted(tx, &store, &pool)? else { return Ok(()) };
            hub_log::append(tx, after, hub, &store, &facts, now)?;
            // After the streams, as in a batch that comes in: nobody holds a pool's row and waits for a stream.
            let minted = i64::try_from(due).unwrap_or(i64::MAX);
            Ok(rows::add(tx, store.no, &PoolRow { pool: pool.clone(), minted, ..PoolRow::default() }, now)?)
        })?;
    }
    Ok(())
}

/// The facts by which what is due of a pool becomes rights of the store's nodes; none where nothing is, or nobody is
/// there to hold them.
fn minted(tx: &mut Tx<'_>, store: &Store, pool: &str) -> Result<Option<(u64, Vec<Body>)>, Fault> {
    if recovering::is(tx, store.no)? {
        return Ok(None);
    }
    // The store's row is held: nobody else mints for it.
    let Some(row) = rows::find(tx, store.no, pool)? else { return Ok(None) };
    let due = u64::try_from(row.issued.saturating_sub(row.minted)).unwrap_or(0).min(PLAUSIBLE_UNITS_MAX);
    let holders = holders(tx, store.no)?;
    if due == 0 || holders.is_empty() {
        return Ok(None);
    }
    let sku = Sku(pool.to_owned());
    let minted =
        RightsMinted { sku: sku.clone(), units: due, barrier: None, reservation: None, retired: None };
    let mut facts = vec![Body::from(minted)];
    for (holder, units) in split(due, &holders) {
        facts.push(Body::from(RightsGranted { sku: sku.clone(), to: holder.incarnation, units }));
    }
    Ok(Some((due, facts)))
}

/// Who may hold rights of the store's pools: its live nodes, all of whose events are applied.
fn holders(tx: &mut Tx<'_>, store: i64) -> Result<Vec<Author>, Fault> {
    let mut holders = Vec::new();
    for author in authors::of_store(tx, store)? {
        let live = author.role == Role::Node && author.state == State::Live;
        if live && events::unapplied(tx, author.no)? == 0 {
            holders.push(author);
        }
    }
    holders.sort_by_key(|author| author.incarnation);
    Ok(holders)
}

/// Even shares; what is left over goes to the first ones, a unit each.
fn split<T>(units: u64, holders: &[T]) -> impl Iterator<Item = (&T, u64)> {
    let n = u64::try_from(holders.len()).unwrap_or(u64::MAX).max(1);
    let (share, over) = (units / n, units % n);
    let shares = (0_u64..).map(move |at| share + u64::from(at < over));
    holders.iter().zip(shares).filter(|(_, units)| *units > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_split_to_the_last_unit() {
        let shares =
            |units, holders: &[char]| split(units, holders).map(|(h, u)| (*h, u)).collect::<Vec<_>>();
        assert_eq!(shares(5_000, &['a']), [('a', 5_000)]);
        assert_eq!(shares(5_000, &['a', 'b', 'c']), [('a', 1_667), ('b', 1_667), ('c', 1_666)]);
        assert_eq!(shares(1, &['a', 'b']), [('a', 1)], "one use is at one node");
    }
}
