//! Becoming a node of a hub's store (`model.md` §1, a node that was never enrolled; §4, Enrolment).
//!
//! The successor incarnation is made and stored before the hub is asked; the lone one retires only once the hub has
//! accepted. While the hub is being asked nothing is written, so that what it was told of the lone log stays true.

use super::clock::Now;
use super::node::Node;
use super::problem::{Answer, Code, no};
use crate::db::incarnations::{self, Part};
use crate::db::{Fault, catalog, meta, stock};
use serde::{Deserialize, Serialize};
use tradepost_commerce::document::Sku;
use tradepost_sync::body::{IncarnationRetired, IncarnationStarted, RetiredBy};
use tradepost_sync::clock::Tau;
use tradepost_sync::event::Head;
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::Incarnation;
use tradepost_sync::staff::StaffRecord;

/// The hub a node belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hub {
    /// Host and port.
    pub address: String,
    /// SHA-256 of its certificate.
    pub fingerprint: [u8; 32],
    /// Its key.
    pub key: [u8; 32],
    /// The store's own incarnation there.
    pub incarnation: Incarnation,
    /// The store's code.
    pub store_code: String,
    /// The store's name.
    pub store_name: String,
}

/// What the hub is told of the node.
#[derive(Clone, Debug)]
pub struct Application {
    /// The incarnation that is to be enrolled.
    pub successor: Incarnation,
    /// The end of the lone log, where anything was ever done alone.
    pub lone: Option<HeadMark>,
    /// The store's own products: code, name, trade item numbers.
    pub products: Vec<(Sku, String, Vec<String>)>,
    /// What the lone log leaves of each item: on hand, rights, overdraw.
    pub stock: Vec<(Sku, i64, u64, u64)>,
    /// The store's own staff, each PIN as it is kept.
    pub staff: Vec<StaffRecord>,
    /// The ends of the logs that this machine wrote before it lost memory.
    pub earlier: Vec<HeadMark>,
}

/// Prepares to ask: settles what can be settled and stores the successor. A repeat names the same successor.
///
/// # Errors
/// `ALREADY_ENROLLED`; or a fault.
pub fn prepare(node: &mut Node, now: Now) -> Answer<Incarnation> {
    if node.me.enrolled && node.me.registered {
        return Err(no(Code::AlreadyEnrolled, "this node belongs to a store already"));
    }
    if node.me.enrolled {
        // A memory that the hub would not take back by itself: the code is for the incarnation that writes now.
        return Ok(node.head.incarnation);
    }
    let mut overdrawn = Vec::new();
    node.flush()?;
    stock::each(node.conn(), |_, sku, row| {
        if row.overdraw() > 0 && row.rights() > 0 {
            overdrawn.push(sku);
        }
    })?;
    node.settle(now, overdrawn)?;
    if let Some(successor) = meta::get::<Incarnation>(node.conn(), "successor")? {
        return Ok(successor);
    }
    let successor = super::start::random_id((node.luck)());
    meta::set(node.conn(), "successor", &successor)?;
    node.touch();
    Ok(successor)
}

/// What the hub is to be told; nothing is written until it has answered.
///
/// # Errors
/// A fault.
pub fn application(node: &mut Node, successor: Incarnation) -> Answer<Application> {
    let earlier = super::rejoin::earlier_heads(node.conn())?;
    if node.me.enrolled {
        let (products, stock, staff) = (Vec::new(), Vec::new(), Vec::new());
        return Ok(Application { successor, lone: None, products, stock, staff, earlier });
    }
    node.flush()?;
    let mut rows = Vec::new();
    stock::each(node.conn(), |_, sku, row| rows.push((sku, row.on_hand, row.rights(), row.overdraw())))?;
    rows.retain(|(_, on_hand, rights, overdraw)| (*on_hand, *rights, *overdraw) != (0, 0, 0));
    let mut products = Vec::new();
    let mut after = 0;
    loop {
        let page = catalog::page(node.conn(), after, 500)?;
        let Some(last) = page.last() else { break };
        after = last.sku_no;
        products.extend(page.into_iter().map(|item| {
            let gtins = item.product.gtins.iter().map(ToString::to_string).collect();
            (item.product.sku, item.product.name, gtins)
        }));
    }
    let staff = super::staff::records(node.conn())?;
    Ok(Application { successor, lone: Some(node.mark()), products, stock: rows, staff, earlier })
}

