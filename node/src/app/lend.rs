//! Rights that this node gives away: by hand, and the share that settings lend to the web (`model.md` §2; `facts.md`
//! §4, Lending to the web).

use super::clock::Now;
use super::node::Node;
use super::picture::{self, Holder, Shown};
use super::problem::{Answer, Code, no, no_at};
use super::request::{GrantRequest, Taker, hash_of, same_request};
use crate::db::Fault;
use crate::db::documents::{self, DocumentKind, Entry};
use crate::db::incarnations::{self, Known};
use crate::db::stock::{self, Stock};
use std::cmp::Reverse;
use tradepost_commerce::document::Sku;
use tradepost_sync::body::{Body, RightsGranted, RosterChanged, RosterEntry};
use tradepost_sync::cover::{Occasion, cover};
use tradepost_sync::effects::Cell;
use tradepost_sync::ids::Incarnation;
use tradepost_sync::promise::lending_target;
use tradepost_sync::rights::{self, Rights};
use tradepost_sync::terms::Terms;

/// Gives rights to the hub or to another node of the store. The same request again changes nothing.
///
/// # Errors
/// `UNKNOWN_SKU`, `BAD_QUANTITY`, `UNKNOWN_INCARNATION`, `RIGHTS_SHORT`, `SALE_ID_REUSED`; then nothing was stored. Or
/// a fault.
pub fn give(node: &mut Node, now: Now, request: &GrantRequest) -> Answer<()> {
    let hash = hash_of(request);
    if let Some(found) = documents::find(node.conn(), &request.id)? {
        return same_request(&found, DocumentKind::Grant, hash).map(|_| ());
    }
    if request.units == 0 {
        return Err(no_at(Code::BadQuantity, "/units", "nothing is given"));
    }
    let item = node.item(&request.sku)?;
    let to = taker(node, &request.to)?;
    let row = node.stock(item.item.sku_no)?;
    let free = node.standing(&row).free();
    if free < request.units {
        let detail = format!("{} asked, {free} may be given", request.units);
        return Err(no_at(Code::RightsShort, "/units", detail));
    }
    let sku = item.item.product.sku.clone();
    let body = RightsGranted { sku, to: to.id(), units: request.units };
    let written = node.write(now, None, None, body.into())?;
    let entry =
        Entry { id: &request.id, kind: DocumentKind::Grant, request: Some(hash), receipt: None, day: None };
    documents::insert(node.conn(), written.place, &entry)?;
    Ok(())
}

/// Whoever may be given to: of the roster, neither fenced nor retired, and somebody else.
pub(crate) fn taker(node: &Node, to: &Taker) -> Answer<Known> {
    let known = match to {
        Taker::Hub => incarnations::hub(node.conn())?,
        Taker::Incarnation(id) => incarnations::find(node.conn(), id)?,
    };
    let known = known.filter(|known| known.admitted() && known.id() != node.head.incarnation);
    known.ok_or_else(|| {
        let detail = "rights go to the hub or to another node of the store's roster";
        no_at(Code::UnknownIncarnation, "/to", detail)
    })
}

/// Lends the hub what it lacks of its share of items that have just come; nothing where another node holds more.
///
/// # Errors
/// A fault.
pub(crate) fn lend_share(node: &mut Node, now: Now, skus: impl IntoIterator<Item = Sku>) -> Answer<()> {
    let settings = &node.rulebook.settings;
    let (share, safety) = (settings.web_share_ppm, settings.safety_stock);
    if share == 0 {
        return Ok(());
    }
    let Some(hub) = incarnations::hub(node.conn())?.filter(Known::admitted) else { return Ok(()) };
    for sku in skus {
        let sku_no = node.sku_no(&sku)?;
        let row = node.stock(sku_no)?;
        let shown = picture::of(node.conn(), sku_no, &row)?;
        if !gives(node.head.incarnation, &shown) {
            continue;
        }
        let lent = shown.holders.iter().find(|h| h.hub).map_or(0, |h| u64::try_from(h.rights).unwrap_or(0));
        let lacking = lending_target(&shown.picture, share, safety).saturating_sub(lent);
        let units = rights::give(&node.standing(&row), lacking);
        if units > 0 {
            node.write(now, None, None, RightsGranted { sku, to: hub.id(), units }.into())?;
        }
    }
    Ok(())
}

/// Before anything strict is promised of an item, what others have sold beyond their rights is covered, so that goods
/// which have left are not promised again (`model.md` §2, When rights run out). Answers the facts to write first, and
/// takes them off `row`; what the hub must be given for those whom nobody may give to is among them.
///
/// # Errors
/// A fault.
pub(crate) fn cover_first(node: &Node, sku: &Sku, sku_no: i64, row: &mut Stock) -> Result<Vec<Body>, Fault> {
    let free = node.standing(row).free();
    let held = stock::held_by_others(node.conn(), sku_no)?;
    if free == 0 || !held.values().any(|(_, overdraw)| *overdraw > 0) {
        return Ok(Vec::new());
    }
    let Some(hub) = incarnations::hub(node.conn())? else { return Ok(Vec::new()) };
    let overflow = |_| Fault::Fatal("a stock figure would leave its range".to_owned());
    let (mut rights, mut members) = (Rights::default(), Vec::new());
    for known in incarnations::all(node.conn())?.into_iter().filter(Known::moves_stock) {
        let (own, overdraw) = held.get(&known.no).copied().unwrap_or_default();
        let own = u64::try_from(own).unwrap_or(0);
        rights.apply(known.id(), Cell::Minted, own).map_err(overflow)?;
        rights.apply(known.id(), Cell::Overdrawn, overdraw).map_err(overflow)?;
        members.extend(known.registered.then(|| member(&known)));
    }
    let mut terms = Terms::of_hub(hub.id());
    terms.hear(&hub.id(), &RosterChanged { version: 1, members }.into());
    let cover = cover(&rights, &terms, sku, &node.head.incarnation, free, Occasion::StrictPromise);
    let grants = cover.grants.into_iter().map(|(to, units)| {
        row.given = row.given.saturating_add(units);
        RightsGranted { sku: sku.clone(), to, units }.into()
    });
    Ok(grants.collect())
}

fn member(known: &Known) -> RosterEntry {
    RosterEntry {
        incarnation: known.id(),
        device_key: known.device_key.unwrap_or_default(),
        name: String::new(),
        fenced: known.fenced,
        retired: known.retired,
    }
}

/// The node with the most rights lends; of equals the smaller incarnation.
fn gives(me: Incarnation, shown: &Shown) -> bool {
    let nodes = shown.holders.iter().filter(|h| h.live && !h.hub);
    let most = nodes.max_by_key(|h: &&Holder| (h.rights, Reverse(h.incarnation)));
    most.is_some_and(|most| most.incarnation == me)
}

/// Refuses what an unfinished enrolment can't do yet.
///
/// # Errors
/// `NOT_ENROLLED`.
pub(crate) fn must_be_enrolled(node: &Node) -> Answer<()> {
    if node.me.enrolled {
        return Ok(());
    }
    Err(no(Code::NotEnrolled, "a store without a hub has nobody to send to"))
}
