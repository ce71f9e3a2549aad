//! Taking in what others wrote: one transaction a batch, and the stream's end moves in it (`model.md` §6).

use super::branch;
use super::clock::Now;
use super::frozen;
use super::node::Node;
use super::problem::{Answer, Stop};
use super::refund::note_basis;
use super::said;
use super::shared_cart;
use super::shelf::HeldShelf;
use crate::db::documents::{self, DocumentKind, Entry};
use crate::db::incarnations::{self, Known, Part};
use crate::db::stock;
use crate::db::{Fault, branches, catalog, events};
use rusqlite::Connection;
use std::collections::BTreeSet;
use tradepost_commerce::document::Sku;
use tradepost_sync::body::{Body, RosterChanged};
use tradepost_sync::effects::{self, Cell, Effects};
use tradepost_sync::event::{Event, Head};
use tradepost_sync::ids::{Hash, Id};
use tradepost_sync::rights::Row;
use tradepost_sync::session::{Applied, Batch, Encoding};
use tradepost_sync::signing::verify_head;
use tradepost_sync::wire::{Stretch, unpack, unpack_raw};

/// Takes in a batch that the hub gives: of two branches of a stream its is canonical, and what is held here of another is
/// cut off (`model.md` §3, Forks). What it sends of a stream that was written here it holds.
///
/// # Errors
/// A fault.
pub fn join_canonical(node: &mut Node, now: Now, batch: &Batch) -> Answer<Applied> {
    let applied = match join(node, now, batch)? {
        Applied::Fork if batch.incarnation != node.head.incarnation => branch::heal(node, now, batch)?,
        // Behind it the branches may part: the rest is to come all the same.
        Applied::Done(head) if head.seq > batch.to() => Applied::Done(batch.end()),
        applied => applied,
    };
    if let Applied::Done(_) = applied {
        node.note_acked(&batch.end())?;
    }
    Ok(applied)
}

/// Applies a batch; what became of it.
///
/// # Errors
/// A fault.
pub fn join(node: &mut Node, now: Now, batch: &Batch) -> Answer<Applied> {
    let known = incarnations::find(node.conn(), &batch.incarnation)?;
    let held = known.as_ref().map_or(0, |k| k.head.seq);
    if batch.to() <= held {
        return repeated(node, known.as_ref(), batch);
    }
    if batch.from > held + 1 {
        return Ok(Applied::NeedFrom { incarnation: batch.incarnation, from: held + 1 });
    }
    if batch.incarnation == node.head.incarnation {
        // Somebody holds more of this node than it does itself.
        return Ok(Applied::Fork);
    }
    // A barrier holds this log where it is; whoever offers it may come again.
    if !frozen::takes(node.conn(), &batch.incarnation, batch.to())? {
        return Ok(Applied::Unknown);
    }
    // The roster that names its author may be on its way.
    let Some(known) = known.filter(|k| k.device_key.is_some()) else { return Ok(Applied::Unknown) };
    let key = known.device_key.unwrap_or_default();
    if verify_head(&key, &batch.end(), &batch.signature).is_err() {
        return Ok(Applied::Bad);
    }
    let prev = prev_hash(node, &known, batch.from)?;
    let events = match read(node, batch, prev) {
        Read::Events(events) => events,
        Read::NeedRaw => {
            return Ok(Applied::NeedRaw { incarnation: batch.incarnation, from: batch.from, to: batch.to() });
        }
        Read::Bad => return Ok(Applied::Bad),
    };
    if parts_ways(&known, &events) {
        return Ok(Applied::Fork);
    }
    match chained(&events, prev, batch) {
        Chain::Whole => take_in(node, now, &known, batch, &events),
        Chain::Fork => Ok(Applied::Fork),
        Chain::Bad => Ok(Applied::Bad),
    }
}

fn repeated(node: &Node, known: Option<&Known>, batch: &Batch) -> Answer<Applied> {
    let Some(known) = known else { return Ok(Applied::Bad) };
    let held = events::bytes(node.conn(), events::place(known.no, batch.to()))?;
    let same = held.is_some_and(|bytes| tradepost_sync::event::hash_of(&bytes) == batch.end_hash);
    Ok(if same { Applied::Done(known.mark()) } else { Applied::Fork })
}