/// The hub accepted: the lone incarnation retires, the successor begins, without rights until the roster names it.
/// The lone log's stock waits for the hub's opening; the overdraw it leaves is carried by the successor's first
/// event.
///
/// # Errors
/// A fault.
pub fn accept(node: &mut Node, now: Now, hub: &Hub, tau: Option<Tau>) -> Answer<()> {
    if let Some(tau) = tau.filter(|_| node.me.enrolled) {
        node.clock.hear(tau, now.boot);
    }
    if node.me.enrolled {
        // Its database may have been put back since this node last heard it.
        return super::follow::speaks_from_now_on(node, hub);
    }
    let successor: Incarnation = meta::get(node.conn(), "successor")?
        .ok_or_else(|| Fault::Fatal("accepted without having asked".to_owned()))?;
    let last_seq = node.head.seq + 1;
    let retired = IncarnationRetired { last_seq, by: RetiredBy::Enrolment(successor) };
    node.write(now, None, None, retired.into())?;
    let owed = close_lone_log(node)?;
    begin_successor(node, hub, successor)?;
    if let Some(tau) = tau {
        node.clock.hear(tau, now.boot);
    }
    let random = super::start::random_id((node.luck)()).0;
    let program = concat!("tradepost-node ", env!("CARGO_PKG_VERSION")).to_owned();
    node.write(now, None, None, IncarnationStarted { random, program, carried: owed }.into())?;
    Ok(())
}

/// Ends the lone log with a signed head of its own; answers the overdraw that is left.
fn close_lone_log(node: &mut Node) -> Answer<Vec<(Sku, u64)>> {
    node.flush()?;
    let mut owed = Vec::new();
    stock::each(node.conn(), |_, sku, row| {
        if row.overdraw() > 0 {
            owed.push((sku, row.overdraw()));
        }
    })?;
    let lone = node.mark();
    let signature = node.device.sign_head(&lone);
    incarnations::set_head(node.conn(), node.me.no, &node.head)?;
    crate::db::events::sign(node.conn(), crate::db::events::place(node.me.no, lone.seq), &signature)?;
    incarnations::set_part(node.conn(), node.me.no, Part::Lone)?;
    incarnations::set_standing(node.conn(), node.me.no, None, false, false, true)?;
    // What was written alone before memory was lost is of the same kind: documents, and goods that the hub opens with.
    let lost = incarnations::all(node.conn())?.into_iter().filter(|known| known.part == Part::Lost);
    for known in lost {
        incarnations::set_part(node.conn(), known.no, Part::Lone)?;
        incarnations::set_standing(node.conn(), known.no, known.device_key.as_ref(), false, false, true)?;
        stock::forget_cells(node.conn(), known.no)?;
    }
    stock::set_lone_aside(node.conn())?;
    Ok(owed)
}

fn begin_successor(node: &mut Node, hub: &Hub, successor: Incarnation) -> Answer<()> {
    let conn = node.db.conn();
    let no = incarnations::insert(conn, &successor, Part::Present)?;
    incarnations::set_standing(conn, no, Some(&node.device.public()), false, false, false)?;
    let hub_no = incarnations::intern(conn, &hub.incarnation, Part::Hub)?;
    incarnations::set_part(conn, hub_no, Part::Hub)?;
    incarnations::set_standing(conn, hub_no, Some(&hub.key), true, false, false)?;
    meta::set(conn, "hub", hub)?;
    meta::set(conn, "enrolled", &true)?;
    node.reload()?;
    node.head = Head::empty(successor);
    node.touch();
    Ok(())
}

/// The hub this node belongs to, if any.
///
/// # Errors
/// A fault.
pub fn hub(conn: &rusqlite::Connection) -> Result<Option<Hub>, Fault> {
    meta::get(conn, "hub")
}
