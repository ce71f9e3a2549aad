//! Two branches of one stream (`model.md` §3, Forks). The hub's is canonical: whoever holds another cuts it back to where
//! the two part, keeps the rest aside and goes on with the hub's, all in one transaction. What this node wrote itself on
//! the branch it cuts it says again under its present incarnation, with the original ids and numbers.

use super::clock::Now;
use super::count;
use super::custody;
use super::frozen;
use super::join::{self, take_in};
use super::node::Node;
use super::problem::Answer;
use super::said;
use crate::db::documents::{self, Row as Document};
use crate::db::incarnations::{self, Known, Part};
use crate::db::stock::Stock;
use crate::db::{Fault, branches, catalog, counts, events};
use std::collections::{BTreeMap, BTreeSet};
use tradepost_commerce::document::{Basis, Sku};
use tradepost_commerce::quantity::Quantity;
use tradepost_sync::body::{Body, BranchCut, CustodyObject, CutHead, RefundCommitted};
use tradepost_sync::clock::Hlc;
use tradepost_sync::event::{Event, Head};
use tradepost_sync::fork;
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::{Hash, Id};
use tradepost_sync::session::{Applied, Batch, Encoding};
use tradepost_sync::signing::verify_head;
use tradepost_sync::wire::unpack_raw;

/// At least so many events further back the hub is asked for, where the branches part before what it sent.
const STEP_BACK: u64 = 64;

/// Takes in a stretch of the hub's branch of somebody's stream where another one is held here.
///
/// # Errors
/// A fault.
pub(super) fn heal(node: &mut Node, now: Now, batch: &Batch) -> Answer<Applied> {
    let Some(known) = incarnations::find(node.conn(), &batch.incarnation)? else {
        return Ok(Applied::Unknown);
    };
    // A barrier holds this log where it is.
    if !frozen::takes(node.conn(), &batch.incarnation, batch.to().max(known.head.seq + 1))? {
        return Ok(Applied::Unknown);
    }
    let key = known.device_key.unwrap_or_default();
    if verify_head(&key, &batch.end(), &batch.signature).is_err() {
        return Ok(Applied::Bad);
    }
    let (incarnation, from, to) = (batch.incarnation, batch.from, batch.to());
    if from == 0 {
        return Ok(Applied::Bad);
    }
    if batch.encoding != Encoding::Raw {
        return Ok(Applied::NeedRaw { incarnation, from, to });
    }
    let Ok(canonical) = unpack_raw(&batch.payload) else { return Ok(Applied::Bad) };
    let Some(before) = canonical.first().map(|event| event.envelope.prev_hash) else {
        return Ok(Applied::Bad);
    };
    if !join::is_whole(&canonical, before, batch) {
        return Ok(Applied::Bad);
    }
    if hash_at(node, &known, from - 1)? != Some(before) {
        return Ok(Applied::NeedFrom { incarnation, from: further_back(from, known.head.seq) });
    }
    let mut shared = from - 1;
    for event in &canonical {
        if hash_at(node, &known, event.envelope.seq)? != Some(event.hash) {
            break;
        }
        shared = event.envelope.seq;
    }
    cut_over(node, now, &known, shared, batch, &canonical)
}

/// Twice as far from the end of what is held as before.
fn further_back(from: u64, held: u64) -> u64 {
    let back = (held + 1).saturating_sub(from).saturating_mul(2).saturating_add(STEP_BACK);
    (held + 1).saturating_sub(back).max(1)
}

fn hash_at(node: &Node, known: &Known, seq: u64) -> Result<Option<Hash>, Fault> {
    if seq == 0 {
        return Ok(Some(Hash::ZERO));
    }
    let held = events::bytes(node.conn(), events::place(known.no, seq))?;
    Ok(held.map(|bytes| tradepost_sync::event::hash_of(&bytes)))
}

fn cut_over(
    node: &mut Node,
    now: Now,
    known: &Known,
    shared: u64,
    batch: &Batch,
    canonical: &[Event],
) -> Answer<Applied> {
    let (author, lost) = (known.id(), known.head.seq - shared);
    tracing::warn!(%author, shared, lost, "the hub holds another branch of this stream: the one held here is cut off");
    let cut = cut_back(node, known, shared)?;
    let known = incarnations::by_no(node.conn(), known.no)?.unwrap_or_else(|| known.clone());
    let applied = take_in(node, now, &known, batch, canonical)?;
    make_good(node, now, &known, &cut)?;
    if known.part == Part::Lost {
        say_again(node, now, &cut)?;
    }
    number_again(node, &cut)?;
    node.cut_once_more();
    Ok(applied)
}

