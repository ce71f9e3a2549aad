//! Counts at the hub: goods on hand are a fold of facts over the latest count, the same as at every node (`model.md`
//! §4). What is missing and not burnt yet the hub burns out of its own rights first (§2, burn).

use super::books::Names;
use super::{Fault, hub_log, said};
use crate::db::authors::{self, Author};
use crate::db::booking::{Booking, StockNow};
use crate::db::said as db_said;
use crate::db::{Tx, counts, events, lent, review, stock};
use crate::hub::Hub;
use std::collections::{BTreeMap, BTreeSet};
use tradepost_commerce::document::Sku;
use tradepost_sync::body::{Body, RightsBurnt, StockCounted};
use tradepost_sync::clock::UtcMs;
use tradepost_sync::count::{Count, Fold, Movement, latest};
use tradepost_sync::effects::{self, Effects};
use tradepost_sync::event::Event;
use tradepost_sync::ids::Hash;
use tradepost_sync::rights::{Standing, burn};

/// Events read at a time.
const PAGE: usize = 500;

/// The counts that a store's items stand on, of those items that a booking may touch.
pub type Counts = BTreeMap<String, Count>;

/// What a booking's movements are judged by.
#[derive(Debug, Default)]
pub struct Judging {
    /// The items that it moves.
    items: BTreeSet<String>,
    /// The counts that they stand on.
    pub counts: Counts,
}

/// What a stretch of a stream is judged by; nothing is looked for where a store never counted.
pub fn judging(tx: &mut Tx<'_>, author: &Author, new: &[Event], names: &Names) -> Result<Judging, Fault> {
    if !author.moves_stock() || !counts::any(tx, author.store)? {
        return Ok(Judging::default());
    }
    let told: Vec<Effects> = new.iter().filter_map(told).collect();
    of_items(tx, author.store, items(&told, names))
}

/// The same for facts of the hub's own.
pub fn judging_facts(tx: &mut Tx<'_>, store: i64, facts: &[Body], names: &Names) -> Result<Judging, Fault> {
    let opened = facts.iter().filter_map(|fact| match fact {
        Body::StockOpened(opened) => Some(names.booked(&opened.sku)),
        _ => None,
    });
    // Of all that the hub writes only an opening moves goods.
    let opened: BTreeSet<String> = opened.collect();
    if opened.is_empty() || !counts::any(tx, store)? {
        return Ok(Judging::default());
    }
    of_items(tx, store, opened)
}

fn of_items(tx: &mut Tx<'_>, store: i64, items: BTreeSet<String>) -> Result<Judging, Fault> {
    let mut judging = Judging { items, counts: Counts::new() };
    for sku in &judging.items {
        if let Some(row) = counts::latest(tx, store, sku)?
            && let Some(count) = load(tx, row.author, row.seq)?
        {
            judging.counts.insert(sku.clone(), count);
        }
    }
    Ok(judging)
}

/// What an event does, as it is applied when it comes: by its body, or where that can't be read by its envelope.
fn told(event: &Event) -> Option<Effects> {
    match event.body() {
        Ok(body) => effects::of(&event.envelope, &body).ok(),
        Err(_) => event.envelope.cells.clone().filter(|told| effects::plausible(told).is_ok()),
    }
}

/// Items that a stretch of events moves, as the hub books them.
fn items(told: &[Effects], names: &Names) -> BTreeSet<String> {
    let ledger = told.iter().flat_map(|told| &told.ledger);
    ledger.map(|movement| names.booked(&movement.sku)).collect()
}

/// Follows a booking that was saved: items whose count is in doubt now are listed, and items that were counted, in it or
/// by somebody else meanwhile, are folded again. What changed of goods is answered.
pub fn follow(
    tx: &mut Tx<'_>,
    booking: &Booking,
    judged: &Judging,
    counted: &[(u64, Body)],
    names: &Names,
    now: UtcMs,
) -> Result<Vec<StockNow>, Fault> {
    for sku in &booking.tainted {
        if counts::taint(tx, booking.store, sku)? {
            ask_again(tx, booking.store, sku, now)?;
        }
    }
    let mut again = BTreeSet::new();
    for (seq, body) in counted {
        match body {
            Body::StockCounted(counted) => {
                let sku = names.booked(&counted.sku);
                counts::add(tx, booking.store, &sku, booking.author, *seq)?;
                again.insert(sku);
            }
            Body::BranchCut(cut) => {
                if let Some(author) = authors::find(tx, &cut.incarnation)? {
                    db_said::note_fork(tx, booking.store, author.no, cut.fork.seq)?;
                    again.extend(beyond_a_fork(tx, booking.store)?);
                }
            }
            _ => {}
        }
    }
    if db_said::forks(tx, booking.store)?.contains_key(&booking.author) {
        again.extend(beyond_a_fork(tx, booking.store)?);
    }
    again.extend(overtaken(tx, booking, judged)?);
    let mut changed = Vec::new();
    for sku in &again {
        changed.extend(fold_again(tx, booking.store, sku, names, now)?);
    }
    Ok(changed)
}

