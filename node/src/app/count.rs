//! Counting while others sell (`model.md` §4): a count begins with a cut of the log and ends with another; what missing
//! goods leave behind is burnt at once, and every movement is judged against the latest count.

use super::carts::{self, CartState};
use super::clock::Now;
use super::node::Node;
use super::picture;
use super::problem::{Answer, Code, no, no_at};
use super::said;
use super::shared_cart;
use crate::db::documents::{self, DocumentKind, Entry};
use crate::db::incarnations::{self, Known, Part};
use crate::db::stock::Stock;
use crate::db::{Fault, branches, burns, catalog, counts, events};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tradepost_commerce::document::Sku;
use tradepost_sync::body::{Body, CutHead, Moved, RightsBurnt, StockCounted};
use tradepost_sync::burn::BurnAsk;
use tradepost_sync::clock::Tau;
use tradepost_sync::count::{Count, Fold, Movement, latest};
use tradepost_sync::effects::{self, Effects};
use tradepost_sync::event::{Event, hash_of};
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::{Hash, Id, Incarnation};
use tradepost_sync::limits::PLAUSIBLE_UNITS_MAX;
use tradepost_sync::rights;

/// Most carts that are looked through for goods in baskets.
const CARTS_MAX: usize = 1_000;

/// The counts that items stand on, by item's number.
pub(crate) type Standing = HashMap<i64, Arc<Count>>;

/// How a count began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// When, by the wall clock.
    pub at: i64,
    /// τs.
    pub tau: Option<Tau>,
    /// What this node held then.
    pub cut: Vec<CutHead>,
    /// Base units of the item in carts then.
    pub held: u64,
    /// Neighbours that said what they held.
    #[serde(default)]
    pub answered: Vec<Incarnation>,
}

/// What a neighbour held when it was asked.
pub type Held = (Incarnation, Vec<HeadMark>);

/// Begins a count of an item. The same id again changes nothing.
///
/// # Errors
/// `UNKNOWN_SKU`, `SALE_ID_REUSED`; then nothing was stored. Or a fault.
pub fn begin(node: &mut Node, now: Now, id: &Id, sku: &Sku, held: &[Held]) -> Answer<()> {
    let item = node.item(sku)?;
    let sku_no = item.item.sku_no;
    if let Some((_, of, _)) = counts::begun(node.conn(), id)? {
        return if of == sku_no { Ok(()) } else { Err(reused()) };
    }
    if documents::find(node.conn(), id)?.is_some() {
        return Err(reused());
    }
    let begun = Begun {
        at: now.wall,
        tau: now.tau,
        cut: joined(frontier(node)?, held),
        held: in_carts(node.conn(), &item.item.product.sku)?,
        answered: held.iter().map(|(who, _)| *who).collect(),
    };
    let begun = serde_json::to_string(&begun).map_err(|e| Fault::Fatal(e.to_string()))?;
    counts::begin(node.conn(), id, sku_no, &begun)?;
    node.touch();
    Ok(())
}

/// Ends a count: `n` base units were found, on the shelf and set aside. What is missing is burnt at once, out of free
/// rights. The same again changes nothing.
///
/// # Errors
/// `NOT_FOUND`, `BAD_QUANTITY`, `SALE_ID_REUSED`; then nothing was stored. Or a fault.
pub fn finish(node: &mut Node, now: Now, id: &Id, n: u64, held: &[Held]) -> Answer<()> {
    if let Some(found) = documents::find(node.conn(), id)? {
        return if counted(node.conn(), found.place)?.is_some_and(|known| known.n == n) {
            Ok(())
        } else {
            Err(reused())
        };
    }
    if n > PLAUSIBLE_UNITS_MAX {
        return Err(no_at(Code::BadQuantity, "/n", format!("{n} base units can't be counted")));
    }
    let (sku_no, begun) = begun(node.conn(), id)?;
    let sku = catalog::sku(node.conn(), sku_no)?.ok_or_else(|| no(Code::NotFound, "the item has no code"))?;
    let mut fact = StockCounted {
        count: *id,
        sku: sku.clone(),
        n,
        tau_start: begun.tau,
        tau_end: now.tau,
        cut_end: answered_twice(node, &begun.answered, held),
        cut_start: begun.cut,
        held: begun.held.saturating_add(in_carts(node.conn(), &sku)?),
        moved: Moved::default(),
        variance: 0,
    };
    let row = node.stock(sku_no)?;
    let (me, seq) = (node.head.incarnation, node.head.seq + 1);
    let mut new = Count::of(me, seq, &fact);
    judge_cut(node.conn(), &fact, &mut new)?;
    let fold = fold_with(node.conn(), sku_no, Some(&new))?;
    let counted = Stock { on_hand: figure(fold.on_hand), ..row };
    let shown = picture::of(node.conn(), sku_no, &counted)?;
    fact.moved.c = rights::burn(&carts::standing(node, &sku, &row)?, &shown.picture, None);
    fact.variance = counted.on_hand.saturating_sub(row.on_hand);
    counts::let_go(node.conn(), id)?;
    let written = node.write(now, None, None, fact.into())?;
    let entry = Entry { id, kind: DocumentKind::Count, request: Some([0; 16]), receipt: None, day: None };
    documents::insert(node.conn(), written.place, &entry)?;
    Ok(())
}