/// A branch that was cut off.
struct Cut {
    /// The last event that both branches share.
    fork: CutHead,
    /// What was cut off, in order, with the document of each.
    events: Vec<(Event, Option<Document>)>,
}

/// Cuts a stream back to `shared`: what stood behind it counts nowhere any more and is kept aside.
fn cut_back(node: &mut Node, known: &Known, shared: u64) -> Answer<Cut> {
    node.flush()?;
    let mut lost = Vec::new();
    events::each::<Fault>(node.conn(), known.no, shared + 1, |place, bytes| {
        lost.push((place, events::parse(&bytes)?));
        Ok(true)
    })?;
    let mut touched = Touched::default();
    let mut cut = Vec::with_capacity(lost.len());
    for (place, event) in lost.into_iter().rev() {
        let document = documents::take_out(node.conn(), place)?;
        take_back(node, known, place, &event, &mut touched)?;
        crate::db::shifts::cut(node.conn(), place)?;
        cut.push((event, document));
    }
    cut.reverse();
    for (event, _) in &cut {
        branches::put_aside(node.conn(), known.no, event)?;
    }
    let (hash, hlc) = match events::read(node.conn(), events::place(known.no, shared))? {
        Some(last) => (last.hash, last.envelope.hlc),
        None => (Hash::ZERO, Hlc::default()),
    };
    let head = Head { incarnation: known.id(), seq: shared, hash, hlc };
    incarnations::set_head(node.conn(), known.no, &head)?;
    incarnations::set_acked_back(node.conn(), known.no, shared)?;
    branches::cut_unapplied(node.conn(), known.no, shared)?;
    node.other_is_cut(HeadMark { incarnation: known.id(), seq: shared, hash });
    touched.fold_again(node)?;
    Ok(Cut { fork: CutHead { incarnation: known.id(), seq: shared, hash }, events: cut })
}

/// What a cut leaves to be folded again.
#[derive(Default)]
struct Touched {
    items: BTreeSet<i64>,
    objects: BTreeSet<CustodyObject>,
    ids: BTreeSet<Id>,
}

/// What an event did is undone, unless it stands in other words.
fn take_back(node: &mut Node, known: &Known, place: i64, event: &Event, touched: &mut Touched) -> Answer<()> {
    let envelope = &event.envelope;
    let counted = known.moves_stock() && counted_here(node, event)?;
    if let Some(first) = &envelope.reissue {
        branches::unsay(node.conn(), &first.hash, &(envelope.incarnation, envelope.seq))?;
    }
    let mut told = said::told(event);
    frozen::counted(node.conn(), known, envelope.seq, &mut told)?;
    let body = event.body().ok();
    if let Some(body) = &body {
        if let Body::RefundCommitted(refund) = body
            && counted
        {
            take_back_basis(node, refund)?;
        }
        if let Body::StockCounted(counted) = body {
            counts::take_out(node.conn(), place)?;
            touched.items.insert(said::item(node, &counted.sku)?);
        }
        touched.ids.extend(custody::told_of(body));
    }
    touched.objects.extend(told.custody.iter().map(|step| step.object.clone()));
    if !counted {
        return Ok(());
    }
    // The fact was said again before its branch fell: its goods and its document stand in those words.
    let original = envelope.reissue.map_or(event.hash, |first| first.hash);
    if let Some((place, saying)) = said::standing(node.conn(), &original)? {
        take_back_cells(node, known, &told)?;
        said::owe(node, place, &saying, true)?;
        if let Ok(body) = saying.body() {
            join::index(node.conn(), place, &body)?;
        }
        return Ok(());
    }
    take_back_cells(node, known, &told)?;
    for effect in &told.ledger {
        let sku = said::item(node, &effect.sku)?;
        if node.counted_on(sku) {
            touched.items.insert(sku);
            continue;
        }
        let row = node.stock(sku)?;
        node.set_stock(sku, Stock { on_hand: row.on_hand.saturating_sub(effect.units), ..row });
    }
    Ok(())
}

/// Whether an event that is still logged counted: no saying that another one stood for.
fn counted_here(node: &Node, event: &Event) -> Result<bool, Fault> {
    if event.envelope.reissue.is_none() {
        // While the original stood here, no saying of it counted.
        return Ok(true);
    }
    said::stands(node.conn(), event)
}

fn take_back_cells(
    node: &mut Node,
    known: &Known,
    told: &tradepost_sync::effects::Effects,
) -> Result<(), Fault> {
    frozen::take_back_one(node, known.no, told)
}