/// Items of which a count holds a head behind a place where streams part: which branch that is on may show only now.
fn beyond_a_fork(tx: &mut Tx<'_>, store: i64) -> Result<BTreeSet<String>, Fault> {
    let mut found = BTreeSet::new();
    for row in counts::all(tx, store)? {
        if load_judged(tx, row.author, row.seq)?.is_some_and(|(_, beyond)| beyond) {
            found.insert(row.sku);
        }
    }
    Ok(found)
}

/// Items that another transaction has put on another count since this booking was judged: it held the stock's row until
/// it had committed, so that it is seen now.
fn overtaken(tx: &mut Tx<'_>, booking: &Booking, judged: &Judging) -> Result<Vec<String>, Fault> {
    let mut found = Vec::new();
    if booking.stock.is_empty() && judged.items.is_empty() || !counts::any(tx, booking.store)? {
        return Ok(found);
    }
    let items: BTreeSet<&String> = booking.stock.keys().chain(&judged.items).collect();
    for sku in items {
        let by = judged.counts.get(sku).map(|count| (count.author, count.seq));
        let stands = match counts::latest(tx, booking.store, sku)? {
            Some(row) => load(tx, row.author, row.seq)?.map(|count| (count.author, count.seq)),
            None => None,
        };
        if stands != by {
            found.push(sku.clone());
        }
    }
    Ok(found)
}

fn ask_again(tx: &mut Tx<'_>, store: i64, sku: &str, now: UtcMs) -> Result<(), Fault> {
    let detail = format!("goods of {sku} moved while it was counted: count it again");
    Ok(review::add(tx, store, "recount", sku, &detail, now)?)
}

/// Folds an item again on the count that is the latest now.
fn fold_again(
    tx: &mut Tx<'_>,
    store: i64,
    sku: &str,
    names: &Names,
    now: UtcMs,
) -> Result<Option<StockNow>, Fault> {
    // Bookings that move the item wait from here on, and see afterwards that it stands on another count.
    stock::lock(tx, store, sku)?;
    let mut known = Vec::new();
    for row in counts::of(tx, store, sku)? {
        known.extend(load(tx, row.author, row.seq)?.map(|count| ((row.author, row.seq), count)));
    }
    let Some(count) = latest(known.iter().map(|(_, count)| count)).cloned() else { return Ok(None) };
    let Some(place) = known.iter().find(|(_, other)| *other == count).map(|(place, _)| *place) else {
        return Ok(None);
    };
    let mut fold = Fold::again(0, Some(count.clone()), []);
    for author in authors::of_store(tx, store)?.iter().filter(|author| author.moves_stock()) {
        let from = count.reaches(&author.incarnation) + 1;
        each_movement(tx, author, from, sku, names, |movement| fold.moved(movement))?;
    }
    counts::stand_on(tx, store, sku, place, fold.tainted)?;
    if fold.tainted {
        ask_again(tx, store, sku, now)?;
    } else {
        review::resolve_named(tx, store, "recount", sku, "it was counted again", now)?;
    }
    let on_hand = i64::try_from(fold.on_hand).unwrap_or(i64::MAX);
    let row_version = counts::set_on_hand(tx, store, sku, on_hand)?;
    Ok(Some(StockNow { sku: sku.to_owned(), on_hand, row_version }))
}

/// The count at a place of a stream, its cut judged by where streams part.
pub(super) fn load(tx: &mut Tx<'_>, author: i64, seq: u64) -> Result<Option<Count>, Fault> {
    Ok(load_judged(tx, author, seq)?.map(|(count, _)| count))
}