/// Everything that is held here now, for a neighbour that counts.
///
/// # Errors
/// A fault.
pub fn held(node: &Node) -> Answer<Vec<HeadMark>> {
    let mark = |head: CutHead| HeadMark { incarnation: head.incarnation, seq: head.seq, hash: head.hash };
    Ok(frontier(node)?.into_iter().map(mark).collect())
}

/// Burns rights that have no goods, as the hub asks: at most what this node sees of that itself, out of its free rights.
/// A request is done once, and answered also where nothing is burnt (`model.md` §2).
///
/// # Errors
/// A fault.
pub fn burn(node: &mut Node, now: Now, asked: &BurnAsk) -> Answer<()> {
    if asked.holder != node.head.incarnation || burns::is_done(node.conn(), &asked.id)? {
        return Ok(());
    }
    let sku_no = stands_for(node.conn(), &asked.sku)?;
    let row = node.stock(sku_no)?;
    let shown = picture::of(node.conn(), sku_no, &row)?;
    let standing = carts::standing(node, &asked.sku, &row)?;
    let units = rights::burn(&standing, &shown.picture, Some(asked.units));
    burns::done(node.conn(), &asked.id, units)?;
    let fact = RightsBurnt { sku: asked.sku.clone(), units, asked_by: Some(asked.id) };
    node.write(now, None, None, fact.into()).map(|_| ())
}

/// Lets a count go that has begun. Again it changes nothing.
///
/// # Errors
/// A fault.
pub fn let_go(node: &mut Node, id: &Id) -> Answer<()> {
    if counts::let_go(node.conn(), id)? {
        node.touch();
    }
    Ok(())
}

/// How a count began, with its item's number.
///
/// # Errors
/// `NOT_FOUND`, or a fault.
pub fn begun(conn: &Connection, id: &Id) -> Answer<(i64, Begun)> {
    let (_, sku, begun) =
        counts::begun(conn, id)?.ok_or_else(|| no(Code::NotFound, format!("no count {id} has begun")))?;
    let begun = serde_json::from_str(&begun).map_err(|e| Fault::Fatal(format!("a stored count: {e}")))?;
    Ok((sku, begun))
}

/// The count in the log at a place.
///
/// # Errors
/// A fault.
pub fn counted(conn: &Connection, place: i64) -> Result<Option<Box<StockCounted>>, Fault> {
    let body = events::read(conn, place)?.and_then(|event| event.body().ok());
    Ok(match body {
        Some(Body::StockCounted(counted)) => Some(counted),
        _ => None,
    })
}

fn reused() -> super::Stop {
    no(Code::SaleIdReused, "this id was used for another request")
}

fn figure(units: i128) -> i64 {
    i64::try_from(units).unwrap_or(if units < 0 { i64::MIN } else { i64::MAX })
}

fn own_head(node: &Node) -> CutHead {
    let mark = node.mark();
    CutHead { incarnation: mark.incarnation, seq: mark.seq, hash: mark.hash }
}

/// The join of what all that answered hold: of each stream the furthest head.
fn joined(own: Vec<CutHead>, held: &[Held]) -> Vec<CutHead> {
    let mut all: BTreeMap<Incarnation, CutHead> =
        own.into_iter().map(|head| (head.incarnation, head)).collect();
    for head in held.iter().flat_map(|(_, heads)| heads) {
        let told = CutHead { incarnation: head.incarnation, seq: head.seq, hash: head.hash };
        let known = all.entry(head.incarnation).or_insert(told);
        if told.seq > known.seq {
            *known = told;
        }
    }
    all.into_values().collect()
}

/// The own heads of those that answered at both times, this node's among them.
fn answered_twice(node: &Node, before: &[Incarnation], held: &[Held]) -> Vec<CutHead> {
    let own = |(who, heads): &Held| heads.iter().find(|head| head.incarnation == *who).copied();
    let twice = held.iter().filter(|(who, _)| before.contains(who)).filter_map(own);
    let others = twice.map(|head| CutHead { incarnation: head.incarnation, seq: head.seq, hash: head.hash });
    let mut cut: Vec<CutHead> = others.chain([own_head(node)]).collect();
    cut.sort_by_key(|head| head.incarnation);
    cut
}