/// Whether a stretch that overlaps what is held has another event at the end of that.
fn parts_ways(known: &Known, events: &[Event]) -> bool {
    events.iter().any(|event| event.envelope.seq == known.head.seq && event.hash != known.head.hash)
}

fn prev_hash(node: &Node, known: &Known, from: u64) -> Result<Hash, Fault> {
    if from <= 1 {
        return Ok(Hash::ZERO);
    }
    if from == known.head.seq + 1 {
        return Ok(known.head.hash);
    }
    let bytes = events::bytes(node.conn(), events::place(known.no, from - 1))?;
    Ok(bytes.map_or(Hash::ZERO, |bytes| tradepost_sync::event::hash_of(&bytes)))
}

enum Read {
    Events(Vec<Event>),
    NeedRaw,
    Bad,
}

fn read(node: &Node, batch: &Batch, prev: Hash) -> Read {
    match batch.encoding {
        Encoding::Raw => match unpack_raw(&batch.payload) {
            Ok(events) => Read::Events(events),
            Err(_) => Read::Bad,
        },
        Encoding::Compact => {
            let stretch = Stretch {
                incarnation: batch.incarnation,
                from: batch.from,
                count: batch.count,
                prev,
                end: batch.end_hash,
            };
            match unpack(&batch.payload, stretch, batch.catalog, &HeldShelf::new(node.conn())) {
                Ok(events) => Read::Events(events),
                Err(_) => Read::NeedRaw,
            }
        }
    }
}

enum Chain {
    Whole,
    Fork,
    Bad,
}

/// Whether events are the gapless stretch after `before` that a batch says.
pub(super) fn is_whole(events: &[Event], before: Hash, batch: &Batch) -> bool {
    matches!(chained(events, before, batch), Chain::Whole)
}

fn chained(events: &[Event], prev: Hash, batch: &Batch) -> Chain {
    let mut before = prev;
    for (seq, event) in (batch.from..).zip(events) {
        let envelope = &event.envelope;
        if envelope.incarnation != batch.incarnation || envelope.seq != seq {
            return Chain::Bad;
        }
        if envelope.prev_hash != before {
            return if seq == batch.from { Chain::Fork } else { Chain::Bad };
        }
        before = event.hash;
    }
    let whole = before == batch.end_hash && u32::try_from(events.len()) == Ok(batch.count);
    if whole { Chain::Whole } else { Chain::Bad }
}

pub(super) fn take_in(
    node: &mut Node,
    now: Now,
    known: &Known,
    batch: &Batch,
    events: &[Event],
) -> Answer<Applied> {
    let mut gained = BTreeSet::new();
    let mut opened = false;
    for event in events.iter().filter(|e| e.envelope.seq > known.head.seq) {
        let place = events::insert(node.conn(), known.no, event)?;
        opened |= apply(node, known, place, event, &mut gained)?;
    }
    if opened {
        lone_stock_is_booked(node)?;
    }
    let Some(last) = events.last() else { return Ok(Applied::Bad) };
    if last.envelope.seq <= known.head.seq {
        return Ok(Applied::Done(batch.end()));
    }
    let head = Head {
        incarnation: batch.incarnation,
        seq: last.envelope.seq,
        hash: last.hash,
        hlc: last.envelope.hlc,
    };
    incarnations::set_head(node.conn(), known.no, &head)?;
    events::sign(node.conn(), events::place(known.no, head.seq), &batch.signature)?;
    node.other_has_grown(batch.end());
    node.head.hlc = node.head.hlc.observe(head.hlc, now.wall);
    node.touch();
    if branches::forks(node.conn())?.contains_key(&known.no) {
        super::count::judge_again(node)?;
    }
    node.settle(now, gained)?;
    Ok(Applied::Done(batch.end()))
}