/// The same, and whether its cut holds a head behind such a place.
fn load_judged(tx: &mut Tx<'_>, author: i64, seq: u64) -> Result<Option<(Count, bool)>, Fault> {
    let Some(author) = authors::by_no(tx, author)?.filter(Author::moves_stock) else { return Ok(None) };
    let Some(stored) = events::from(tx, author.no, seq, 1)?.pop() else { return Ok(None) };
    let counted = |event: Event| -> Option<Box<StockCounted>> {
        match event.body() {
            Ok(Body::StockCounted(counted)) if event.envelope.seq == seq => Some(counted),
            _ => None,
        }
    };
    let Some(counted) = Event::read(&stored.bytes).ok().and_then(counted) else { return Ok(None) };
    let mut count = Count::of(author.incarnation, seq, &counted);
    let beyond = judge_cut(tx, author.store, &counted, &mut count)?;
    Ok(Some((count, beyond)))
}

/// A head of a branch that fell counts only up to where the streams part (`model.md` §3, Forks); whether there is a head
/// behind such a place at all.
fn judge_cut(tx: &mut Tx<'_>, store: i64, counted: &StockCounted, count: &mut Count) -> Result<bool, Fault> {
    let forks = db_said::forks(tx, store)?;
    if forks.is_empty() {
        return Ok(false);
    }
    let (mut parted, mut stands) = (BTreeMap::new(), BTreeMap::new());
    for head in counted.cut_start.iter().chain(&counted.cut_end) {
        let Some(author) = authors::find(tx, &head.incarnation)? else { continue };
        let Some(fork) = forks.get(&author.no).copied().filter(|fork| head.seq > *fork) else { continue };
        parted.insert(head.incarnation, fork);
        // What the canonical branch doesn't reach stands on none.
        let hash = events::hash_at(tx, author.no, head.seq)?.unwrap_or(Hash::ZERO);
        stands.insert((head.incarnation, head.seq), hash);
    }
    count.settle_branches(|i, seq| stands.get(&(*i, seq)).copied(), |i| parted.get(i).copied());
    Ok(!parted.is_empty())
}

fn each_movement(
    tx: &mut Tx<'_>,
    author: &Author,
    mut from: u64,
    sku: &str,
    names: &Names,
    mut tell: impl FnMut(&Movement),
) -> Result<(), Fault> {
    let any_said = db_said::any(tx, author.store)?;
    loop {
        let page = events::from(tx, author.no, from, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        from = last.seq + 1;
        for event in page.iter().filter_map(|stored| Event::read(&stored.bytes).ok()) {
            if any_said && !said::stands(tx, author, &event)? {
                continue;
            }
            let effects = told(&event).unwrap_or_default();
            let ours = effects.ledger.iter().filter(|movement| names.booked(&movement.sku) == sku);
            ours.for_each(|effect| tell(&Movement::of(&event.envelope, effect)));
        }
    }
}

/// Burns what is missing of an item and that no node has burnt, out of the hub's own free rights; how many base units.
pub fn burn_own(hub: &Hub, store: &str, sku: &str, now: UtcMs) -> Result<u64, Fault> {
    let picture = super::stock::get(hub, store, sku)?.picture;
    if picture.shrink() == 0 {
        return Ok(0);
    }
    hub.write(|tx, after| {
        let store = super::stores::find(tx, store)?;
        if super::recovering::is(tx, store.no)? {
            return Ok(0);
        }
        let rights = lent::locked(tx, store.no, sku)?;
        let on_hand = stock::one(tx, store.no, sku)?;
        let Some(row) = on_hand else { return Ok(0) };
        let picture = super::stock::picture(tx, store.no, &row)?;
        let standing = Standing { rights, held: 0, registered: true, locked: false };
        let units = burn(&standing, &picture, None);
        if units == 0 {
            return Ok(0);
        }
        let fact = RightsBurnt { sku: Sku(sku.to_owned()), units, asked_by: None };
        hub_log::append(tx, after, hub, &store, &[fact.into()], now)?;
        Ok(units)
    })
}

/// The item that a count is of, with its store's code: for [`burn_own`] once it has committed.
pub fn item_of(store: &str, body: &Body, names: &Names) -> Option<(String, String)> {
    match body {
        Body::StockCounted(counted) => Some((store.to_owned(), names.booked(&counted.sku))),
        _ => None,
    }
}