/// Everything that this node holds now; the own head is ahead of what is stored.
fn frontier(node: &Node) -> Result<Vec<CutHead>, Fault> {
    let others = incarnations::all(node.conn())?.into_iter();
    let others = others.filter(|known| known.no != node.me.no && known.head.seq > 0).map(|known| {
        let mark = known.mark();
        CutHead { incarnation: mark.incarnation, seq: mark.seq, hash: mark.hash }
    });
    let mut cut: Vec<CutHead> = others.collect();
    if node.head.seq > 0 {
        cut.push(own_head(node));
    }
    cut.sort_by_key(|head| head.incarnation);
    Ok(cut)
}

/// Base units of an item in carts: neither on the shelf nor sold, so that they leave a count in doubt. A cart whose
/// custodian is lost holds no goods that a customer still carries about: who counts finds them where they were laid. It
/// must not hold the count up either, because the barrier waits for counts, and the takeover of the cart for the barrier.
fn in_carts(conn: &Connection, sku: &Sku) -> Answer<u64> {
    let mut units = 0u64;
    for state in [CartState::Open, CartState::Tendering, CartState::Parked] {
        for cart in carts::in_state(conn, state, CARTS_MAX)? {
            if shared_cart::is_orphan(conn, &cart.id)? {
                continue;
            }
            let lines = cart.basket.lines.iter().map(|line| &line.input).filter(|line| line.sku == *sku);
            let held = lines.filter_map(|line| line.unit.to_base(line.quantity).ok());
            units = held.fold(units, |sum, held| sum.saturating_add(u64::try_from(held.0).unwrap_or(0)));
        }
    }
    Ok(units)
}

/// The counts that items stand on, as the log holds them.
///
/// # Errors
/// A fault.
pub(crate) fn load(conn: &Connection) -> Result<Standing, Fault> {
    let mut standing = Standing::new();
    for row in counts::latest(conn)? {
        if let Some(count) = of_place(conn, row.place)? {
            standing.insert(row.sku, Arc::new(count));
        }
    }
    Ok(standing)
}

fn of_place(conn: &Connection, place: i64) -> Result<Option<Count>, Fault> {
    let (no, seq) = events::parts(place);
    let Some(author) = incarnations::by_no(conn, no)?.filter(Known::moves_stock) else { return Ok(None) };
    let Some(counted) = counted(conn, place)? else { return Ok(None) };
    let mut count = Count::of(author.id(), seq, &counted);
    judge_cut(conn, &counted, &mut count)?;
    Ok(Some(count))
}

/// A head of a branch that fell counts only up to where the streams part (`model.md` §3, Forks).
fn judge_cut(conn: &Connection, counted: &StockCounted, count: &mut Count) -> Result<(), Fault> {
    let forks = branches::forks(conn)?;
    if forks.is_empty() {
        return Ok(());
    }
    let (mut parted, mut stands) = (BTreeMap::new(), BTreeMap::new());
    for head in counted.cut_start.iter().chain(&counted.cut_end) {
        let Some(author) = incarnations::find(conn, &head.incarnation)? else { continue };
        let Some(fork) = forks.get(&author.no).copied().filter(|fork| head.seq > *fork) else { continue };
        parted.insert(head.incarnation, fork);
        // What the canonical branch doesn't reach stands on none.
        let held = events::bytes(conn, events::place(author.no, head.seq))?;
        let hash = held.map_or(Hash::ZERO, |bytes| hash_of(&bytes));
        stands.insert((head.incarnation, head.seq), hash);
    }
    count.settle_branches(|i, seq| stands.get(&(*i, seq)).copied(), |i| parted.get(i).copied());
    Ok(())
}

/// A stream that parts somewhere has grown, or where it parts was told: counts that stand on another cut now are folded
/// again.
///
/// # Errors
/// A fault.
pub(crate) fn judge_again(node: &mut Node) -> Result<(), Fault> {
    let mut changed = BTreeSet::new();
    for row in counts::latest(node.conn())? {
        let mut known = Vec::new();
        for row in counts::of(node.conn(), row.sku)? {
            known.extend(of_place(node.conn(), row.place)?);
        }
        if node.stands_on_other(row.sku, latest(&known)) {
            changed.insert(row.sku);
        }
    }
    changed.into_iter().try_for_each(|sku| stand_again(node, sku))
}