/// An event whose effects can't be read stays a fact without effects, and is said aloud; a till goes on. Answers
/// whether it opened stock.
fn apply(
    node: &mut Node,
    known: &Known,
    place: i64,
    event: &Event,
    gained: &mut BTreeSet<Sku>,
) -> Answer<bool> {
    let (author, seq) = (known.id(), event.envelope.seq);
    match said::judge(node.conn(), event)? {
        said::Counts::Fully => {}
        said::Counts::Not => return Ok(false),
        said::Counts::Instead(later) => {
            if let Some((of_later, saying)) = said::event_of(node.conn(), &later)? {
                said::owe(node, of_later, &saying, false)?;
            }
            said::owe(node, place, event, true)?;
            return Ok(false);
        }
    }
    let body = match event.body() {
        Ok(body) => body,
        Err(error) => {
            tracing::error!(%error, %author, seq, "the body of another's event can't be read");
            // What the envelope itself says still counts, as at the hub.
            let told = event.envelope.cells.as_ref().filter(|told| effects::plausible(told).is_ok());
            match told {
                Some(told) if known.moves_stock() => {
                    let told = counted(node, known, seq, told.clone())?;
                    apply_effects(node, known, event, &told, gained)?;
                }
                _ => branches::note_unapplied(node.conn(), known.no, seq)?,
            }
            return Ok(false);
        }
    };
    if known.moves_stock() {
        match effects::of(&event.envelope, &body) {
            Ok(effects) => {
                let effects = counted(node, known, seq, effects)?;
                apply_effects(node, known, event, &effects, gained)?;
                super::custody::note(node, &body, &effects)?;
                super::count::note(node, place, &body)?;
            }
            Err(error) => {
                tracing::error!(%error, %author, seq, "effects of another's event were not applied");
                branches::note_unapplied(node.conn(), known.no, seq)?;
            }
        }
    }
    index(node.conn(), place, &body)?;
    super::shift_desk::hear(node, place, event, &body)?;
    if known.part == Part::Hub {
        frozen::hear(node, &body)?;
    }
    match &body {
        Body::RosterChanged(roster) if known.part == Part::Hub => apply_roster(node, known, roster)?,
        Body::StockOpened(opened) if known.part == Part::Hub => {
            let own = |known: Known| matches!(known.part, Part::Present | Part::Lost);
            return Ok(incarnations::find(node.conn(), &opened.successor)?.is_some_and(own));
        }
        Body::SaleCommitted(sale) => {
            if let Some(cart) = &sale.cart {
                shared_cart::heard_paid(node, event.envelope.wall, cart, sale.sale_id)?;
            }
        }
        // Nobody gives to it from here on (`model.md` §3.6); the roster says so too, later.
        Body::IncarnationRetired(_) if known.moves_stock() => {
            let (no, key) = (known.no, known.device_key.as_ref());
            incarnations::set_standing(node.conn(), no, key, known.registered, known.fenced, true)?;
        }
        Body::SkuAliased(alias) if known.part == Part::Hub => {
            same_item(node, &alias.from, &alias.to)?;
        }
        _ => {}
    }
    Ok(false)
}

/// What counts of an event's effects.
fn counted(node: &Node, known: &Known, seq: u64, mut effects: Effects) -> Result<Effects, Fault> {
    frozen::counted(node.conn(), known, seq, &mut effects)?;
    Ok(effects)
}

/// Documents of others can be asked for here too, and count in the store's totals.
pub(super) fn index(conn: &Connection, place: i64, body: &Body) -> Answer<()> {
    let entry = |id, kind| Entry { id, kind, request: None, receipt: None, day: None };
    let entry = match body {
        Body::SaleCommitted(sale) => Entry {
            receipt: Some(&sale.receipt),
            day: Some(sale.business_day),
            ..entry(&sale.sale_id, DocumentKind::Sale)
        },
        Body::RefundCommitted(refund) => {
            if let Some(sale) = &refund.document.inputs.original {
                match note_basis(conn, &Id(sale.sale_id), &refund.document) {
                    Err(Stop::No(problem)) => tracing::error!(?problem, "a refund of another is not counted"),
                    done => done?,
                }
            }
            Entry {
                receipt: Some(&refund.receipt),
                day: Some(refund.business_day),
                ..entry(&refund.refund_id, DocumentKind::Refund)
            }
        }
        Body::DeliveryReceived(delivery) => entry(&delivery.delivery, DocumentKind::Delivery),
        Body::StockAdjusted(adjusted) => entry(&adjusted.adjustment, DocumentKind::Adjustment),
        _ => return Ok(()),
    };
    Ok(documents::insert_of_other(conn, place, &entry)?)
}