/// What a refund of the branch had paid back of each line has not been paid back.
fn take_back_basis(node: &Node, refund: &RefundCommitted) -> Result<(), Fault> {
    let Some(sale) = &refund.document.inputs.original else { return Ok(()) };
    for (line, outcome) in refund.document.inputs.lines.iter().zip(&refund.document.outcome.lines) {
        let Some(index) = line.line else { continue };
        // What came back is noted as positive amounts, the document's are below zero.
        let quantity = Quantity(line.quantity.0.saturating_neg());
        let less = Basis { quantity, net: outcome.net, tax: outcome.tax };
        documents::add_refunded(node.conn(), &Id(sale.sale_id), index, &less)?;
    }
    Ok(())
}

impl Touched {
    fn fold_again(self, node: &mut Node) -> Answer<()> {
        for sku in self.items {
            count::stand_again(node, sku)?;
        }
        if !self.objects.is_empty() || !self.ids.is_empty() {
            custody::fold_again(node, &self.objects, &self.ids)?;
        }
        Ok(())
    }
}

/// Rights that came from the branch and were used here are made good in the same transaction: `M += d, O += d`, d = −r
/// (G51). Where the streams part is said also where there is nothing to make good but anything was counted: a count may
/// have had the branch in its cut.
fn make_good(node: &mut Node, now: Now, known: &Known, cut: &Cut) -> Answer<()> {
    let mut made_good: BTreeMap<Sku, u64> = BTreeMap::new();
    let others = cut.events.iter().filter(|_| known.part != Part::Lost);
    for (event, _) in others {
        for effect in said::told(event).cells {
            let no = said::item(node, &effect.sku)?;
            let row = node.stock(no)?;
            let missing = (row.given + row.used).saturating_sub(row.minted + row.received);
            if missing > 0 {
                let sku = catalog::sku(node.conn(), no)?.unwrap_or(effect.sku);
                made_good.insert(sku, missing);
            }
        }
    }
    let counted = |(event, _): &(Event, Option<Document>)| matches!(event.body(), Ok(Body::StockCounted(_)));
    if made_good.is_empty() && !counts::any(node.conn())? && !cut.events.iter().any(counted) {
        return Ok(());
    }
    let made_good: Vec<(Sku, u64)> = made_good.into_iter().collect();
    tracing::warn!(author = %known.id(), items = made_good.len(), "a branch was cut off; rights of it were made good");
    node.write(now, None, None, BranchCut { incarnation: known.id(), fork: cut.fork, made_good }.into())?;
    Ok(())
}

/// What this node's own branch says of money, goods and promises is said again, each fact once, whoever said it before.
fn say_again(node: &mut Node, now: Now, cut: &Cut) -> Answer<()> {
    let lost = cut.events.iter().map(|(event, _)| (&event.envelope, event.hash));
    let due: BTreeSet<Hash> = fork::to_reissue(lost, &branches::originals(node.conn())?)
        .into_iter()
        .map(|mark| mark.hash)
        .collect();
    for (event, document) in &cut.events {
        let mark = fork::reissue_of(&event.envelope, event.hash);
        let Some(body) = event.body().ok().filter(|_| due.contains(&mark.hash)) else { continue };
        if !is_whole_there(cut, event, &body) {
            continue;
        }
        let Some(again) = fork::said_again(&body) else { continue };
        let written = node.say_again(now, &event.envelope, again, mark)?;
        if let Body::RefundCommitted(refund) = &written.body
            && let Some(sale) = &refund.document.inputs.original
        {
            super::refund::note_basis(node.conn(), &Id(sale.sale_id), &refund.document)?;
        }
        if let Some(document) = document {
            documents::put_back(node.conn(), written.place, document)?;
        }
    }
    Ok(())
}

/// A Z of the branch is said again where all of its shift stood there. Else it tells also of what both branches have: that
/// shift is open again, and its recovered Z will tell of everything.
fn is_whole_there(cut: &Cut, event: &Event, body: &Body) -> bool {
    let Body::ShiftClosed(closed) = body else { return true };
    let envelope = &event.envelope;
    let opens_it = |(before, _): &(Event, Option<Document>)| {
        before.envelope.till == envelope.till
            && matches!(before.body(), Ok(Body::ShiftOpened(opened)) if opened.shift == closed.shift)
    };
    closed.opened_by.is_none() && cut.events.iter().any(opens_it)
}

/// A number that the branch had taken is free again, for the document that was printed with it.
fn number_again(node: &Node, cut: &Cut) -> Result<(), Fault> {
    for document in cut.events.iter().filter_map(|(_, document)| document.as_ref()) {
        documents::number_again(node.conn(), document)?;
    }
    Ok(())
}