/// An event that may be a count: then its item is folded again on whatever count is the latest now.
///
/// # Errors
/// A fault.
pub(crate) fn note(node: &mut Node, place: i64, body: &Body) -> Result<(), Fault> {
    if let Body::BranchCut(cut) = body {
        let parted = incarnations::intern(node.conn(), &cut.incarnation, Part::Other)?;
        branches::note_fork(node.conn(), parted, cut.fork.seq)?;
        return judge_again(node);
    }
    let Body::StockCounted(counted) = body else { return Ok(()) };
    let sku_no = stands_for(node.conn(), &counted.sku)?;
    counts::add(node.conn(), place, sku_no)?;
    let mut known = Vec::new();
    for row in counts::of(node.conn(), sku_no)? {
        known.extend(of_place(node.conn(), row.place)?.map(|count| (row.place, count)));
    }
    let Some(count) = latest(known.iter().map(|(_, count)| count)).cloned() else { return Ok(()) };
    let stands = known.iter().find(|(_, other)| *other == count).map_or(place, |(place, _)| *place);
    let fold = fold_on(node.conn(), sku_no, Some(count.clone()))?;
    counts::stand_on(node.conn(), sku_no, stands, fold.tainted)?;
    node.stands_on(sku_no, count);
    let row = node.stock(sku_no)?;
    node.set_stock(sku_no, Stock { on_hand: figure(fold.on_hand), ..row });
    Ok(())
}

/// Events of an item were cut off: it stands on whatever count is the latest now, or on none.
///
/// # Errors
/// A fault.
pub(crate) fn stand_again(node: &mut Node, sku_no: i64) -> Result<(), Fault> {
    let mut known = Vec::new();
    for row in counts::of(node.conn(), sku_no)? {
        known.extend(of_place(node.conn(), row.place)?.map(|count| (row.place, count)));
    }
    let count = latest(known.iter().map(|(_, count)| count)).cloned();
    let fold = fold_on(node.conn(), sku_no, count.clone())?;
    match count {
        Some(count) => {
            if let Some((place, _)) = known.iter().find(|(_, other)| *other == count) {
                counts::stand_on(node.conn(), sku_no, *place, fold.tainted)?;
            }
            node.stands_on(sku_no, count);
        }
        None => node.stands_on_none(sku_no),
    }
    let row = node.stock(sku_no)?;
    node.set_stock(sku_no, Stock { on_hand: figure(fold.on_hand), ..row });
    Ok(())
}

/// The item a code stands for here.
fn stands_for(conn: &Connection, sku: &Sku) -> Result<i64, Fault> {
    let stands = catalog::alias(conn, sku)?;
    catalog::intern(conn, stands.as_ref().unwrap_or(sku))
}

/// The fold of an item if `new` were in the log too.
fn fold_with(conn: &Connection, sku_no: i64, new: Option<&Count>) -> Result<Fold, Fault> {
    let mut known: Vec<Count> = new.cloned().into_iter().collect();
    for row in counts::of(conn, sku_no)? {
        known.extend(of_place(conn, row.place)?);
    }
    fold_on(conn, sku_no, latest(&known).cloned())
}

/// Folds an item's movements again on a count: those before its cut are in it, so that only the streams' ends are read.
fn fold_on(conn: &Connection, sku_no: i64, count: Option<Count>) -> Result<Fold, Fault> {
    let mut fold = Fold::again(0, count, []);
    let any_said = branches::any_said(conn)?;
    for known in incarnations::all(conn)?.into_iter().filter(Known::moves_stock) {
        let from = fold.latest.as_ref().map_or(0, |count| count.reaches(&known.id())) + 1;
        events::each::<Fault>(conn, known.no, from, |_, bytes| {
            let event = events::parse(&bytes)?;
            if any_said && !said::stands(conn, &event)? {
                return Ok(true);
            }
            for movement in movements(conn, &event, sku_no)? {
                fold.moved(&movement);
            }
            Ok(true)
        })?;
    }
    Ok(fold)
}

fn movements(conn: &Connection, event: &Event, sku_no: i64) -> Result<Vec<Movement>, Fault> {
    let mut found = Vec::new();
    for effect in told(event).unwrap_or_default().ledger {
        if stands_for(conn, &effect.sku)? == sku_no {
            found.push(Movement::of(&event.envelope, &effect));
        }
    }
    Ok(found)
}

/// What an event does, as it was applied when it came.
fn told(event: &Event) -> Option<Effects> {
    match event.body() {
        Ok(body) => effects::of(&event.envelope, &body).ok(),
        Err(_) => event.envelope.cells.clone().filter(|told| effects::plausible(told).is_ok()),
    }
}