fn apply_effects(
    node: &mut Node,
    known: &Known,
    event: &Event,
    effects: &Effects,
    gained: &mut BTreeSet<Sku>,
) -> Result<(), Stop> {
    for effect in &effects.cells {
        let name = booked_as(node, &effect.sku)?;
        let sku = catalog::intern(node.conn(), &name)?;
        let mut cells = Row::default();
        match effect.cell {
            Cell::Minted => cells.minted = effect.units,
            Cell::Used => cells.used = effect.units,
            Cell::Overdrawn => cells.overdrawn = effect.units,
            Cell::Settled => cells.settled = effect.units,
            Cell::Given(to) if to == node.head.incarnation => {
                let mut row = node.stock(sku)?;
                row.received = row.received.saturating_add(effect.units);
                node.set_stock(sku, row);
                gained.insert(name);
                stock::add_gift(node.conn(), known.no, node.me.no, sku, effect.units)?;
                continue;
            }
            Cell::Given(to) => {
                let taker = incarnations::intern(node.conn(), &to, Part::Other)?;
                stock::add_gift(node.conn(), known.no, taker, sku, effect.units)?;
                continue;
            }
        }
        stock::add_cells(node.conn(), known.no, sku, &cells)?;
    }
    for effect in &effects.ledger {
        let name = booked_as(node, &effect.sku)?;
        node.move_goods(&event.envelope, &name, effect)?;
    }
    Ok(())
}

/// The item that a name stands for, as at the hub.
fn booked_as(node: &Node, sku: &Sku) -> Result<Sku, Fault> {
    Ok(catalog::alias(node.conn(), sku)?.unwrap_or_else(|| sku.clone()))
}

/// The whole roster, each time: who is a member, and whether this node is.
fn apply_roster(node: &mut Node, author: &Known, roster: &RosterChanged) -> Answer<()> {
    let hub_key = super::enrol::hub(node.conn())?.map(|hub| hub.key);
    let is_past = incarnations::hub(node.conn())?.is_some_and(|hub| hub.no != author.no);
    for member in &roster.members {
        let no = incarnations::intern(node.conn(), &member.incarnation, Part::Other)?;
        // Whoever is named for the first time and has ended already sold alone before its enrolment.
        let known = incarnations::by_no(node.conn(), no)?.filter(|known| known.part == Part::Other);
        let is_new = known.as_ref().is_some_and(|known| known.device_key.is_none());
        // Of a hub that was restored since, late words add members and take away, they never let anybody in again.
        if is_past && !is_new && !member.fenced && !member.retired {
            continue;
        }
        if is_new && hub_key == Some(member.device_key) {
            incarnations::set_part(node.conn(), no, Part::Hub)?;
        } else if member.retired && !member.fenced && is_new {
            incarnations::set_part(node.conn(), no, Part::OtherLone)?;
        }
        incarnations::set_name(node.conn(), no, &member.name)?;
        let key = Some(&member.device_key);
        incarnations::set_standing(node.conn(), no, key, true, member.fenced, member.retired)?;
        if member.incarnation == node.head.incarnation {
            node.me.registered = !member.fenced && !member.retired;
        }
    }
    Ok(())
}

/// Whatever was booked under one code counts as the other, as at the hub.
fn same_item(node: &mut Node, from: &Sku, to: &Sku) -> Answer<()> {
    catalog::put_alias(node.conn(), from, to)?;
    node.flush()?;
    stock::merge(node.conn(), catalog::intern(node.conn(), from)?, catalog::intern(node.conn(), to)?)?;
    node.forget_stock();
    node.reload_counts()?;
    Ok(())
}

/// The hub has booked what the lone log left, in one transaction and perhaps under other names: nothing of it waits
/// any longer.
fn lone_stock_is_booked(node: &mut Node) -> Answer<()> {
    node.flush()?;
    stock::forget_lone(node.conn())?;
    node.forget_stock();
    Ok(())
}
